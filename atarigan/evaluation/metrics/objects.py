"""Objects on game frames: connected regions of foreground, without knowing the game."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from atarigan.evaluation.metrics.game_statistics import GameStatistics, Mask
from atarigan.images.pixels import Frames

NUM_CELLS = 12
NUM_SIZES = 16
SMALL_SHARE = 0.001
LEAST_SMALL = 6
RARE = 0.05
_RGB_LEVELS, _GRAY_LEVELS = 4, 32


@dataclass(frozen=True)
class Objects:
    """The objects of N frames, a row each, ordered by frame.

    Attributes:
        frame: which frame it is on, int64 (M,).
        size: pixels, int64 (M,).
        row, column: of its center, in pixels, float64 (M,).
        rate: how often its pixels are foreground in real frames, their mean, float64 (M,).
    """

    frame: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    row: npt.NDArray[np.float64]
    column: npt.NDArray[np.float64]
    rate: npt.NDArray[np.float64]

    def is_small(self, height: int, width: int) -> Mask:
        """Which are at most a thousandth of the screen (and at least 6 pixels count as that), where
        real frames show foreground at most a twentieth of the time: a ball or a shot, and not the
        edge of a digit.
        """
        most = max(LEAST_SMALL, SMALL_SHARE * height * width)
        small: Mask = (self.size <= most) & (self.rate <= RARE)
        return small


def find_objects(foreground: Mask, rate: npt.NDArray[np.float64]) -> Objects:
    """Regions of foreground (N, H, W) whose pixels touch, corners included.

    Args:
        foreground: which pixels belong to objects.
        rate: how often each pixel is foreground in real frames, (H, W).
    """
    num, height, _ = foreground.shape
    _, statistics, centers, labels = _regions(foreground)
    sizes = statistics[1:, cv2.CC_STAT_AREA].astype(np.int64)
    rates = np.tile(np.pad(rate, ((0, 1), (0, 0))), (num, 1))
    total = np.bincount(labels.ravel(), weights=rates.ravel(), minlength=len(sizes) + 1)[1:]
    frame, row = np.divmod(centers[1:, 1], height + 1)
    columns = np.asarray(centers[1:, 0], np.float64)
    return Objects(
        frame.astype(np.int64), sizes, np.asarray(row, np.float64), columns, total / sizes
    )


def small_object_pixels(scene: GameStatistics, frames: Frames) -> Mask:
    """Which pixels of frames (N, H, W, C) belong to small objects, (N, H, W); see
    `Objects.is_small`.
    """
    num, height, width, _ = frames.shape
    pixels = scene.object_pixels(frames)
    is_small = find_objects(pixels, scene.foreground_rate).is_small(height, width)
    labels = _regions(pixels)[3].reshape(num, height + 1, width)[:, :height]
    mask: Mask = np.concatenate([[False], is_small])[labels]
    return mask


def _regions(pixels: Mask) -> Any:
    """OpenCV's count, statistics, centers, and labels of the regions of all frames, one below the
    other with a free row between.
    """
    apart = np.pad(pixels, ((0, 0), (0, 1), (0, 0))).reshape(-1, pixels.shape[2])
    count, labels, statistics, centers = cv2.connectedComponentsWithStats(
        apart.astype(np.uint8), connectivity=8
    )
    return count, statistics, centers, labels


def describe_objects(scene: GameStatistics, frames: Frames) -> dict[str, npt.NDArray[np.int64]]:
    """Each frame's objects as counts, so that frames can be drawn again and again.

    Args:
        scene: of the game.
        frames: uint8 (N, H, W, C).

    Returns:
        num_objects and num_small (N,); object_sizes (N, 16), by powers of two of their pixels;
        object_places (N, 144), by a grid of 12 × 12 cells; object_colors (N, 32) of gray levels in
        steps of 8, or (N, 64) of RGB in steps of 64, in pixels.
    """
    num, height, width, _ = frames.shape
    pixels = scene.object_pixels(frames)
    found = find_objects(pixels, scene.foreground_rate)
    cells = (found.row * NUM_CELLS / height).astype(int) * NUM_CELLS
    cells += (found.column * NUM_CELLS / width).astype(int)
    sizes = np.log2(np.maximum(found.size, 1)).astype(int).clip(0, NUM_SIZES - 1)
    is_small = found.is_small(height, width)
    pixel_frames = np.broadcast_to(np.arange(num)[:, None, None], pixels.shape)[pixels]
    colors, num_colors = _coarse_colors(frames[pixels])
    return {
        "num_objects": np.bincount(found.frame, minlength=num),
        "num_small": np.bincount(found.frame[is_small], minlength=num),
        "object_sizes": _table(found.frame, sizes, num, NUM_SIZES),
        "object_places": _table(found.frame, cells, num, NUM_CELLS**2),
        "object_colors": _table(pixel_frames, colors, num, num_colors),
    }


def _coarse_colors(pixels: Frames) -> tuple[npt.NDArray[np.int64], int]:
    """A coarse color's number for each of pixels (M, C), and how many such colors there are."""
    num_channels = pixels.shape[-1]
    levels = _GRAY_LEVELS if num_channels == 1 else _RGB_LEVELS
    steps = pixels.astype(np.int64) * levels // 256
    return steps @ levels ** np.arange(num_channels), levels**num_channels


def _table(
    frame: npt.NDArray[np.int64], kind: npt.NDArray[np.int64], num: int, num_kinds: int
) -> npt.NDArray[np.int64]:
    """How many of each kind are on each frame, (num, num_kinds)."""
    counts: npt.NDArray[np.int64] = np.bincount(frame * num_kinds + kind, minlength=num * num_kinds)
    return counts.reshape(num, num_kinds)
