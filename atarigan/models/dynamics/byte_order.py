"""The search for a better order of bytes: what follows from other bytes comes after them.

A tree may read the next values of earlier bytes. The easiest bytes come first, and what changes
rarely seems easy: a count of games would be predicted before the points that decide it, from all
that leads to a point. Read off the points it takes a few nodes, and agrees with them.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.decision_tree import Classes, DecisionTree
from atarigan.models.dynamics.feature_selection import cost_of_tree
from atarigan.models.dynamics.features import Columns, Feature, Kind, Rows, next_bytes
from atarigan.models.dynamics.formulas import Formula

_LARGEST_SHARE = 0.25  # of the cost of a tree that is left by a better place
_MOST_READ = 4  # bytes that a byte is moved behind


class TreeOfByte(NamedTuple):
    """What the tree of a byte reads, and some of what it was fitted to.

    Attributes:
        features: that it may compare.
        formulas: that its leaves may hold.
        rows: transitions, int64 (n,).
        classes: of these transitions, uint16 (n,).
    """

    features: list[Feature]
    formulas: Sequence[Formula]
    rows: Rows
    classes: Classes


class LaterPlace(NamedTuple):
    """Where a byte is predicted better.

    Attributes:
        place: number of the later byte that it comes right after.
        features: which the trees are to have that change, by the byte's number.
    """

    place: int
    features: dict[int, list[Feature]]


def later_place(
    columns: Columns,
    number: int,
    is_read: npt.NDArray[np.bool_],
    tree_of: Callable[[int], TreeOfByte | None],
    rng: np.random.Generator,
) -> LaterPlace | None:
    """Return the place after some bytes whose next values make the tree of a byte much smaller; or
    None if there is none, or trees that may then not read its own next value grow by as much.

    Args:
        columns: what features read.
        number: of the byte.
        is_read: which bytes other trees may read, bool (T,).
        tree_of: returns the tree of a byte by its number, None if it has none.
        rng: of all choices.
    """
    tree = tree_of(number)
    later = (number + 1 + np.flatnonzero(is_read[number + 1 :])).tolist()
    if tree is None or not later:
        return None
    trial = _Trial.of(columns, tree, rng)
    before = trial.cost(tree.features)
    ranked = trial.ranked(tree.features, later)
    for num in range(1, min(_MOST_READ, len(ranked)) + 1):
        features = [*tree.features, *_next_values(ranked[:num])]
        after = trial.cost(features)
        if after > _LARGEST_SHARE * before:
            continue
        saved = before - after
        place = max(ranked[:num])
        readers = _readers(columns, number, {n: tree_of(n) for n in range(number + 1, place + 1)})
        if readers is None:
            continue
        changed = {number: features}
        for reader, each in readers.items():
            of_reader = _Trial.of(columns, each, rng)
            changed[reader] = of_reader.without(each.features, number, tree.features)
            saved += of_reader.cost(each.features) - of_reader.cost(changed[reader])
        if saved > 0:
            return LaterPlace(place, changed)
    return None


class _Trial(NamedTuple):
    """Transitions with which features of a tree are tried."""

    columns: Columns
    classes: Classes
    rng: np.random.Generator

    @classmethod
    def of(cls, columns: Columns, tree: TreeOfByte, rng: np.random.Generator) -> Self:
        return cls(columns.at(tree.rows), tree.classes, rng)

    def cost(self, features: list[Feature]) -> int:
        """Return the cost of a tree of these features."""
        if not features:
            return cost_of_tree(1, len(self.classes) - int(np.bincount(self.classes).max()))
        tree = DecisionTree.fit(self.columns.values(features), self.classes, self.rng)
        return cost_of_tree(tree.num_nodes, tree.num_wrong)

    def without(
        self, features: list[Feature], number: int, instead: list[Feature]
    ) -> list[Feature]:
        """Return the features that do not read the next value of a byte, with or without those by
        which this value is told instead, whichever cost less.
        """
        kept = [each for each in features if number not in next_bytes(each, self.columns)]
        return min([kept, list(dict.fromkeys([*kept, *instead]))], key=self.cost)

    def ranked(self, features: list[Feature], bytes_: list[int]) -> list[int]:
        """Return the bytes whose next values a tree of these features uses as well, the most used
        first.
        """
        values = self.columns.values([*features, *_next_values(bytes_)])
        importances = DecisionTree.fit(values, self.classes, self.rng).importances
        of_bytes = importances[len(features) :].reshape(len(bytes_), -1).sum(1)
        ranked = np.argsort(-of_bytes, kind="stable").tolist()
        return [bytes_[each] for each in ranked if of_bytes[each] > 0]


def _next_values(bytes_: Iterable[int]) -> list[Feature]:
    """Return the next value and the change of each byte, one after the other."""
    kinds = ((Kind.NEXT, False), (Kind.NEXT_MINUS_PRESENT, True))
    return [Feature(kind, byte, byte * has_two) for byte in bytes_ for kind, has_two in kinds]


def _readers(
    columns: Columns, number: int, trees: dict[int, TreeOfByte | None]
) -> dict[int, TreeOfByte] | None:
    """Return the trees that read the next value of a byte; None if a formula reads it."""
    readers = {}
    for reader, tree in trees.items():
        if tree is None:
            continue
        operands = [operand for formula in tree.formulas for operand in formula.operands]
        if any(number in next_bytes(each, columns) for each in operands):
            return None
        if any(number in next_bytes(each, columns) for each in tree.features):
            readers[reader] = tree
    return readers
