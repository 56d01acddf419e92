"""Horizon: a border that runs across the picture, at heights that the vector gives."""

import torch
from torch import Tensor

from atarigan.images.pixels import frames_to_floats
from atarigan.models.families.border_regression import regressed_border
from atarigan.models.families.renderer_grid import RendererGrid
from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.vector_bins import VectorBins

_VISIBLE = 8 / 127.5
_LEAST_EXPLAINED = 0.8  # of the variance of all columns
_LEAST_KEPT = 2 / 3  # of the frames of all columns
_FRAMES_AT_ONCE = 64
_OFFSETS = (0.375, 0.125)  # columns from the middle of one, to either side


class Horizon(SizedByData):
    """Vectors to the share of each pixel that is below a border: of a terrain, a floor or the
    level of water in front of a sky.

    The place of the border in a column, in pixels from the top of the picture, is a linear function
    of a few numbers, which the renderer may have rounded. It follows from data by regression
    (`border_regression.py`), and is not trained further, which made it less exact. The share of a
    pixel is the mean over four points of its width.

    Attributes:
        grid: the numbers that are rounded.
        slopes: of the place in each column for each number of `VectorBins.spread`, float64 (W,
            size); (0, size) if there is no horizon.
        base: the place where all numbers are 0, float64 (W,) or (0,).
        color: below the border, in [-1, 1], float (C,).
    """

    slopes: Tensor
    base: Tensor
    color: Tensor

    def __init__(self, size: int, height: int, width: int, num_channels: int) -> None:
        super().__init__()
        self.size, self.height, self.width, self.num_channels = size, height, width, num_channels
        self.grid = RendererGrid(size)
        self.register_buffer("slopes", torch.zeros(0, size, dtype=torch.float64))
        self.register_buffer("base", torch.zeros(0, dtype=torch.float64))
        self.register_buffer("color", torch.zeros(num_channels))

    def __len__(self) -> int:
        return len(self.base)

    def fit(self, frames: Tensor, states: Tensor, bins: VectorBins) -> Tensor | None:
        """Find the horizon of frames uint8 (N, H, W, C) and their vectors (N, size).

        Returns:
            the color above it, in [-1, 1], float (C,); None if the first and the last row have the
            same color, or if the places of the border do not follow from the vector.
        """
        above, below = (_usual_color(frames[:, row]) for row in (0, -1))
        apart = below - above
        if self.width < 2 or not float(apart.abs().max()) > _VISIBLE:
            return None
        direction = apart / apart.square().sum()
        places = []
        for some in frames.split(_FRAMES_AT_ONCE):
            pixels = frames_to_floats(some).permute(0, 2, 3, 1) - above
            places.append(self.height - (pixels @ direction).clamp(0, 1).sum(1))
        grid = RendererGrid(self.size)
        border = regressed_border(torch.cat(places), states, bins, grid)
        if border.explained < _LEAST_EXPLAINED or border.kept < _LEAST_KEPT:
            return None
        self.grid, self.color = grid, below
        self.slopes, self.base = border.slopes, border.base
        return above

    def forget(self) -> None:
        """Have no horizon."""
        self.grid = RendererGrid(self.size)
        self.slopes, self.base = self.slopes[:0], self.base[:0]

    def places(self, states: Tensor, bins: VectorBins) -> Tensor:
        """Return the place of the border in each column, float (B, W), for vectors (B, size)."""
        numbers = bins.spread(self.grid(states))
        # A sum of products instead of a product of matrices, which autocast would round.
        return (numbers[:, None] * self.slopes.float()).sum(2) + self.base.float()

    def coverage(self, places: Tensor) -> Tensor:
        """Return the share of each pixel that is below, float (B, H * W), for places (B, W)."""
        ends = torch.arange(1, self.height + 1, device=places.device)[:, None]
        total, points = torch.zeros((), device=places.device), _across(places)
        for each in points:
            total = total + (ends - each[:, None]).clamp(0, 1)
        return total.div(len(points)).flatten(1)

    def coverage_at(self, places: Tensor, pixels: Tensor) -> Tensor:
        """Return the share of some pixels that is below, float (B, M).

        Args:
            places: (B, W).
            pixels: their numbers, (M,), or (B, M) for other ones in each picture; H * W, which is
                outside, counts as in the last row.
        """
        ends, columns = (pixels // self.width).clamp(max=self.height - 1) + 1, pixels % self.width
        points = _across(places)
        columns = columns.expand(*points.shape[:2], -1)
        return (ends - points.gather(2, columns)).clamp(0, 1).mean(0)

    def _check(self) -> None:
        num = self.width if len(self) else 0
        self._expect("slopes", (num, self.size))
        self._expect("base", (num,))
        self._expect("color", (self.num_channels,))
        if num == 1:
            raise ValueError("a horizon must be of pictures with two columns or more, not one")
        for name in ("slopes", "base", "color"):
            if not bool(getattr(self, name).isfinite().all()):
                raise ValueError(f"{name} must be finite")


def _usual_color(rows: Tensor) -> Tensor:
    """Return the most frequent color of rows uint8 (N, W, C), in [-1, 1], float (C,)."""
    usual = rows.flatten(0, 1).mode(0).values
    return frames_to_floats(usual[None, None, None])[0, :, 0, 0]


def _across(places: Tensor) -> Tensor:
    """Return the places at four points across each column, (points, B, W), with the mean of the
    column's own place.
    """
    before = torch.cat([2 * places[:, :1] - places[:, 1:2], places[:, :-1]], dim=1)
    after = torch.cat([places[:, 1:], 2 * places[:, -1:] - places[:, -2:-1]], dim=1)
    moves = [offset * (each - places) for each in (before, after) for offset in _OFFSETS]
    moved = torch.stack(moves)
    return places + moved - moved.mean(0)
