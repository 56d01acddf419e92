"""Horizon: a border that runs across the picture, at heights that the vector gives."""

import torch
from torch import Tensor

from atarigan.models.families.border_lines import fitted_lines
from atarigan.models.families.renderer_grid import RendererGrid
from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.vector_bins import VectorBins

_VISIBLE = 8.0  # levels
_LEAST_EXPLAINED = 0.8  # of the variance of all columns
_CHUNK = 256
_OFFSETS = (0.375, 0.125)  # columns from the middle of one, to either side


class Horizon(SizedByData):
    """Vectors to the share of each pixel that is below a border: of a terrain, a floor or the
    level of water in front of a sky.

    The place of the border in a column is a linear function of a few numbers, which the renderer
    may have rounded. It follows from data by regression (`border_lines.py`) and is not trained
    further: it is right, and gradients would only blur it. A slope covers a pixel by what it
    covers at four places in its width.

    Attributes:
        slopes: of the place in each column, in pixels from the top, for each number of
            `VectorBins.spread`, float (W, size); (0, size) if there is no horizon.
        base: the place where all numbers are 0, float (W,) or (0,).
        color: below the border, in [-1, 1], float (C,).
    """

    slopes: Tensor
    base: Tensor
    color: Tensor

    def __init__(self, size: int, height: int, width: int, num_channels: int) -> None:
        super().__init__()
        self.size, self.height, self.width = size, height, width
        self.register_buffer("color", torch.zeros(num_channels))
        self.register_buffer("slopes", torch.zeros(0, size))
        self.register_buffer("base", torch.zeros(0))

    def __len__(self) -> int:
        return len(self.base)

    def fit(
        self, frames: Tensor, states: Tensor, bins: VectorBins, grid: RendererGrid
    ) -> Tensor | None:
        """Find the horizon of frames uint8 (N, H, W, C) and their vectors (N, size), and, for
        `grid`, the numbers that place it and are rounded.

        Returns:
            the color above it, in [-1, 1], float (C,); None if the first and the last row have the
            same, or if the places of the border do not follow from the vector.
        """
        if self.width < 2:
            return None
        above, below = (frames[:, row].flatten(0, 1).mode(0).values.float() for row in (0, -1))
        apart = below - above
        if not float(apart.abs().max()) > _VISIBLE:
            return None
        direction = apart / apart.square().sum()
        places = [
            self.height - ((some.float() - above) @ direction).clamp(0, 1).sum(1)
            for some in frames.split(_CHUNK)
        ]
        lines = fitted_lines(torch.cat(places), states, bins, grid)
        if lines.explained < _LEAST_EXPLAINED:
            return None
        self.slopes, self.base = lines.slopes.float(), lines.base.float()
        self.color = below / 127.5 - 1
        return above / 127.5 - 1

    def places(self, numbers: Tensor) -> Tensor:
        """Return the place of the border in each column, float (B, W), for numbers (B, size)."""
        return numbers @ self.slopes.T + self.base

    def everywhere(self, places: Tensor) -> Tensor:
        """Return the share of each pixel that is below, float (B, H * W), for places (B, W)."""
        ends = torch.arange(1, self.height + 1, device=places.device)[:, None]
        shares = (ends - _within(places)[:, :, None]).clamp(0, 1)
        return shares.mean(0).flatten(1)

    def at(self, places: Tensor, pixels: Tensor) -> Tensor:
        """Return the share of some pixels that is below, float (B, M): of numbers of pixels (M,),
        or (B, M) for pixels of its own in each picture; those outside of it count as in its last
        row.
        """
        ends, columns = (pixels // self.width).clamp(max=self.height - 1) + 1, pixels % self.width
        points = _within(places)
        columns = columns.expand(*points.shape[:2], -1)
        return (ends - points.gather(2, columns)).clamp(0, 1).mean(0)

    def _check(self) -> None:
        num = self.width if len(self) else 0
        self._expect("slopes", (num, self.size))
        self._expect("base", (num,))


def _within(places: Tensor) -> Tensor:
    """Return the places at some points in the width of each column, (points, B, W), with the mean
    of the column's own.
    """
    before = torch.cat([2 * places[:, :1] - places[:, 1:2], places[:, :-1]], dim=1)
    after = torch.cat([places[:, 1:], 2 * places[:, -1:] - places[:, -2:-1]], dim=1)
    moves = [offset * (each - places) for each in (before, after) for offset in _OFFSETS]
    moved = torch.stack(moves)
    return places + moved - moved.mean(0)
