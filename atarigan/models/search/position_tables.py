"""The search for the decodings that a game has of its own.

Programs turn a byte into a place in many ways: by a multiplication, a table, the console's motion
register in another form, or with flags in some bits. A table of 256 positions holds any of them. It
is learned from small objects (`points`): of those that agree on where they are along one axis, each
one with the same value of a byte votes for a position along the other axis.

Nearly all ways are sums of a number for either half of the byte. So these 32 numbers are learned,
and not 256, unless the latter predict more points of other frames.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.models.search.points import PointVotes, VotingAxis
from atarigan.models.search.positions import MAX_TABLES, Floats, PositionTable

_NUM_BLOCKS = 16
_LEAST_GAIN = 1.15  # times the points that agree in a known decoding
_MAX_ROUNDS = 12
_LEAST_PLACES = 12  # the 8 bits of a byte of bricks are 8 places
_MIN_VALUES = 5
_NUM_TRIED = 8
_NUM_FITS = 3
_HALVES = np.arange(16)
_SIGNED = (_HALVES ^ 8) - 8
_FIRST_HIGH_HALVES = (*(step * _HALVES for step in (0, 8, 16, -16, 32, -32, 64)), -_SIGNED)

Ints = npt.NDArray[np.int64]
Fit = Callable[[Floats], Ints]
"""Counts (256, places) of points by value and place to a table (256,)."""


def find_tables(residual: Tensor, states: Tensor, grid: tuple[int, int]) -> list[PositionTable]:
    """Find decodings by which many more small objects agree than by the known ones.

    Args:
        residual: frames minus their background, in positions on the line of colors, float
            (N, H, W).
        states: of these frames, uint8 (N, bytes).
        grid: lines and columns that positions count in.

    Returns:
        At most `MAX_TABLES`, those of most objects first.
    """
    votes = PointVotes(residual, states, grid)
    blocks = votes.points.frame * _NUM_BLOCKS // max(1, len(residual))
    is_second = blocks % 2 == 1
    left = torch.ones(len(votes), dtype=torch.bool)
    tables: list[PositionTable] = []
    for _ in range(_MAX_ROUNDS):
        if left.sum() < votes.least or len(tables) == MAX_TABLES:
            break
        vote = votes.best(left)
        tried = sorted(_trials(votes, left, is_second), key=lambda trial: -trial.num)[:_NUM_TRIED]
        best = max((trial.learned() for trial in tried), key=lambda each: each.num, default=None)
        if best is None or max(best.num, vote.num) < votes.least:
            break
        if best.num > _LEAST_GAIN * vote.num:
            left[best.points] = False
            if best.num_places >= _LEAST_PLACES:
                tables.append(best.table)
                votes.use(tables)
        else:
            left &= ~votes.agreeing(vote)
    return tables


class _Learned(NamedTuple):
    """A table and the points that agree with it.

    Attributes:
        table: the table.
        points: numbers of the points, int64 (points,).
        num: points that agree in frames that the table was not learned from.
        num_places: at how many places they are, if these were equally frequent.
    """

    table: PositionTable
    points: Ints
    num: float
    num_places: float


class _Trial(NamedTuple):
    """A byte as the position of some points along an axis.

    Attributes:
        axis, number: the axis, 0 for rows and 1 for columns.
        points: numbers of the points, int64 (points,).
        is_second: whether each is of the second half of the frames, bool (points,).
        values, places: of the byte and along the axis, int64 (points,) each.
        num: points that a table would predict in other frames, roughly.
    """

    axis: VotingAxis
    number: int
    points: Ints
    is_second: npt.NDArray[np.bool_]
    values: Ints
    places: Ints
    num: float = 0.0

    def screened(self) -> Self:
        """Estimate how many points a table would predict, from places of a low resolution."""
        width = 2 * self.axis.reach + 1
        counts = self._counts(self.places // width, -(-self.axis.length // width))
        return self._replace(num=_predicted(counts, _of_values))

    def learned(self) -> _Learned:
        """Learn a table."""
        counts = self._counts(self.places, self.axis.length)
        around = range(-self.axis.reach, self.axis.reach + 1)
        counts = np.stack([np.roll(counts, by, 2) for by in around]).sum(0)
        fit = max((_of_halves, _of_values), key=lambda fit: _predicted(counts, fit))
        table = fit(counts.sum(0))
        apart = (self.places - table[self.values] + self.axis.reach) % self.axis.length
        agreeing = apart <= 2 * self.axis.reach
        places = np.bincount(self.places[agreeing] // (2 * self.axis.reach + 1))
        num_places = float(places.sum() ** 2 / max(1, np.square(places).sum()))
        learned = PositionTable(self.number, table)
        return _Learned(learned, self.points[agreeing], _predicted(counts, fit), num_places)

    def _counts(self, places: Ints, num: int) -> Floats:
        """Points by half of the frames, value, and place, (2, 256, num)."""
        cells = (self.is_second * 256 + self.values) * num + places
        return np.bincount(cells, minlength=2 * 256 * num).reshape(2, 256, num).astype(np.float64)


def _trials(votes: PointVotes, left: Tensor, is_second: npt.NDArray[np.bool_]) -> Iterator[_Trial]:
    """Yield every byte for points that are left and agree along the other axis."""
    states = votes.states.numpy()[votes.points.frame].astype(np.int64)
    for agreement in votes.agreements(left):
        points = np.flatnonzero(agreement.points.numpy())
        if len(points) < votes.least:
            continue
        number = 1 - agreement.axis
        axis = votes.axes[number]
        places = np.round(axis.centers[points]).astype(np.int64) % axis.length
        for values in states[points].T:
            if len(np.unique(values)) >= _MIN_VALUES:
                trial = _Trial(axis, number, points, is_second[points], values, places)
                yield trial.screened()


def _predicted(counts: Floats, fit: Fit) -> float:
    """Return how many points of each half of the frames agree with a table of the other half.

    Args:
        counts: points by half, value, and place, (2, 256, places).
        fit: of a table.
    """
    values = np.arange(counts.shape[1])
    return sum(float(other[values, fit(half)].sum()) for half, other in (counts, counts[::-1]))


def _of_values(counts: Floats) -> Ints:
    """Learn each value by itself; a value that does not occur is as the nearest one that does."""
    occurring = np.flatnonzero(counts.any(1))
    if not len(occurring):
        return np.zeros(len(counts), np.int64)
    nearest = np.abs(np.arange(len(counts))[:, None] - occurring).argmin(1)
    found: Ints = counts.argmax(1)[occurring[nearest]]
    return found


def _of_halves(counts: Floats) -> Ints:
    """Learn a number for either half of the byte, in turns from several beginnings."""
    parts = counts.reshape(16, 16, -1)  # high half, low half, places
    tables = []
    for high in _FIRST_HIGH_HALVES:
        for _ in range(_NUM_FITS):
            low = _most(parts, high)
            high = _most(parts.swapaxes(0, 1), low)
        tables.append((high[:, None] + low).ravel() % parts.shape[2])
    return max(tables, key=lambda table: float(counts[np.arange(len(counts)), table].sum()))


def _most(parts: Floats, others: Ints) -> Ints:
    """Return the number of one half with which most points agree, (16,).

    Args:
        parts: points by the other half, this half, and place, (16, 16, places).
        others: numbers of the other half, (16,).
    """
    moved = [np.roll(part, -by, 1) for part, by in zip(parts, others, strict=True)]
    found: Ints = np.sum(moved, 0).argmax(1)
    return found
