"""Feature spaces: what images become before they are compared."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError, did_you_mean
from atarigan.evaluation.features.extractor import SUFFIX, Extractor, extract, shipped_extractors
from atarigan.evaluation.metrics.score import Columns
from atarigan.images.pixels import Frames

INCEPTION = "inception"
THUMBNAILS = "thumbnails-8x8"
_THUMBNAIL_SIDE = 8


@dataclass(frozen=True)
class FeatureSpace:
    """Features of images, under the name that figures taken in them bear.

    Attributes:
        name: of the features.
        describe: frames uint8 (N, H, W, C) to columns: `features` float64 (N, F), and where there
            are some `probabilities` of classes (N, K) or `claims` (N, num_readable).
    """

    name: str
    describe: Callable[[Frames], Columns]


def feature_space(name: str) -> FeatureSpace:
    """The features of that name: "thumbnails-8x8", "inception", a shipped extractor, or the file of
    one.

    Raises:
        InputError: there are none of that name, or what they need is not at hand.
    """
    if name == THUMBNAILS:
        return thumbnail_space()
    if name == INCEPTION:
        from atarigan.evaluation.features.inception import inception_space

        return inception_space()
    if not name.endswith(SUFFIX) and name not in shipped_extractors():
        hint = did_you_mean(name, [THUMBNAILS, INCEPTION, *shipped_extractors()])
        raise InputError(f"unknown features {name!r}: {hint}; or name a {SUFFIX} file")
    return extractor_space(Extractor.load(name))


def extractor_space(extractor: Extractor) -> FeatureSpace:
    """An extractor's features, with the probabilities of its classes."""
    return FeatureSpace(
        extractor.info.name, lambda frames: dict(extract(extractor, frames)._asdict())
    )


def thumbnail_space() -> FeatureSpace:
    """Frames at 8 × 8."""
    return FeatureSpace(THUMBNAILS, lambda frames: {"features": thumbnails(frames)})


def thumbnails(frames: Frames) -> npt.NDArray[np.float64]:
    """Frames uint8 (N, H, W, C) at 8 × 8, in [-1, 1], a row each: float64 (N, 64 C)."""
    side = _THUMBNAIL_SIDE
    small = [cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in frames]
    return np.reshape(small, (len(frames), -1)) / 127.5 - 1
