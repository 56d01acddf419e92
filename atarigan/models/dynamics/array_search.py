"""Finds indexed arrays: runs of bytes that decide another byte, with a byte that picks one of them.

The emulator tells which bytes decide which. For a byte that is hard to predict, a tree is fitted
that may read any run of the bytes that decide it; the runs it uses most become arrays.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.decision_tree import DecisionTree
from atarigan.models.dynamics.feature_selection import (
    FEWEST_VALUES,
    balanced_rows,
    entry_features,
)
from atarigan.models.dynamics.features import ENTRIES, Columns, Feature, Kind
from atarigan.models.dynamics.indexed_arrays import NO_ENTRY, IndexedArrays
from atarigan.models.dynamics.labels import Labels

MOST_ARRAYS = 24
_FEWEST_MEMBERS, _MOST_MEMBERS = 3, 24
_LEAST_DECIDING = 0.75  # share of a run's bytes that decide the one that is hard
_MOST_SUBTRACTED = 16  # bytes
_MOST_RUNS = 120  # that are tried
_NUM_ROWS = 6_000
_LEAST_IMPORTANCE = 0.1  # of an array, relative to all features together
_MOST_OF_A_BYTE = 2


class HardByte(NamedTuple):
    """A byte that is hard to predict.

    Attributes:
        number: of the byte.
        labels: of the transitions.
        features: that its tree reads now.
        decides: which bytes decide it and may be read, bool (T,).
    """

    number: int
    labels: Labels
    features: list[Feature]
    decides: npt.NDArray[np.bool_]


class _Array(NamedTuple):
    picked_by: int
    members: tuple[int, ...]


def find_arrays(
    columns: Columns, addresses: npt.NDArray[np.int64], hard: HardByte, rng: np.random.Generator
) -> tuple[IndexedArrays, bool]:
    """Look for arrays that tell a byte.

    Args:
        columns: of N transitions, with the arrays that are known.
        addresses: of the bytes, int64 (T,).
        hard: the byte.
        rng: of all choices.

    Returns:
        The known arrays and, after them, those that were found; and whether an array would be used
        that the byte's tree does not read yet.
    """
    known = _arrays_of(columns.arrays)
    new = [each for each in _runs(columns, addresses, hard) if each not in known]
    tried = known + new
    if not tried:
        return columns.arrays, False
    rows = hard.labels.to_fit()
    rows = rows[balanced_rows(hard.labels.classes[rows], _NUM_ROWS, rng)]
    some = columns.at(rows)
    with_all = replace(some, arrays=_joined(tried))
    entries = list(entry_features(with_all.arrays, hard.number, _subtracted(some, hard)))
    features = [each for each in hard.features if each not in entries]
    values = with_all.values(features + entries)
    importances = DecisionTree.fit(values, hard.labels.classes[rows], rng).importances
    of_arrays = np.zeros(len(tried))
    numbers = [each.first for each in entries]
    np.add.at(of_arrays, numbers, importances[len(features) :])
    ranked = np.argsort(-of_arrays, kind="stable")[:_MOST_OF_A_BYTE].tolist()
    least = _LEAST_IMPORTANCE * importances.sum()
    used = [number for number in ranked if of_arrays[number] > least]
    found = [tried[number] for number in used if number >= len(known)]
    kept = (known + found)[: max(len(known), MOST_ARRAYS)]
    read = {each.first for each in hard.features if each.kind in ENTRIES}
    usable = {number for number in used if tried[number] in kept}
    return _joined(kept), not usable <= read


def _subtracted(columns: Columns, hard: HardByte) -> list[int]:
    """Return the numeric bytes that decide, those first that the tree reads, in its order."""
    read = [each.first for each in hard.features if each.kind in (Kind.PRESENT, Kind.NEXT)]
    ordered = dict.fromkeys([*read, *np.flatnonzero(hard.decides).tolist()])
    deciding = [byte for byte in ordered if hard.decides[byte]]
    present = columns.present
    numeric = [byte for byte in deciding if len(np.unique(present[byte])) > FEWEST_VALUES]
    return numeric[:_MOST_SUBTRACTED]


def _runs(columns: Columns, addresses: npt.NDArray[np.int64], hard: HardByte) -> list[_Array]:
    """Return the runs that are tried: those of bytes that all decide come first."""
    shares: dict[_Array, float] = {}
    for index in np.flatnonzero(hard.decides).tolist():
        values = np.unique(columns.present[index])
        num = int(values.max()) + 1
        if len(values) >= _FEWEST_MEMBERS and num <= _MOST_MEMBERS:
            for members, share in _runs_of(num, addresses, hard.decides):
                if index not in members:
                    shares[_Array(index, members)] = share * len(values) / num
    return sorted(shares, key=lambda each: -shares[each])[:_MOST_RUNS]


def _runs_of(
    num: int, addresses: npt.NDArray[np.int64], decides: npt.NDArray[np.bool_]
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield runs of so many addresses, of which others than the deciding ones are no members, and
    the share of the deciding ones.
    """
    number_at = np.full(int(addresses.max()) + num, NO_ENTRY)
    number_at[addresses[decides]] = np.flatnonzero(decides)
    for begin in range(len(number_at) - num + 1):
        members = number_at[begin : begin + num]
        share = float((members != NO_ENTRY).mean())
        if share >= _LEAST_DECIDING:
            yield _stripped(members.tolist()), share


def _arrays_of(arrays: IndexedArrays) -> list[_Array]:
    pairs = zip(arrays.indexes.tolist(), arrays.members.tolist(), strict=True)
    return [_Array(index, _stripped(members)) for index, members in pairs]


def _stripped(members: list[int]) -> tuple[int, ...]:
    """Leave out trailing places without a member, as `IndexedArrays.of` appends them."""
    while members and members[-1] == NO_ENTRY:
        members = members[:-1]
    return tuple(members)


def _joined(arrays: list[_Array]) -> IndexedArrays:
    return IndexedArrays.of([each.picked_by for each in arrays], [each.members for each in arrays])
