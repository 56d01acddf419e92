"""Finds indexed arrays: runs of bytes that decide another byte, with a byte that picks one of them.

The emulator tells which bytes decide which. Of all runs among those of a byte that is hard to
predict, those are taken that a tree uses which may read any.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.decision_tree import Classes, DecisionTree
from atarigan.models.dynamics.feature_selection import balanced_rows, entry_features
from atarigan.models.dynamics.features import Columns, Feature
from atarigan.models.dynamics.indexed_arrays import NO_ENTRY, IndexedArrays

_FEWEST_ENTRIES, _MOST_ENTRIES = 3, 24
_LEAST_DECIDING = 0.75  # share of an array's bytes that decide the one that is hard
_FEWEST_VALUES = 16  # bytes with more are subtracted
_NUM_ROWS = 6_000
_LEAST_IMPORTANCE = 0.1  # of an array, relative to all features together
_MOST_OF_A_BYTE = 2
MOST_ARRAYS = 24


class HardByte(NamedTuple):
    """A byte that is hard to predict: its number, the classes of the transitions, and the features
    that its tree reads.
    """

    number: int
    classes: Classes
    features: list[Feature]


class _Array(NamedTuple):
    picked_by: int
    members: tuple[int, ...]


def find_arrays(
    columns: Columns,
    addresses: npt.NDArray[np.int64],
    influences: npt.NDArray[np.bool_],
    hard: HardByte,
    rng: np.random.Generator,
) -> IndexedArrays:
    """Return the arrays of some columns, and those that were found for a byte.

    Args:
        columns: of N transitions, with the arrays that are known.
        addresses: of the bytes, int64 (T,).
        influences: whether the byte of a row decides the one of a column, bool (T, T).
        hard: the byte.
        rng: of all choices.
    """
    known = _arrays_of(columns.arrays)
    deciding = influences[:, hard.number].copy()
    deciding[hard.number] = True
    new = [each for each in _runs(columns, addresses, deciding) if each not in known]
    if not new:
        return columns.arrays
    rows = balanced_rows(hard.classes, _NUM_ROWS, rng)
    some = columns.at(rows)
    tried = type(some)(some.present, some.next, some.inputs, some.groups, some.grids, _joined(new))
    entries = list(_features(tried, hard.number, deciding))
    values = np.concatenate([some.values(hard.features), tried.values(entries)])
    importances = DecisionTree.fit(values, hard.classes[rows], rng).importances
    of_arrays = np.zeros(len(new))
    np.add.at(
        of_arrays, [each.first for each in entries], importances[len(hard.features) :].tolist()
    )
    best = np.argsort(-of_arrays, kind="stable")[: min(_MOST_OF_A_BYTE, MOST_ARRAYS - len(known))]
    found = [new[each] for each in best if of_arrays[each] > _LEAST_IMPORTANCE * importances.sum()]
    return _joined(known + found)


def _features(columns: Columns, number: int, deciding: npt.NDArray[np.bool_]) -> Iterator[Feature]:
    numeric = [
        byte
        for byte in np.flatnonzero(deciding).tolist()
        if len(np.unique(columns.present[byte])) > _FEWEST_VALUES
    ]
    return entry_features(columns.arrays, number, numeric)


def _runs(
    columns: Columns, addresses: npt.NDArray[np.int64], deciding: npt.NDArray[np.bool_]
) -> Iterator[_Array]:
    """Yield runs of bytes that mostly decide, with each byte that may pick one of them."""
    number_at = np.full(int(addresses.max()) + 1, NO_ENTRY)
    number_at[addresses] = np.arange(len(addresses))
    decides_at = (number_at != NO_ENTRY) & deciding[number_at]
    for index in np.flatnonzero(deciding).tolist():
        values = np.unique(columns.present[index])
        num_entries = int(values.max()) + 1
        if len(values) < _FEWEST_ENTRIES or num_entries > _MOST_ENTRIES:
            continue
        for begin in range(len(number_at) - num_entries + 1):
            members = number_at[begin : begin + num_entries]
            share = decides_at[begin : begin + num_entries].mean()
            if share >= _LEAST_DECIDING and index not in members:
                yield _Array(index, tuple(members.tolist()))


def _arrays_of(arrays: IndexedArrays) -> list[_Array]:
    pairs = zip(arrays.indexes.tolist(), arrays.members.tolist(), strict=True)
    return [_Array(index, _stripped(members)) for index, members in pairs]


def _stripped(members: list[int]) -> tuple[int, ...]:
    """Leave out what `IndexedArrays.of` appends."""
    while members and members[-1] == NO_ENTRY:
        members = members[:-1]
    return tuple(members)


def _joined(arrays: list[_Array]) -> IndexedArrays:
    return IndexedArrays.of(
        [each.picked_by for each in arrays], [_stripped(list(each.members)) for each in arrays]
    )
