"""The search for a better order of bytes: what follows from other bytes comes after them.

A tree may read the next values of earlier bytes. At first the easiest bytes come first, and what
changes rarely seems easy: a count of games would be predicted before the points that decide it,
from all that leads to a point. Read off the points it takes a few nodes, and agrees with them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from atarigan.models.dynamics.decision_tree import Classes, DecisionTree
from atarigan.models.dynamics.feature_selection import cost_of_tree, fitted_cost
from atarigan.models.dynamics.features import Columns, Feature, Kind, next_bytes
from atarigan.models.dynamics.formulas import Formula

_LARGEST_SHARE = 0.25  # a better place leaves at most this share of a tree's cost
_MOST_READ = 4  # bytes that a byte is moved behind


class KnownByte(NamedTuple):
    """What is known of a byte.

    Attributes:
        features: that its tree may compare; none without a tree.
        formulas: that the leaves of its tree may hold.
        is_read: whether other trees may read it.
    """

    features: list[Feature]
    formulas: Sequence[Formula]
    is_read: bool


class LaterPlace(NamedTuple):
    """Where a byte is predicted better. Bytes have their present numbers.

    Attributes:
        place: number of the later byte that it comes right after.
        features: what trees may compare from then on, by byte, of those for which that changes.
    """

    place: int
    features: dict[int, list[Feature]]


class Trial(NamedTuple):
    """Transitions with which features of a tree are tried: what features read of n transitions,
    what the tree predicts, uint16 (n,), and the generator of all choices.
    """

    columns: Columns
    classes: Classes
    rng: np.random.Generator

    def cost(self, features: list[Feature]) -> int:
        """Return the cost of a tree of these features."""
        if not features:
            return cost_of_tree(1, len(self.classes) - int(np.bincount(self.classes).max()))
        return fitted_cost(self.columns.values(features), self.classes, self.rng)

    def ranked(self, features: list[Feature], bytes_: list[int]) -> list[int]:
        """Return the bytes whose next values a tree of these features uses as well, the most used
        first.
        """
        values = self.columns.values([*features, *_next_values(bytes_)])
        importances = DecisionTree.fit(values, self.classes, self.rng).importances
        of_bytes = importances[len(features) :].reshape(len(bytes_), -1).sum(1)
        ranked = np.argsort(-of_bytes, kind="stable").tolist()
        return [bytes_[each] for each in ranked if of_bytes[each] > 0]


def later_place(
    columns: Columns,
    number: int,
    known: Sequence[KnownByte],
    trial_of: Callable[[int], Trial],
) -> LaterPlace | None:
    """Return the place after some bytes whose next values make the tree of a byte much smaller; or
    None if there is none, or if trees that may then not read its own next value grow by as much.

    Args:
        columns: what features read.
        number: of the byte.
        known: all bytes.
        trial_of: returns transitions that the tree of a byte was fitted to, by its number.
    """
    own = known[number].features
    later = [each for each in range(number + 1, len(known)) if known[each].is_read]
    if not own or not later:
        return None
    trial_of = cache(trial_of)
    trial = trial_of(number)
    before = trial.cost(own)
    for read in _tried(trial.ranked(own, later)[:_MOST_READ]):
        features, place = [*own, *_next_values(read)], max(read)
        between = range(number + 1, place + 1)
        after = trial.cost(features)
        if after > _LARGEST_SHARE * before or _is_in_formula(columns, number, known, between):
            continue
        changed, grown = {number: features}, 0
        for reader in _readers(columns, number, known, between):
            former = known[reader].features
            kept = [each for each in former if number not in next_bytes(each, columns)]
            if known[reader].is_read:  # others need not be exact
                of_reader = trial_of(reader)
                cost, more = of_reader.cost(kept), list(dict.fromkeys([*kept, *own]))
                if (cost_of_more := of_reader.cost(more)) < cost:
                    cost, kept = cost_of_more, more
                grown += cost - of_reader.cost(former)
            changed[reader] = kept
        if grown < before - after:
            return LaterPlace(place, changed)
    return None


def _tried(ranked: list[int]) -> Iterator[list[int]]:
    """Yield the first few bytes, then each by itself: of a byte and its copy one alone is used."""
    yield from (ranked[: num + 1] for num in range(len(ranked)))
    yield from ([each] for each in ranked[1:])


def _next_values(bytes_: Iterable[int]) -> Iterator[Feature]:
    """Yield the next value and the change of each byte."""
    for byte in bytes_:
        yield Feature(Kind.NEXT, byte)
        yield Feature(Kind.NEXT_MINUS_PRESENT, byte, byte)


def _is_in_formula(
    columns: Columns, number: int, known: Sequence[KnownByte], bytes_: Iterable[int]
) -> bool:
    """Return whether a formula of some bytes reads the next value of a byte."""
    formulas = [formula for each in bytes_ for formula in known[each].formulas]
    operands = [operand for formula in formulas for operand in formula.operands]
    return any(number in next_bytes(each, columns) for each in operands)


def _readers(
    columns: Columns, number: int, known: Sequence[KnownByte], bytes_: Iterable[int]
) -> list[int]:
    """Return those of some bytes whose trees read the next value of a byte."""
    return [
        each
        for each in bytes_
        if any(number in next_bytes(feature, columns) for feature in known[each].features)
    ]
