"""Evaluating images in a feature space."""

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.evaluator import Evaluator, in_chunks
from atarigan.evaluation.features.feature_space import FeatureSpace
from atarigan.evaluation.metrics import images as image_metrics
from atarigan.evaluation.metrics.neighbors import MAX_COMPARED, copied_share, neighborhood_scores
from atarigan.evaluation.metrics.real_sets import two_real_sets
from atarigan.evaluation.metrics.score import Columns, Progress
from atarigan.images.pixels import Frames
from atarigan.images.subset import drawn


def image_evaluator(
    images: Frames,
    num: int,
    space: FeatureSpace,
    fresh: Frames | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Evaluator:
    """Return an evaluator of images.

    Args:
        images: training images, uint8 (N, H, W, C), N at least 8.
        num: training images to compare with, at most N / 2; as many others set the floor.
        space: feature space of the distances.
        fresh: real images outside the training set, which set the distance below which a sample
            counts as copied; None takes the images that set the floor.
        seed: seed of the choice of images.
        progress: called with the number of images processed.

    Raises:
        InputError: there are too few images, or they do not fit the feature space.
    """
    sets = two_real_sets(len(images), num, seed, episodes=None)
    reference = in_chunks(space.describe, images[sets.real], progress)
    held_out = in_chunks(space.describe, images[sets.others], progress)
    fresh_columns = held_out
    if fresh is not None:
        some = fresh[drawn(len(fresh), MAX_COMPARED, seed)]
        fresh_columns = in_chunks(space.describe, some)

    def measure(samples: Columns, real_samples: Columns) -> dict[str, float]:
        in_features = feature_scores(samples, real_samples, fresh_columns["features"])
        return in_features | class_scores(samples)

    return Evaluator(
        space=space,
        headline="frechet_distance",
        describe=space.describe,
        measure=measure,
        real=images[sets.real],
        reference=reference,
        held_out=held_out,
        sets=sets,
        seed=seed,
    )


def feature_scores(
    samples: Columns, real: Columns, fresh: npt.NDArray[np.float64]
) -> dict[str, float]:
    """Compute the metrics of features: distances, neighborhoods, and the share of copies."""
    fake_features, real_features = samples["features"], real["features"]
    return {
        "frechet_distance": image_metrics.frechet_distance(fake_features, real_features),
        "kernel_distance": image_metrics.kernel_distance(fake_features, real_features),
        **neighborhood_scores(fake_features, real_features),
        "copied": copied_share(fake_features, real_features, fresh),
    }


def class_scores(samples: Columns) -> dict[str, float]:
    """Compute the metrics of class probabilities. Empty without a classifier."""
    if "probabilities" not in samples:
        return {}
    return {
        "class_entropy": image_metrics.class_entropy(samples["probabilities"]),
        "mean_confidence": image_metrics.mean_confidence(samples["probabilities"]),
    }
