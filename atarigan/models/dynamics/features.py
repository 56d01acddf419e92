"""Features: the whole numbers that nodes of trees compare with a threshold.

A feature reads the bytes of a state, the inputs of a frame, and the next bytes that earlier trees
predicted. Bytes that vary are numbered in the order in which they are predicted. Every kind is the
same formula of registers,

    (registers[first] & mask) - registers[second],

so compiled code evaluates all kinds without a branch. The registers of a transition hold a zero,
then the present bytes, their next values, the inputs, how many bytes of each group change, what
stands at and around the cell of each grid that is pointed at, and what is picked of each array,
present and next.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.models.dynamics.byte_grids import OFFSETS, Grids
from atarigan.models.dynamics.change_groups import (
    NO_GROUP,
    Groups,
    last_members,
    num_groups_of,
)
from atarigan.models.dynamics.indexed_arrays import IndexedArrays

Integers = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
EVERYTHING = slice(None)
_WHOLE = -1  # as a mask
_MOST_REGISTERS = 1 << 16


class Kind(IntEnum):
    """What a feature is, in terms of its numbers `first` and `second`."""

    PRESENT = 0  # byte `first`
    INPUT = 1  # input `first`
    DIFFERENCE = 2  # byte `first` minus byte `second`
    NEXT = 3  # next value of byte `first`
    NEXT_MINUS_PRESENT = 4  # next value of byte `first` minus byte `second`
    NEXT_DIFFERENCE = 5  # next value of byte `first` minus that of byte `second`
    BIT = 6  # bit `second` of byte `first`: 0 or 2 ** second
    LOW_NIBBLE = 7  # the low four bits of byte `first`
    NEXT_BIT = 8  # as BIT, of the next value
    NEXT_LOW_NIBBLE = 9  # as LOW_NIBBLE, of the next value
    NUM_CHANGED = 10  # how many bytes of group `first` differ from their next values
    CELL = 11  # what stands at the cell of grid `first` at offset `second`, as in `Grids.cells`
    ENTRY = 12  # what is picked of array `first`, as in `IndexedArrays.entries`
    ENTRY_MINUS_PRESENT = 13  # that minus byte `second`
    NEXT_ENTRY = 14  # as ENTRY, of the next values
    NEXT_ENTRY_MINUS_NEXT = 15  # that minus the next value of byte `second`


_KINDS = list(Kind)
FIRST_IS_NEXT = (
    Kind.NEXT,
    Kind.NEXT_MINUS_PRESENT,
    Kind.NEXT_DIFFERENCE,
    Kind.NEXT_BIT,
    Kind.NEXT_LOW_NIBBLE,
)
FIRST_IS_BYTE = (
    Kind.PRESENT,
    Kind.DIFFERENCE,
    Kind.BIT,
    Kind.LOW_NIBBLE,
    *FIRST_IS_NEXT,
)
SECOND_IS_PRESENT = (Kind.DIFFERENCE, Kind.NEXT_MINUS_PRESENT, Kind.ENTRY_MINUS_PRESENT)
SECOND_IS_NEXT = (Kind.NEXT_DIFFERENCE, Kind.NEXT_ENTRY_MINUS_NEXT)
NEXT_ENTRIES = (Kind.NEXT_ENTRY, Kind.NEXT_ENTRY_MINUS_NEXT)
ENTRIES = (Kind.ENTRY, Kind.ENTRY_MINUS_PRESENT, *NEXT_ENTRIES)
_FIRST_IS_NEXT = np.isin(_KINDS, FIRST_IS_NEXT)
_IS_ENTRY = np.isin(_KINDS, ENTRIES)
_IS_NEXT_ENTRY = np.isin(_KINDS, NEXT_ENTRIES)
_SECOND_IS_PRESENT = np.isin(_KINDS, SECOND_IS_PRESENT)
_SECOND_IS_NEXT = np.isin(_KINDS, SECOND_IS_NEXT)
_IS_BIT = np.isin(_KINDS, (Kind.BIT, Kind.NEXT_BIT))
_IS_LOW_NIBBLE = np.isin(_KINDS, (Kind.LOW_NIBBLE, Kind.NEXT_LOW_NIBBLE))


class Feature(NamedTuple):
    """One feature; `second` is 0 where its kind has none."""

    kind: Kind
    first: int
    second: int = 0


@dataclass(frozen=True)
class RegisterLayout:
    """Where the registers of a transition begin.

    Attributes:
        num_bytes: bytes that vary.
        num_inputs: inputs of a frame.
        num_groups: groups of bytes whose changes are counted.
        num_grids: grids.
        num_arrays: indexed arrays.
    """

    num_bytes: int
    num_inputs: int
    num_groups: int = 0
    num_grids: int = 0
    num_arrays: int = 0

    @classmethod
    def of(
        cls, num_bytes: int, num_inputs: int, groups: Groups, grids: Grids, arrays: IndexedArrays
    ) -> Self:
        """Return the layout for these groups, grids and arrays."""
        return cls(num_bytes, num_inputs, num_groups_of(groups), len(grids), len(arrays))

    @property
    def present(self) -> int:
        return 1

    @property
    def next(self) -> int:
        return 1 + self.num_bytes

    @property
    def inputs(self) -> int:
        return 1 + 2 * self.num_bytes

    @property
    def groups(self) -> int:
        return self.inputs + self.num_inputs

    @property
    def grids(self) -> int:
        return self.groups + self.num_groups

    @property
    def entries(self) -> int:
        return self.grids + self.num_grids * len(OFFSETS)

    @property
    def next_entries(self) -> int:
        return self.entries + self.num_arrays

    @property
    def end(self) -> int:
        return self.next_entries + self.num_arrays

    def check(self) -> None:
        """Raise InputError if there are more registers than 16 bits can number."""
        if self.end > _MOST_REGISTERS:
            raise InputError(
                f"bytes, inputs, groups, grids and arrays may take {_MOST_REGISTERS} registers, "
                f"not {self.end}"
            )


class Operands(NamedTuple):
    """Features as `(registers[first] & mask) - registers[second]`, int32 (features,) each."""

    first: Integers
    mask: Integers
    second: Integers


def operands(features: npt.NDArray[Any], layout: RegisterLayout) -> Operands:
    """Translate features, whole numbers (features, 3) of kind, first and second."""
    kind, first, second = features.reshape(-1, 3).astype(np.int32).T
    begin = np.where(_FIRST_IS_NEXT[kind], layout.next, layout.present)
    begin = np.where(kind == Kind.INPUT, layout.inputs, begin)
    begin = np.where(kind == Kind.NUM_CHANGED, layout.groups, begin)
    begin = np.where(kind == Kind.CELL, layout.grids + first * (len(OFFSETS) - 1) + second, begin)
    begin = np.where(_IS_ENTRY[kind], layout.entries, begin)
    begin = np.where(_IS_NEXT_ENTRY[kind], layout.next_entries, begin)
    subtracted = np.where(_SECOND_IS_PRESENT[kind], layout.present + second, 0)
    subtracted = np.where(_SECOND_IS_NEXT[kind], layout.next + second, subtracted)
    mask = np.where(_IS_LOW_NIBBLE[kind], 15, _WHOLE)
    mask = np.where(_IS_BIT[kind], 1 << np.minimum(second, 7), mask)
    return Operands(*(each.astype(np.int32) for each in (begin + first, mask, subtracted)))


def renumbered(feature: Feature, numbers: npt.NDArray[np.int64]) -> Feature:
    """Return a feature that reads bytes by their new numbers, int64 (num_bytes,)."""
    kind, first, second = feature
    if kind in FIRST_IS_BYTE:
        first = int(numbers[first])
    if kind in (*SECOND_IS_PRESENT, *SECOND_IS_NEXT):
        second = int(numbers[second])
    return Feature(kind, first, second)


def next_bytes(feature: Feature, columns: "Columns") -> set[int]:
    """Return the bytes whose next values a feature reads."""
    kind, first, second = feature
    read = {first} if kind in FIRST_IS_NEXT else set()
    if kind in SECOND_IS_NEXT:
        read.add(second)
    if kind == Kind.NUM_CHANGED:
        read.update(np.flatnonzero(columns.groups == first).tolist())
    if kind in NEXT_ENTRIES:
        read.update(columns.arrays.bytes_read(first))
    return read


def are_valid(features: npt.NDArray[Any], layout: RegisterLayout) -> bool:
    """Return whether all kinds are known and all numbers in range."""
    kind, first, second = features.astype(np.int64).T
    if not np.isin(kind, _KINDS).all():
        return False
    most_first = np.where(kind == Kind.INPUT, layout.num_inputs, layout.num_bytes)
    most_first = np.where(kind == Kind.NUM_CHANGED, layout.num_groups, most_first)
    most_first = np.where(kind == Kind.CELL, layout.num_grids, most_first)
    most_first = np.where(_IS_ENTRY[kind], layout.num_arrays, most_first)
    most_second = np.where(_SECOND_IS_PRESENT[kind] | _SECOND_IS_NEXT[kind], layout.num_bytes, 1)
    most_second = np.where(_IS_BIT[kind], 8, most_second)
    most_second = np.where(kind == Kind.CELL, len(OFFSETS), most_second)
    is_valid = (first >= 0) & (first < most_first) & (second >= 0) & (second < most_second)
    return bool(is_valid.all())


def last_next_byte(features: npt.NDArray[Any], groups: Groups, arrays: IndexedArrays) -> Integers:
    """Return the last byte whose next value each feature reads, or -1, int32 (features,), given the
    group of each byte and the arrays.
    """
    kind, first, second = features.astype(np.int32).T
    of_first = np.where(_FIRST_IS_NEXT[kind], first, -1)
    is_count = kind == Kind.NUM_CHANGED
    of_first[is_count] = last_members(groups)[first[is_count]]
    of_first[_IS_NEXT_ENTRY[kind]] = arrays.last_bytes[first[_IS_NEXT_ENTRY[kind]]]
    return np.maximum(of_first, np.where(_SECOND_IS_NEXT[kind], second, -1))


@dataclass(frozen=True, eq=False)
class Columns:
    """What features read, by columns.

    Attributes:
        present: bytes that vary, uint8 (num_bytes, N).
        next: their next values, uint8 (num_bytes, N).
        inputs: int32 (num_inputs, N).
        groups: the group of each byte, int16 (num_bytes,); empty where there is none.
        grids: whose pointers and members are some of the bytes.
        arrays: the same.
    """

    present: npt.NDArray[np.uint8]
    next: npt.NDArray[np.uint8]
    inputs: npt.NDArray[np.int32]
    groups: Groups = field(default_factory=lambda: np.zeros(0, np.int16))
    grids: Grids = field(default_factory=Grids.none)
    arrays: IndexedArrays = field(default_factory=IndexedArrays.none)
    _found: dict[int, npt.NDArray[Any]] = field(default_factory=dict, init=False, repr=False)

    @property
    def layout(self) -> RegisterLayout:
        num_bytes, num_inputs = len(self.present), len(self.inputs)
        return RegisterLayout.of(num_bytes, num_inputs, self.groups, self.grids, self.arrays)

    @property
    def num_transitions(self) -> int:
        return int(self.present.shape[1])

    def at(self, rows: Rows) -> Self:
        """Return some of the N transitions."""
        present, following = self.present[:, rows], self.next[:, rows]
        inputs = self.inputs[:, rows]
        return type(self)(present, following, inputs, self.groups, self.grids, self.arrays)

    def values(self, features: Sequence[Feature], rows: Rows | slice = EVERYTHING) -> Integers:
        """Return features of some transitions, int32 (features, n)."""
        chosen = operands(np.array(features), self.layout)
        num = len(range(*rows.indices(self.num_transitions)) if isinstance(rows, slice) else rows)
        values = np.empty((len(features), num), np.int32)
        for row, first, mask, second in zip(values, *chosen, strict=True):
            whole = self._register(first, rows)
            row[:] = (whole if mask == _WHOLE else whole & mask) - self._register(second, rows)
        return values

    def _register(self, number: int, rows: Rows | slice) -> Any:
        layout = self.layout
        if number >= layout.grids:
            return self._looked_up(number)[rows]
        if number >= layout.groups:
            return self._num_changed[number - layout.groups, rows]
        if number >= layout.inputs:
            return self.inputs[number - layout.inputs, rows]
        if number >= layout.next:
            return self.next[number - layout.next, rows].astype(np.int16)
        return self.present[number - layout.present, rows].astype(np.int16) if number else 0

    @cached_property
    def _num_changed(self) -> npt.NDArray[np.int16]:
        """How many bytes of each group change, int16 (groups, N)."""
        counts = np.zeros((self.layout.num_groups, self.num_transitions), np.int16)
        for byte, group in enumerate(self.groups):
            if group != NO_GROUP:
                counts[group] += self.present[byte] != self.next[byte]
        return counts

    def _looked_up(self, number: int) -> npt.NDArray[Any]:
        """What a register holds of a grid or an array, (N,)."""
        if number not in self._found:
            self._found[number] = self._look_up(number)
        return self._found[number]

    def _look_up(self, number: int) -> npt.NDArray[Any]:
        layout = self.layout
        if number >= layout.next_entries:
            return self.arrays.entries(number - layout.next_entries, self.next)
        if number >= layout.entries:
            return self.arrays.entries(number - layout.entries, self.present)
        grid, offset = divmod(number - layout.grids, len(OFFSETS))
        return self.grids.cells(grid, self.present, offset)
