"""Finding the numbers of a vector that place a border in each column, and those that are rounded.

By regression, with no gradients: a pixel at the border is off by 50 levels if the border is a fifth
of a pixel too high, and Adam alone would come close, but not that close.
"""

import torch
from torch import Tensor

from atarigan.models.families.renderer_grid import RendererGrid
from atarigan.models.state.vector_bins import VectorBins

_MOST_OF_COLUMN = 4  # numbers
_LEAST_GAIN = 0.05  # of what is left of the variance of a column, by a further number
_RIDGE = 1e-6
_OUTLIER = 2.5  # median distances
_NUM_TRIMMED = 3
_SMALL = 1e-3


def fitted_lines(
    places: Tensor, states: Tensor, bins: VectorBins, grid: RendererGrid
) -> "BorderLines":
    """Fit the places of a border in all columns, (N, W), to vectors (N, size), and find the numbers
    that the renderer rounds, for `grid`.
    """
    lines = BorderLines(bins.spread(grid(states)).double(), places.double())
    for _ in range(_NUM_TRIMMED):
        lines.leave_out_others()
    _find_steps(states, lines, bins, grid)
    return lines


class BorderLines:
    """The places of a border in all columns as linear functions of a few numbers.

    Attributes:
        numbers: (N, size).
        places: (N, W).
        is_seen: where nothing else than the border is in a column, bool (N, W).
        slopes: (W, size).
        base: (W,).
    """

    def __init__(self, numbers: Tensor, places: Tensor) -> None:
        self.places = places
        self.is_seen = torch.ones_like(places, dtype=torch.bool)
        self.slopes = places.new_zeros(places.shape[1], numbers.shape[1])
        self.base = places.mean(0)
        self.choose(numbers)

    @property
    def errors(self) -> Tensor:
        """What the functions do not explain, (N, W); 0 where something else is in a column."""
        errors = self.places - self.numbers @ self.slopes.T - self.base
        return errors.masked_fill(~self.is_seen, 0)

    @property
    def explained(self) -> float:
        """The share of the variance that is explained."""
        apart = (self.places - self.places.mean(0)).masked_fill(~self.is_seen, 0)
        return 1 - float(self.errors.square().sum() / apart.square().sum().clamp(min=_SMALL))

    def choose(self, numbers: Tensor) -> None:
        """Choose the few numbers that explain each column, one by one. A regression on all would
        mix them, as one may be the sum of others but for what the renderer rounds.
        """
        self.numbers = numbers
        for column in range(len(self.slopes)):
            seen = self.is_seen[:, column]
            self._regress(column, _chosen(numbers[seen], self.places[seen, column]))

    def replace(self, numbers: Tensor) -> None:
        """Fit the same choice of other numbers."""
        self.numbers = numbers
        for column, slopes in enumerate(self.slopes):
            self._regress(column, torch.nonzero(slopes)[:, 0])

    def leave_out_others(self) -> None:
        """Leave out the places that are far from the functions, and choose again."""
        self.is_seen[:] = True
        errors = self.errors.abs()
        self.is_seen = errors <= _OUTLIER * errors.median(0).values + _SMALL
        self.choose(self.numbers)

    def _regress(self, column: int, chosen: Tensor) -> None:
        seen = self.is_seen[:, column]
        numbers, places = self.numbers[seen][:, chosen], self.places[seen, column]
        slopes = _regression(numbers, places[:, None])[:, 0]
        self.slopes[column] = 0
        self.slopes[column, chosen] = slopes
        self.base[column] = places.mean() - numbers.mean(0) @ slopes


def _chosen(numbers: Tensor, places: Tensor) -> Tensor:
    """Return which numbers (N, size) explain the places (N,) of a column, int64 (n,)."""
    chosen: list[int] = []
    while len(chosen) < min(_MOST_OF_COLUMN, numbers.shape[1]):
        others, left = (_residuals(numbers[:, chosen], each) for each in (numbers, places[:, None]))
        squares = others.square().mean(0).clamp(min=_SMALL)
        gains = (others.T @ left)[:, 0].div(len(left)).square() / squares
        gains[chosen] = 0
        if not float(gains.max()) > _LEAST_GAIN * max(float(left.square().mean()), _SMALL):
            break
        chosen.append(int(gains.argmax()))
    return torch.tensor(sorted(chosen), dtype=torch.int64, device=numbers.device)


def _find_steps(states: Tensor, lines: BorderLines, bins: VectorBins, grid: RendererGrid) -> None:
    """Find the numbers that are rounded, each in the column that it moves most.

    What is rounded already does not disturb the others, so these are tried again, and as then no
    number follows from others any more, so are the numbers of each column.
    """
    for _ in range(2):
        for number in torch.nonzero(lines.slopes.any(0))[:, 0].tolist():
            if float(grid.steps[number]):
                continue
            column = int(lines.slopes[:, number].abs().argmax())
            seen = lines.is_seen[:, column]
            moved = lines.slopes[column, number] * bins.spread(states)[:, number]
            grid.find(number, states[seen, number], moved[seen], lines.errors[seen, column])
            if float(grid.steps[number]):
                lines.replace(bins.spread(grid(states)).double())
        lines.choose(bins.spread(grid(states)).double())


def _regression(numbers: Tensor, wanted: Tensor) -> Tensor:
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
    return wanted - (numbers - numbers.mean(0)) @ _regression(numbers, wanted)
