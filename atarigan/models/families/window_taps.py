"""How a window on the console's screen becomes lines of a frame of another size."""

import numpy as np
import numpy.typing as npt


class WindowTaps:
    """How a window of grid lines becomes lines of a frame, for each position of its byte.

    A frame line is the mean of the grid lines that it covers, in proportion to the parts covered
    (OpenCV's INTER_AREA).

    Attributes:
        taps: lines of the window, int64 (positions, lines, taps).
        weights: their weights, float32, 0 for a tap outside of the window.
        pixels: line of the frame, int64 (positions, lines).
    """

    def __init__(
        self,
        positions: npt.NDArray[np.float64],
        first: int,
        length: int,
        grid: int,
        size: int,
        num_taps: int,
    ) -> None:
        scale = grid / size
        is_there = ~np.isnan(positions)
        start = (first + np.nan_to_num(positions).astype(np.int64)) % grid
        begin = np.floor(start / scale + 1e-9).astype(np.int64)
        end = np.ceil((start + length) / scale - 1e-9).astype(np.int64)
        lines = begin[:, None] + np.arange((end - begin).max())
        covered = np.floor(lines * scale + 1e-9).astype(np.int64)
        lines_of_grid = covered[:, :, None] + np.arange(num_taps)
        upper = np.minimum((lines[:, :, None] + 1) * scale, lines_of_grid + 1)
        lower = np.maximum(lines[:, :, None] * scale, lines_of_grid)
        inside = lines_of_grid - start[:, None, None]
        weights = np.clip(upper - lower, 0, None) / scale
        weights[weights < 1e-6] = 0
        weights *= (inside >= 0) & (inside < length) & is_there[:, None, None]
        self.taps = inside.clip(0, length - 1)
        self.weights = weights.astype(np.float32)
        self.pixels = lines % size
