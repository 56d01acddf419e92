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
    """

    slopes: Tensor
    base: Tensor

    def __init__(self, size: int, height: int, width: int) -> None:
        super().__init__()
        self.size, self.height, self.width = size, height, width
        self.register_buffer("slopes", torch.zeros(0, size))
        self.register_buffer("base", torch.zeros(0))

    def __len__(self) -> int:
        return len(self.base)

    def fit(
        self, frames: Tensor, states: Tensor, bins: VectorBins, grid: RendererGrid
    ) -> tuple[Tensor, Tensor] | None:
        """Find the horizon of frames uint8 (N, H, W, C) and their vectors (N, size), and, for
        `grid`, the numbers that place it and are rounded.

        Returns:
            its colors above and below, float (C,) in [0, 255]; None if those of the first and the
            last row are alike, or if the places of the border do not follow from the vector.
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
        return above, below

    def places(self, numbers: Tensor) -> Tensor:
        """Return the place of the border in each column, float (B, W), for numbers (B, size)."""
        return numbers @ self.slopes.T + self.base

    def everywhere(self, places: Tensor) -> Tensor:
        """Return the share of each pixel that is below, float (B, H * W), for places (B, W)."""
        ends = torch.arange(1, self.height + 1, device=places.device)[:, None]
        return _below(ends, [each[:, None] for each in _within(places)]).flatten(1)

    def at(self, places: Tensor, pixels: Tensor) -> Tensor:
        """Return the share of some pixels that is below, float (B, M): of numbers of pixels (M,),
        or (B, M) for pixels of its own in each picture; those outside of it count as in its last
        row.
        """
        ends, columns = (pixels // self.width).clamp(max=self.height - 1) + 1, pixels % self.width
        columns = columns.expand(len(places), -1)
        return _below(ends, [each.gather(1, columns) for each in _within(places)])

    def _check(self) -> None:
        num = self.width if len(self) else 0
        self._expect("slopes", (num, self.size))
        self._expect("base", (num,))


def _within(places: Tensor) -> list[Tensor]:
    """Return the places at some points in the width of each column, (B, W) each."""
    before = torch.cat([2 * places[:, :1] - places[:, 1:2], places[:, :-1]], dim=1)
    after = torch.cat([places[:, 1:], 2 * places[:, -1:] - places[:, -2:-1]], dim=1)
    return [
        torch.lerp(places, neighbor, offset) for neighbor in (before, after) for offset in _OFFSETS
    ]


def _below(ends: Tensor, places: list[Tensor]) -> Tensor:
    """Return the mean share of pixels with these lower ends that is below each of some places."""
    shares = [(ends - place).clamp(0, 1) for place in places]
    return torch.stack(shares).mean(0)
