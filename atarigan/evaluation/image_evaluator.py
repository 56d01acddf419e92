"""Judging images: in the features of a classifier where there is one, otherwise of thumbnails."""

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.evaluator import Evaluator, in_chunks, two_real_sets
from atarigan.evaluation.features.feature_space import FeatureSpace
from atarigan.evaluation.metrics import images as image_metrics
from atarigan.evaluation.metrics.neighbors import MOST_COMPARED, copied_share, neighborhood_scores
from atarigan.evaluation.metrics.score import Columns, Progress
from atarigan.images.pixels import Frames


def image_evaluator(
    images: Frames,
    num: int,
    space: FeatureSpace,
    fresh: Frames | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Evaluator:
    """A judge of images.

    Args:
        images: what was learned from, uint8 (N, H, W, C), N at least 8.
        num: how many of them to compare with, and how many others to set the floor.
        space: in which features to compare.
        fresh: real images that were not learned from, to know copies by; None takes the other
            ones.
        seed: of the choice.

    Raises:
        InputError: there are too few, or they do not fit the features.
    """
    describe = space.describe
    real, others = two_real_sets(len(images), num, seed)
    reference = in_chunks(describe, images[real], progress)
    stand_in = in_chunks(describe, images[others], progress)
    fresh_features = (stand_in if fresh is None else in_chunks(describe, fresh[:MOST_COMPARED]))[
        "features"
    ]

    def measure(samples: Columns, real_ones: Columns) -> dict[str, float]:
        return feature_scores(samples, real_ones, fresh_features) | class_scores(samples)

    return Evaluator(
        space=space,
        headline="frechet_distance",
        describe=describe,
        measure=measure,
        real=images[real],
        reference=reference,
        stand_in=stand_in,
        accepted=images.shape[1:],
        seed=seed,
    )


def feature_scores(
    samples: Columns, real: Columns, fresh: npt.NDArray[np.float64]
) -> dict[str, float]:
    """What features tell: distances, neighborhoods, copies."""
    fake_features, real_features = samples["features"], real["features"]
    return {
        "frechet_distance": image_metrics.frechet_distance(fake_features, real_features),
        "kernel_distance": image_metrics.kernel_distance(fake_features, real_features),
        **neighborhood_scores(fake_features, real_features),
        "copied": copied_share(fake_features, real_features, fresh),
    }


def class_scores(samples: Columns) -> dict[str, float]:
    """What class probabilities tell; nothing where there are none."""
    if "probabilities" not in samples:
        return {}
    return {
        "class_entropy": image_metrics.class_entropy(samples["probabilities"]),
        "mean_confidence": image_metrics.mean_confidence(samples["probabilities"]),
    }
