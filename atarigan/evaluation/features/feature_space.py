"""Feature spaces: named maps from images to vectors that are then compared."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from atarigan.evaluation.metrics.score import Columns
from atarigan.images.pixels import Frames

THUMBNAILS = "thumbnails-8x8"
_THUMBNAIL_SIDE = 8


@dataclass(frozen=True)
class FeatureSpace:
    """A feature space.

    Attributes:
        name: name of the features, reported with every distance.
        describe: maps frames uint8 (N, H, W, C) to columns: `features` float64 (N, F), and
            depending on the space class `probabilities` (N, K) or `claims` (N, num_readable).
    """

    name: str
    describe: Callable[[Frames], Columns]


def thumbnail_space() -> FeatureSpace:
    """Return the space of frames resized to 8 × 8."""
    return FeatureSpace(THUMBNAILS, lambda frames: {"features": thumbnails(frames)})


def thumbnails(frames: Frames) -> npt.NDArray[np.float64]:
    """Resize frames uint8 (N, H, W, C) to 8 × 8, in [-1, 1], flattened: float64 (N, 64 C)."""
    side = _THUMBNAIL_SIDE
    small = [cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in frames]
    return np.reshape(small, (len(frames), -1)) / 127.5 - 1
