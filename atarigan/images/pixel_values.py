"""Statistics of the colors of each pixel over many frames."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from atarigan.images.pixels import Frames
from atarigan.images.subset import evenly_spaced

_MAX_COUNTED = 2_000
_AT_ONCE = 256


def color_codes(frames: Frames) -> npt.NDArray[np.int32]:
    """Encode each color as one number: frames uint8 (..., H, W, C), C ≤ 3, to int32 (..., H, W)."""
    codes: npt.NDArray[np.int32] = frames[..., 0].astype(np.int32)
    for channel in range(1, frames.shape[-1]):
        codes |= frames[..., channel].astype(np.int32) << (8 * channel)
    return codes


def colors_of(codes: npt.NDArray[np.int32], num_channels: int) -> Frames:
    """Decode color codes (...) to colors, uint8 (..., num_channels)."""
    return (codes[..., None] >> (8 * np.arange(num_channels)) & 255).astype(np.uint8)


def frequent_values(frames: Frames, num_values: int) -> tuple[Frames, npt.NDArray[np.int64]]:
    """Return the most frequent colors of each pixel, and their counts.

    Args:
        frames: uint8 (N, H, W, C), C at most 3.
        num_values: number of colors for each pixel.

    Returns:
        colors uint8 (num_values, H, W, C), the most frequent first, and counts int64 (num_values,
        H, W). If a pixel has fewer colors, its most frequent one is repeated with count 0.
    """
    _, height, width, num_channels = frames.shape
    codes = color_codes(frames).reshape(len(frames), -1)
    found = np.empty((num_values, height * width), np.int32)
    counts = np.zeros((num_values, height * width), np.int64)
    for pixel, column in enumerate(np.ascontiguousarray(codes.T)):
        present, count = np.unique(column, return_counts=True)
        order = np.argsort(-count, kind="stable")[:num_values]
        found[:, pixel] = present[order[0]]
        found[: len(order), pixel] = present[order]
        counts[: len(order), pixel] = count[order]
    shape = (num_values, height, width)
    return colors_of(found.reshape(shape), num_channels), counts.reshape(shape)


def usual_colors(frames: Frames) -> Frames:
    """Return each pixel's most frequent color, uint8 (H, W, C), in up to 2,000 of the frames."""
    picked = evenly_spaced(len(frames), _MAX_COUNTED)
    values, _ = frequent_values(frames[picked], 1)
    usual: Frames = values[0]
    return usual


def unusual_pixels(frames: Frames, usual: Frames) -> Iterator[tuple[npt.NDArray[np.int64], Frames]]:
    """Yield, per chunk of frames, the pixels that differ from the background.

    Args:
        frames: uint8 (N, H, W, C).
        usual: the background, uint8 (H, W, C).

    Yields:
        positions (n,) in the flattened frame, and colors uint8 (n, C).
    """
    num_channels = usual.shape[-1]
    for start in range(0, len(frames), _AT_ONCE):
        some = frames[start : start + _AT_ONCE]
        others = np.flatnonzero((some != usual).any(-1))
        yield others % (usual.size // num_channels), some.reshape(-1, num_channels)[others]
