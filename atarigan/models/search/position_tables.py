"""The search for decodings that are specific to a game.

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
from atarigan.models.search.positions import MAX_TABLES, Floats, Ints, PositionTable

_NUM_BLOCKS = 16
_LEAST_GAIN = 1.15  # times the points that agree in a known decoding
_MAX_ROUNDS = 12
_LEAST_PLACES = 12  # the 8 bits of a byte of bricks are 8 places
_LEAST_SHARE_OF_PLACES = 0.6  # is enough in small frames, which have few
_MIN_VALUES = 5
_NUM_TRIED = 8
_NUM_FITS = 3
_HALVES = np.arange(16)
_SIGNED = (_HALVES ^ 8) - 8
_FIRST_HIGH_HALVES = (*(step * _HALVES for step in (0, 8, 16, -16, 32, -32, 64)), -_SIGNED)

Fit = Callable[[Floats], Ints]
"""Counts (256, places) of points by value and place to a table (256,)."""


def find_tables(votes: PointVotes) -> list[PositionTable]:
    """Find decodings by which many more small objects agree than by the known ones.

    Args:
        votes: of small objects in known decodings; afterwards also in those that are found.

    Returns:
        At most `MAX_TABLES`, those of most objects first.
    """
    blocks = votes.points.frame * _NUM_BLOCKS // len(votes.states)
    is_second = blocks % 2 == 1
    remaining = torch.ones(len(votes), dtype=torch.bool)
    tables: list[PositionTable] = []
    for _ in range(_MAX_ROUNDS):
        if remaining.sum() < votes.min_votes or len(tables) == MAX_TABLES:
            break
        vote = votes.best(remaining)
        tried = sorted(_trials(votes, remaining, is_second), key=lambda trial: -trial.num)[
            :_NUM_TRIED
        ]
        best = max((trial.learned() for trial in tried), key=lambda each: each.num, default=None)
        known = remaining & votes.agreeing(vote)
        num_known = int(known.sum())
        if max(best.num if best else 0.0, num_known) < votes.min_votes:
            break
        if best is None or best.num <= _LEAST_GAIN * num_known:
            remaining &= ~known
            continue
        remaining[best.points] = False
        if best.has_many_places:
            tables.append(best.table)
            votes.set_tables(tables)
    return tables


class _Learned(NamedTuple):
    """A table and the points that agree with it.

    Attributes:
        table: the table.
        points: numbers of the points, int64 (points,).
        num: points of each half of the frames that agree with a table of the other half.
        has_many_places: whether they are at more places than bricks of a byte would be.
    """

    table: PositionTable
    points: Ints
    num: float
    has_many_places: bool


class _Trial(NamedTuple):
    """A byte as the position of some points along an axis.

    Attributes:
        axis: 0 for rows, 1 for columns.
        votes: of that axis.
        points: numbers of the points, int64 (points,).
        is_second: whether each is of the second half of the frames, bool (points,).
        values, places: of the byte and along the axis, int64 (points,) each.
        num: points that a table would predict in other frames, roughly.
    """

    axis: int
    votes: VotingAxis
    points: Ints
    is_second: npt.NDArray[np.bool_]
    values: Ints
    places: Ints
    num: float = 0.0

    def screened(self) -> Self:
        """Estimate how many points a table would predict, from places of a low resolution."""
        width = self.votes.width
        counts = self._counts(self.places // width, -(-self.votes.length // width))
        return self._replace(num=_predicted(counts, _of_values))

    def learned(self) -> _Learned:
        """Learn a table."""
        counts = self._counts(self.places, self.votes.length)
        around = range(-self.votes.reach, self.votes.reach + 1)
        counts = sum((np.roll(counts, by, 2) for by in around), np.zeros_like(counts))
        tried = [(_predicted(counts, fit), fit) for fit in (_of_halves, _of_values)]
        num, fit = max(tried, key=lambda each: each[0])
        table = fit(counts.sum(0))
        apart = (self.places - table[self.values] + self.votes.reach) % self.votes.length
        agreeing = apart < self.votes.width
        learned = PositionTable(self.axis, table)
        return _Learned(learned, self.points[agreeing], num, self._have_many_places(agreeing))

    def _have_many_places(self, which: npt.NDArray[np.bool_]) -> bool:
        """Whether the effective number of places of points (the inverse Simpson index) is high."""
        width = self.votes.width
        num_cells = -(-self.votes.length // width)
        shares = np.bincount(self.places[which] // width) / max(1, which.sum())
        least = min(_LEAST_PLACES, _LEAST_SHARE_OF_PLACES * num_cells)
        return bool(least * np.square(shares).sum() <= 1)

    def _counts(self, places: Ints, num: int) -> Floats:
        """Points by half of the frames, value, and place, (2, 256, num)."""
        cells = (self.is_second * 256 + self.values) * num + places
        return np.bincount(cells, minlength=2 * 256 * num).reshape(2, 256, num).astype(np.float64)


def _trials(
    votes: PointVotes, remaining: Tensor, is_second: npt.NDArray[np.bool_]
) -> Iterator[_Trial]:
    """Yield every byte for remaining points that agree along the other axis."""
    states = votes.states.numpy()[votes.points.frame].astype(np.int64)
    for agreement in votes.agreements(remaining):
        points = np.flatnonzero(agreement.points.numpy())
        if len(points) < votes.min_votes:
            continue
        axis = 1 - agreement.axis
        of_axis = votes.axes[axis]
        places = np.round(of_axis.centers[points]).astype(np.int64) % of_axis.length
        for values in states[points].T:
            if len(np.unique(values)) >= _MIN_VALUES:
                trial = _Trial(axis, of_axis, points, is_second[points], values, places)
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
    """Learn each value, or each number of a half, by itself: the place with most points. One
    without points is as the nearest one that has some.
    """
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
    return _of_values(np.sum(moved, 0))
