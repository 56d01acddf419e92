"""Finding the numbers of a vector that place a border in each column, and those that are rounded.

By regression, with no gradients: an error of a fifth of a pixel costs 50 levels at the border, and
training by Adam does not get closer.
"""

import torch
from torch import Tensor

from atarigan.models.families.renderer_grid import RendererGrid
from atarigan.models.state.vector_bins import VectorBins

_MAX_NUMBERS = 4  # of a column
_LEAST_GAIN = 0.05  # of what is left of the variance of a column, by a further number
_RIDGE = 1e-6
_OUTLIER = 2.5  # median distances
_NUM_TRIMMED = 3
_SMALL = 1e-3


class BorderRegression:
    """The places of a border in all columns as linear functions of a few numbers.

    Attributes:
        numbers: of N vectors, float64 (N, size).
        places: of the border, float64 (N, W).
        is_kept: which are fitted, bool (N, W): not those where something else is in a column.
        slopes: for each number, float64 (W, size).
        base: where all numbers are 0, float64 (W,).
    """

    def __init__(self, numbers: Tensor, places: Tensor) -> None:
        self.places = places
        self.is_kept = torch.ones_like(places, dtype=torch.bool)
        self.slopes = places.new_zeros(places.shape[1], numbers.shape[1])
        self.base = places.mean(0)
        self.select(numbers)

    @property
    def errors(self) -> Tensor:
        """What is not explained, (N, W); 0 for those that are not kept."""
        return self._errors().masked_fill(~self.is_kept, 0)

    @property
    def kept(self) -> float:
        """The share that is kept."""
        return float(self.is_kept.double().mean())

    @property
    def explained(self) -> float:
        """The explained share of the variance of what is kept; 0 if nothing varies."""
        num = self.is_kept.sum(0).clamp(min=1)
        means = self.places.masked_fill(~self.is_kept, 0).sum(0) / num
        apart = (self.places - means).masked_fill(~self.is_kept, 0)
        variance = float(apart.square().sum())
        return 1 - float(self.errors.square().sum()) / variance if variance > _SMALL else 0.0

    def select(self, numbers: Tensor) -> None:
        """Select the few numbers that explain each column, one by one, and fit these. A regression
        on all would mix them, as they may be collinear except for rounding.
        """
        self.numbers = numbers
        for column in range(len(self.slopes)):
            kept = self.is_kept[:, column]
            self._fit(column, _selected(numbers[kept], self.places[kept, column]))

    def refit(self, numbers: Tensor) -> None:
        """Fit the same selection of numbers that have new values."""
        self.numbers = numbers
        for column, slopes in enumerate(self.slopes):
            self._fit(column, torch.nonzero(slopes)[:, 0])

    def drop_outliers(self) -> None:
        """Keep the places that are close to the functions, and select again."""
        errors = self._errors()
        errors = (errors - errors.median(0).values).abs()
        self.is_kept = errors <= _OUTLIER * errors.median(0).values + _SMALL
        self.select(self.numbers)

    def _errors(self) -> Tensor:
        return self.places - self.numbers @ self.slopes.T - self.base

    def _fit(self, column: int, selected: Tensor) -> None:
        kept = self.is_kept[:, column]
        numbers, places = self.numbers[kept][:, selected], self.places[kept, column]
        slopes = _slopes(numbers, places[:, None])[:, 0]
        self.slopes[column] = 0
        self.slopes[column, selected] = slopes
        self.base[column] = places.mean() - numbers.mean(0) @ slopes


def regressed_border(
    places: Tensor, states: Tensor, bins: VectorBins, grid: RendererGrid
) -> BorderRegression:
    """Fit the places of a border in all columns, (N, W), to vectors (N, size), and let `grid` know
    the numbers that the renderer rounds, each found in the column that it moves most.

    Once a number is rounded, its error is gone, so the others are tried again. Then the numbers of
    each column are selected again, as they are no longer collinear.
    """
    border = BorderRegression(bins.spread(states).double(), places.double())
    for _ in range(_NUM_TRIMMED):
        border.drop_outliers()
    for _ in range(2):
        for number in torch.nonzero(border.slopes.any(0))[:, 0].tolist():
            if float(grid.steps[number]):
                continue
            column = int(border.slopes[:, number].abs().argmax())
            kept = border.is_kept[:, column]
            moved = border.slopes[column, number] * bins.spread(states)[:, number]
            grid.find(number, states[kept, number], moved[kept], border.errors[kept, column])
            if float(grid.steps[number]):
                border.refit(bins.spread(grid(states)).double())
        border.select(bins.spread(grid(states)).double())
    return border


def _selected(numbers: Tensor, places: Tensor) -> Tensor:
    """Return which numbers (N, size) explain the places (N,) of a column, int64 (n,)."""
    selected: list[int] = []
    while len(selected) < min(_MAX_NUMBERS, numbers.shape[1]):
        known = numbers[:, selected]
        others, left = (_residuals(known, each) for each in (numbers, places[:, None]))
        squares = others.square().mean(0).clamp(min=_SMALL)
        gains = (others.T @ left)[:, 0].div(len(left)).square() / squares
        gains[selected] = 0
        if not float(gains.max()) > _LEAST_GAIN * max(float(left.square().mean()), _SMALL):
            break
        selected.append(int(gains.argmax()))
    return torch.tensor(sorted(selected), dtype=torch.int64, device=numbers.device)


def _slopes(numbers: Tensor, wanted: Tensor) -> Tensor:
    """Return the slopes (n, K) of wanted (N, K) as a linear function of numbers (N, n)."""
    numbers = numbers - numbers.mean(0)
    square = numbers.T @ numbers
    square.diagonal().add_(_RIDGE)
    found: Tensor = torch.linalg.solve(square, numbers.T @ (wanted - wanted.mean(0)))
    return found


def _residuals(numbers: Tensor, wanted: Tensor) -> Tensor:
    """Return what numbers (N, n) do not explain of wanted (N, K)."""
    wanted = wanted - wanted.mean(0)
    if not numbers.shape[1]:
        return wanted
    return wanted - (numbers - numbers.mean(0)) @ _slopes(numbers, wanted)
