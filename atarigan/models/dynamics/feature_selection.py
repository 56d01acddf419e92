"""Selects the features of a tree by what a tree without them predicts wrongly.

The features that matter most over all transitions say little about the few that are hard. So a
tree of the best features so far is fitted on one half of the transitions and predicts the other,
and a tree that may use every candidate is fitted on what was wrong (and as much of the rest). What
that tree uses gains in rank.
"""

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.byte_grids import OFFSETS
from atarigan.models.dynamics.change_groups import NO_GROUP
from atarigan.models.dynamics.decision_tree import Classes, DecisionTree, Values
from atarigan.models.dynamics.features import (
    ENTRIES,
    FIRST_IS_NEXT,
    NEXT_ENTRIES,
    SECOND_IS_NEXT,
    SECOND_IS_PRESENT,
    Columns,
    Feature,
    Kind,
    Rows,
    last_next_byte,
)
from atarigan.models.dynamics.indexed_arrays import IndexedArrays

_NUM_ROUNDS = 2
_NUM_RANKED = 12_000  # transitions that the first ranking is made on
_MOST_WRONG = 8_000
_FEWEST_WRONG = 20
_FEWEST_OTHERS = 2_000
_NUM_SIMPLE = 2_000
_MOST_SIMPLE = 6
_NODES_OF_A_WRONG_ONE = 4  # which a tree may have more to predict one more transition
_NUM_PAIRED = 24
_NUM_TRIED_AGAIN = 64
_SMALLEST = 1e-9  # importance that a rank is divided by
_TRIED_SHARE = 0.5  # share of candidates that a split tries, so that equivalent ones share the rank
_MOST_NUMERIC = 16
_MOST_PAIRS = 240  # of an array and a byte that is subtracted from its entry
FEWEST_VALUES = 16  # bytes with more values are numeric
_LEAST_SHARED = 0.5
_PRESENT_BYTE, _NEXT_BYTE = "present", "next"


class CandidateFeatures:
    """All features that the tree of a byte may use.

    Differences are taken among numeric bytes alone: up to 16 with the most values, and up to 16 of
    those that decide the tree's byte.

    Args:
        columns: what features read, of some transitions.
        influences: whether the byte of a row decides the one of a column, as far as is known, bool
            (num_bytes, num_bytes); None if nothing is.
        unread: numbers of bytes that only their own trees and each other's may read.
    """

    def __init__(
        self,
        columns: Columns,
        influences: npt.NDArray[np.bool_] | None = None,
        unread: Collection[int] = (),
    ) -> None:
        self._columns = columns
        self._unread = frozenset(unread)
        self._num_bytes = len(columns.present)
        self._influences = influences

    def after(self, numbers: Collection[int]) -> list[Feature]:
        """Return the candidates of what is read off some bytes after a frame, or off their change.

        So ALE reads rewards, ends and lives. A tree that may not read what led to a point cannot
        mistake what usually comes with points for the point.
        """
        features = [Feature(Kind.NEXT, byte) for byte in numbers]
        features += [Feature(Kind.NEXT_MINUS_PRESENT, byte, byte) for byte in numbers]
        features += [Feature(Kind.NEXT_BIT, byte, bit) for byte, bit in self._bits(numbers)]
        features += [Feature(Kind.NEXT_LOW_NIBBLE, byte) for byte in numbers]
        return features + self._counts(numbers)

    def before(self, number: int) -> list[Feature]:
        """Return the candidates where the next values of bytes below `number` are known."""
        pairs = self._pairs(number)
        known = [Feature(Kind.NEXT_DIFFERENCE, *pair) for pair in pairs if max(pair) < number]
        for byte in range(number):
            known.append(Feature(Kind.NEXT, byte))
            known.append(Feature(Kind.NEXT_MINUS_PRESENT, byte, byte))
            if byte in self._numeric and number in self._numeric:
                known.append(Feature(Kind.NEXT_MINUS_PRESENT, byte, number))
        features = [Feature(Kind.DIFFERENCE, *pair) for pair in pairs]
        features += self._present + known + self._counts(range(number))
        features += entry_features(self._columns.arrays, number, self._subtracted(number))
        if number in self._unread:
            return features
        return [each for each in features if not self.reads_unread(each)]

    def reads_unread(self, feature: Feature) -> bool:
        """Return whether a feature reads a byte that few may read."""
        numbers = {byte for _, byte in self._bytes_read(feature)}
        if feature.kind in ENTRIES:
            numbers.update(self._columns.arrays.bytes_read(feature.first))
        return not self._unread.isdisjoint(numbers)

    def may_all_be_read(self, features: list[Feature], number: int) -> bool:
        """Return whether a tree of byte `number` may read features: no unread byte, and no next
        value of a byte that is not earlier.
        """
        if not features:
            return True
        columns = self._columns
        last = last_next_byte(np.array(features), columns.groups, columns.arrays)
        return bool(last.max() < number) and not any(map(self.reads_unread, features))

    def likely(self, number: int) -> list[Feature]:
        """Return those of `before` that read what decides byte `number`, as far as is known.

        The next value of another byte is read if most of what decides it decides this one, too.
        """
        if self._influences is None or not self._influences[:, number].any():
            return self.before(number)
        causes = self._influences | np.eye(self._num_bytes, dtype=np.bool_)
        of_this = causes[:, number]
        shared = (causes & of_this[:, None]).sum(0) / causes.sum(0)
        is_likely = {_PRESENT_BYTE: of_this, _NEXT_BYTE: shared >= _LEAST_SHARED}
        return [
            feature
            for feature in self.before(number)
            if all(is_likely[when][byte] for when, byte in self._bytes_read(feature))
        ]

    def _bytes_read(self, feature: Feature) -> Iterator[tuple[str, int]]:
        """Yield the bytes that a feature compares, with when it reads them: of an array its index
        alone; of an input, a group or a grid nothing.
        """
        kind, first, second = feature
        if kind in (Kind.INPUT, Kind.NUM_CHANGED, Kind.CELL):
            return
        if kind in ENTRIES:
            first = int(self._columns.arrays.indexes[first])
        yield _NEXT_BYTE if kind in (*FIRST_IS_NEXT, *NEXT_ENTRIES) else _PRESENT_BYTE, first
        if kind in SECOND_IS_PRESENT:
            yield _PRESENT_BYTE, second
        elif kind in SECOND_IS_NEXT:
            yield _NEXT_BYTE, second

    @cached_property
    def _present(self) -> list[Feature]:
        features = [Feature(Kind.PRESENT, byte) for byte in range(self._num_bytes)]
        features += [Feature(Kind.INPUT, each) for each in range(len(self._columns.inputs))]
        bits = self._bits(range(self._num_bytes))
        features += [Feature(Kind.BIT, byte, bit) for byte, bit in bits]
        features += [Feature(Kind.LOW_NIBBLE, byte) for byte in self._numeric]
        cells = product(self._columns.grids.found, range(len(OFFSETS)))
        return features + [Feature(Kind.CELL, *cell) for cell in cells]

    @cached_property
    def _num_values(self) -> list[int]:
        """Number of different values of each byte."""
        return [len(np.unique(column)) for column in self._columns.present]

    @cached_property
    def _numeric(self) -> list[int]:
        return self._numeric_among(range(self._num_bytes))

    def _numeric_among(self, numbers: Iterable[int]) -> list[int]:
        """Return the numeric bytes with the most values."""
        counts = self._num_values
        ranked = sorted(numbers, key=lambda byte: (counts[byte], byte), reverse=True)
        return sorted(byte for byte in ranked[:_MOST_NUMERIC] if counts[byte] > FEWEST_VALUES)

    def _pairs(self, number: int) -> list[tuple[int, int]]:
        """Return the bytes whose differences may tell byte `number`."""
        pairs = dict.fromkeys(combinations(self._numeric, 2))
        if self._influences is not None:
            deciding = np.flatnonzero(self._influences[:, number]).tolist()
            pairs |= dict.fromkeys(combinations(self._numeric_among(deciding), 2))
        return list(pairs)

    def _subtracted(self, number: int) -> list[int]:
        """Return the bytes that are subtracted from entries of arrays to tell byte `number`: those
        that decide it, as far as is known, or fewer if there are many arrays.
        """
        num_arrays = len(self._columns.arrays)
        if self._influences is None or not num_arrays:
            return self._numeric
        most = max(_MOST_NUMERIC, _MOST_PAIRS // num_arrays)
        deciding = np.flatnonzero(self._influences[:, number]).tolist()
        return [byte for byte in deciding if self._num_values[byte] > FEWEST_VALUES][:most]

    def _counts(self, numbers: Collection[int]) -> list[Feature]:
        """Return the numbers of changes in the groups of which some bytes are all members."""
        groups = self._columns.groups
        others = np.delete(groups, [byte for byte in numbers if byte < len(groups)])
        known = np.setdiff1d(groups, [*others, NO_GROUP])
        return [Feature(Kind.NUM_CHANGED, group) for group in known.tolist()]

    def _bits(self, numbers: Collection[int]) -> Iterator[tuple[int, int]]:
        """Yield some bytes and their bits that vary."""
        for byte in numbers:
            column = self._columns.present[byte]
            varying = int(np.bitwise_or.reduce(column ^ column[0]))
            yield from ((byte, bit) for bit in range(8) if varying >> bit & 1)


def entry_features(arrays: IndexedArrays, number: int, subtracted: list[int]) -> Iterator[Feature]:
    """Yield what the tree of a byte may read of arrays, and its differences from some bytes."""
    for array, last in enumerate(arrays.last_bytes.tolist()):
        yield Feature(Kind.ENTRY, array)
        for byte in subtracted:
            yield Feature(Kind.ENTRY_MINUS_PRESENT, array, byte)
        if last < number:
            yield Feature(Kind.NEXT_ENTRY, array)
            for byte in subtracted:
                if byte < number:
                    yield Feature(Kind.NEXT_ENTRY_MINUS_NEXT, array, byte)


def select_features(
    columns: Columns,
    classes: Classes,
    candidates: list[Feature],
    rng: np.random.Generator,
    num_selected: int,
) -> list[Feature]:
    """Select at most so many features for a tree that predicts classes uint16 (N,), the best first.

    None is selected if no candidate tells the classes apart.
    """
    if not candidates:
        return []
    rows = balanced_rows(classes, _NUM_RANKED, rng)
    ranks = _ranks(columns, classes, candidates, rows, rng)
    for _ in range(_NUM_ROUNDS):
        selected = _best(candidates, ranks, num_selected)
        if not selected:
            break
        wrong = _wrong_rows(columns.values(selected), classes, rng)
        if len(wrong) < _FEWEST_WRONG:
            break
        wrong = rng.choice(wrong, min(_MOST_WRONG, len(wrong)), replace=False)
        others = rng.integers(0, len(classes), max(_FEWEST_OTHERS, len(wrong)))
        ranks += _ranks(columns, classes, candidates, np.concatenate([wrong, others]), rng)
    return _best(candidates, ranks, num_selected)


def _ranks(
    columns: Columns,
    classes: Classes,
    candidates: list[Feature],
    rows: Rows,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Return how much a tree of some rows uses each candidate, 0 to 1, float64 (candidates,)."""
    values = columns.values(candidates, rows)
    importances = DecisionTree.fit(values, classes[rows], rng, _TRIED_SHARE).importances
    return importances / max(float(importances.max()), _SMALLEST)


def _best(
    candidates: list[Feature], ranks: npt.NDArray[np.float64], num_selected: int
) -> list[Feature]:
    ranked = np.argsort(-ranks, kind="stable")[:num_selected]
    return [candidates[number] for number in ranked if ranks[number] > 0]


def _wrong_rows(values: Values, classes: Classes, rng: np.random.Generator) -> Rows:
    """Return the rows that a tree of the other half of the rows predicts wrongly."""
    is_first = rng.random(len(classes)) < 0.5
    wrong = []
    for is_fitted in (is_first, ~is_first):
        if is_fitted.all() or not is_fitted.any():
            continue
        tree = DecisionTree.fit(values[:, is_fitted], classes[is_fitted], rng)
        is_wrong = tree.predict(values[:, ~is_fitted]) != classes[~is_fitted]
        wrong.append(np.flatnonzero(~is_fitted)[is_wrong])
    return np.concatenate(wrong) if wrong else np.zeros(0, np.int64)


def balanced_rows(classes: Classes, most: int, rng: np.random.Generator) -> Rows:
    """Return rows of a subsample in which rare classes are more frequent, int64 (<= most,).

    A row is drawn with a weight of one over the square root of its class's frequency.
    """
    if len(classes) <= most:
        return rng.permutation(len(classes))
    weights = 1 / np.sqrt(np.bincount(classes)[classes])
    return rng.choice(len(classes), most, replace=False, p=weights / weights.sum())


def simplest_features(
    columns: Columns,
    classes: Classes,
    candidates: list[Feature],
    rows: Rows,
    rng: np.random.Generator,
) -> list[Feature]:
    """Select a few features that a small tree can do with, by forward selection from a pair.

    Those are taken with which a tree of a sample of the rows has the fewest nodes, as long as
    another one makes it smaller; a transition that it cannot predict counts as several. So an end
    is told by the two scores, not by one score and the time of the other's points.
    """
    sample = rows[balanced_rows(classes[rows], _NUM_SIMPLE, rng)]
    values, known = columns.values(candidates, sample), classes[sample]
    tried = list(range(len(candidates)))
    sizes = [fitted_cost(values[[each]], known, rng) for each in tried]
    best = np.argsort(sizes, kind="stable")[:_NUM_PAIRED].tolist()
    selected, least = best[:1], min(sizes, default=0)
    groups = list(combinations(best, 2))  # of two that decide together, one alone may be poor
    while groups:
        sizes = [fitted_cost(values[list(each)], known, rng) for each in groups]
        if min(sizes) >= least:
            break
        if len(selected) > 1:  # what adds little to them adds little to more
            order = np.argsort(sizes, kind="stable")[:_NUM_TRIED_AGAIN].tolist()
            tried = [groups[each][-1] for each in order]
        selected, least = list(groups[int(np.argmin(sizes))]), min(sizes)
        if len(selected) == _MOST_SIMPLE:
            break
        groups = [(*selected, each) for each in tried if each not in selected]
    return [candidates[each] for each in selected]


def fitted_cost(values: Values, classes: Classes, rng: np.random.Generator) -> int:
    """Return the cost of a tree that is fitted to values int32 (features, n)."""
    tree = DecisionTree.fit(values, classes, rng)
    return cost_of_tree(tree.num_nodes, tree.num_wrong)


def cost_of_tree(num_nodes: int, num_wrong: int) -> int:
    """Return nodes and wrongly predicted transitions as one number."""
    return num_nodes + _NODES_OF_A_WRONG_ONE * num_wrong
