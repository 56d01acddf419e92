"""Horizon: a border that runs across the picture, at heights that the vector gives."""

import math

import torch
from torch import Tensor

from atarigan.images.pixels import frames_to_floats
from atarigan.images.subset import evenly_spaced
from atarigan.models.families.border_regression import regressed_border
from atarigan.models.families.renderer_grid import RendererGrid
from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.vector_bins import VectorBins

_VISIBLE = 8 / 127.5
_LEAST_EXPLAINED = 0.8  # of the variance of all columns
_LEAST_KEPT = 2 / 3  # of the frames of all columns
_MOST_ERROR = 0.5  # of what differs from the usual picture
_LEAST_SEEN = 0.5  # of a pixel above the border
_FRAMES_AT_ONCE = 64
_NUM_MEDIAN_FRAMES = 256
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

        Things that stand on it, such as a flag, are seen as part of what is below it at first, and
        known once the border is. So it is found twice.

        Returns:
            what each pixel usually shows above it, in [-1, 1], float (H * W, C). None if the first
            and the last row have the same color, if the places of the border do not follow from the
            vector, or if all this does not explain half of what differs from the usual picture.
        """
        top, below = (_usual_color(frames[:, row]) for row in (0, -1))
        if self.width < 2 or not float((below - top).abs().max()) > _VISIBLE:
            return None
        above = top.expand(self.height * self.width, -1)
        few = evenly_spaced(len(frames), _NUM_MEDIAN_FRAMES)
        shown = frames_to_floats(frames[few]).flatten(2).transpose(1, 2)
        for _ in range(2):
            grid = RendererGrid(self.size)
            border = regressed_border(self._borders(frames, above, below), states, bins, grid)
            if border.explained < _LEAST_EXPLAINED or border.kept < _LEAST_KEPT:
                self._forget()
                return None
            self.grid, self.color = grid, below
            self.slopes, self.base = border.slopes, border.base
            covered = self.coverage(self.places(states[few], bins))[:, :, None]
            above = self._usual_above(shown, covered, top)
        drawn, usual = torch.lerp(above, below, covered), shown.mode(0).values
        if (shown - drawn).square().sum() > _MOST_ERROR * (shown - usual).square().sum():
            self._forget()
            return None
        return above

    def _borders(self, frames: Tensor, above: Tensor, below: Tensor) -> Tensor:
        """Return the places of the border in each frame, (N, W), by the share of each column that
        has the color below it rather than what its pixels show above it.
        """
        apart = below - above
        directions = apart / apart.square().sum(1, keepdim=True).clamp(min=_VISIBLE**2)
        places = []
        for some in frames.split(_FRAMES_AT_ONCE):
            pixels = frames_to_floats(some).flatten(2).transpose(1, 2) - above
            shares = (pixels * directions).sum(2).clamp(0, 1)
            places.append(self.height - shares.unflatten(1, (self.height, self.width)).sum(1))
        return torch.cat(places)

    def _usual_above(self, shown: Tensor, covered: Tensor, top: Tensor) -> Tensor:
        """Return each pixel's median color where most of it is above the border, (H * W, C); the
        one at the top where it never is.
        """
        seen = (shown - covered * self.color) / (1 - covered).clamp(min=_LEAST_SEEN)
        usual = seen.masked_fill(covered > 1 - _LEAST_SEEN, math.nan).nanmedian(0).values
        return torch.where(usual.isnan(), top, usual.clamp(-1, 1))

    def _forget(self) -> None:
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
