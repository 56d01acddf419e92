"""Objects on game frames: connected regions of foreground."""

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
MIN_SMALL_PIXELS = 6
RARE = 0.05
_FILLED_SHARE = 0.05
_RGB_LEVELS, _GRAY_LEVELS = 4, 32


@dataclass(frozen=True)
class Objects:
    """M objects of N frames, ordered by frame.

    Attributes:
        frame: index of the frame, int64 (M,).
        size: number of pixels, int64 (M,).
        row, column: center in pixels, float64 (M,).
        rate: share of real frames in which its pixels are foreground, averaged over its pixels,
            float64 (M,).
    """

    frame: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    row: npt.NDArray[np.float64]
    column: npt.NDArray[np.float64]
    rate: npt.NDArray[np.float64]

    def is_small(self, height: int, width: int) -> Mask:
        """Return which objects are small and rare, such as a ball or a shot, bool (M,).

        Small is at most a thousandth of the screen, or 6 pixels if that is more. Rare is a rate of
        at most 0.05, which excludes parts of digits.
        """
        most = max(MIN_SMALL_PIXELS, SMALL_SHARE * height * width)
        small: Mask = (self.size <= most) & (self.rate <= RARE)
        return small


def find_objects(foreground: Mask, rate: npt.NDArray[np.float64]) -> Objects:
    """Find regions of connected pixels, diagonal neighbors included.

    Args:
        foreground: pixels of objects, bool (N, H, W).
        rate: share of real frames in which a pixel is foreground, (H, W).
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


def small_object_pixels(statistics: GameStatistics, frames: Frames) -> Mask:
    """Return which pixels of frames (N, H, W, C) belong to small objects, (N, H, W)."""
    num, height, width, _ = frames.shape
    pixels = statistics.object_pixels(frames)
    is_small = find_objects(pixels, statistics.foreground_rate).is_small(height, width)
    labels = _regions(pixels)[3].reshape(num, height + 1, width)[:, :height]
    mask: Mask = np.concatenate([[False], is_small])[labels]
    return mask


def _regions(pixels: Mask) -> Any:
    """Return OpenCV's count, statistics, centers and labels of the regions of all frames.

    Frames are stacked vertically with an empty row between two, so that one call labels them all.
    """
    apart = np.pad(pixels, ((0, 0), (0, 1), (0, 0))).reshape(-1, pixels.shape[2])
    count, labels, statistics, centers = cv2.connectedComponentsWithStats(
        apart.astype(np.uint8), connectivity=8
    )
    return count, statistics, centers, labels


def describe_objects(
    statistics: GameStatistics, frames: Frames
) -> dict[str, npt.NDArray[np.int64]]:
    """Count the objects of each frame.

    Args:
        statistics: statistics of the game.
        frames: uint8 (N, H, W, C).

    Returns:
        num_objects (N,): objects.
        num_small (N,): small objects.
        object_sizes (N, 16): objects by size, in powers of two of pixels.
        object_places (N, 144): objects by cell of a grid of 12 × 12.
        object_colors (N, 32) or (N, 64): pixels of objects by gray level in steps of 8, or by RGB
            color in steps of 64.
    """
    num, height, width, _ = frames.shape
    pixels = statistics.object_pixels(frames)
    found = find_objects(pixels, statistics.foreground_rate)
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
    """Return the index of the coarse color of each pixel (M, C), and the number of such colors."""
    num_channels = pixels.shape[-1]
    levels = _GRAY_LEVELS if num_channels == 1 else _RGB_LEVELS
    steps = pixels.astype(np.int64) * levels // 256
    return steps @ levels ** np.arange(num_channels), levels**num_channels


def _table(
    frame: npt.NDArray[np.int64], kind: npt.NDArray[np.int64], num: int, num_kinds: int
) -> npt.NDArray[np.int64]:
    """Count the objects of each kind on each frame, (num, num_kinds)."""
    counts: npt.NDArray[np.int64] = np.bincount(frame * num_kinds + kind, minlength=num * num_kinds)
    return counts.reshape(num, num_kinds)


def presence(counts: npt.NDArray[np.int64], real: npt.NDArray[np.int64]) -> float:
    """Compute the share of frames that show at least one object, relative to that of real frames,
    clipped to 1; 1 if no real frame shows one.
    """
    rate = float((real > 0).mean())
    return min(1.0, float((counts > 0).mean()) / rate) if rate else 1.0


def misplaced_share(counts: npt.NDArray[np.int64], real: npt.NDArray[np.int64]) -> float:
    """Compute the total variation distance ½ Σ |p - q| of two normalized histograms (K,), 0 to 1.

    It is the share of objects in a wrong bin. It is 1 if exactly one histogram is empty.
    """
    if not counts.sum() or not real.sum():
        return float(counts.any() != real.any())
    return float(np.abs(counts / counts.sum() - real / real.sum()).sum() / 2)


def visited_share(counts: npt.NDArray[np.int64], real: npt.NDArray[np.int64]) -> float:
    """Compute the share of the cells filled by real objects that samples fill too, 0 to 1.

    A cell is filled by real objects if its share of them is at least a twentieth of the mean share
    of nonempty cells; it is filled by samples if its share of theirs is at least half of that.

    Args:
        counts: objects of samples in each cell, (K,).
        real: objects of real frames in each cell, (K,).
    """
    if not real.any():
        return 1.0
    shares = real / real.sum()
    least = _FILLED_SHARE / np.count_nonzero(real)
    filled = shares >= least
    return float((counts[filled] / max(1, counts.sum()) >= least / 2).mean())
