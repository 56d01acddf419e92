"""Judging images: in the features of a classifier where there is one, otherwise of thumbnails."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from atarigan.metrics import images as image_metrics
from atarigan.metrics.extractor import Extractor, extract
from atarigan.metrics.judge import Judge, Samples, in_chunks, two_real_sets
from atarigan.metrics.neighbors import MOST_COMPARED, copied_share, neighborhood_scores
from atarigan.metrics.score import Columns, Progress
from atarigan.pixels import Frames

THUMBNAILS = "thumbnails-8x8"
_THUMBNAIL_SIDE = 8


def image_judge(
    images: Frames,
    num: int,
    extractor: Extractor | None = None,
    fresh: Frames | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Judge:
    """A judge of images.

    Args:
        images: what was learned from, uint8 (N, H, W, C), N at least 8.
        num: how many of them to compare with, and how many others to set the floor.
        extractor: in whose features to compare; None compares thumbnails.
        fresh: real images that were not learned from, to know copies by; None takes the other
            ones.
        seed: of the choice.

    Raises:
        InputError: there are too few, or they do not fit the extractor.
    """
    describe = described_by(extractor)
    real, others = two_real_sets(len(images), num, seed)
    reference = in_chunks(describe, images[real], progress)
    stand_in = in_chunks(describe, images[others], progress)
    fresh_features = (stand_in if fresh is None else in_chunks(describe, fresh[:MOST_COMPARED]))[
        "features"
    ]

    def measure(samples: Columns, real_ones: Columns) -> dict[str, float]:
        return feature_scores(samples, real_ones, fresh_features) | class_scores(samples)

    return Judge(
        features=extractor.info.name if extractor else THUMBNAILS,
        headline="frechet_distance",
        describe=describe,
        measure=measure,
        real=images[real],
        reference=reference,
        stand_in=stand_in,
        accepted=images.shape[1:],
        seed=seed,
    )


def described_by(extractor: Extractor | None) -> Callable[[Samples], Columns]:
    """What makes columns of frames: features, and class probabilities where an extractor has
    classes.
    """
    if extractor is None:
        return lambda frames: {"features": thumbnails(frames)}
    return lambda frames: extract(extractor, frames)._asdict()


def thumbnails(frames: Frames) -> npt.NDArray[np.float64]:
    """Frames uint8 (N, H, W, C) at 8 × 8, in [-1, 1], a row each: float64 (N, 64 C)."""
    side = _THUMBNAIL_SIDE
    small = [cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in frames]
    return np.reshape(small, (len(frames), -1)) / 127.5 - 1


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
