"""Formulas: what leaves of trees hold where a byte's next value is computed from others.

Programs of the console copy bytes (`LDA`, `STA`), add and subtract them (`ADC`, `SBC`), and take
some bits of them (`AND`, `LSR`, `EOR`), as for random numbers. A tree whose leaves are values needs
one for each value that a copy takes. With formulas it is a model tree (Quinlan 1992, "Learning with
continuous classes").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.models.dynamics.change_groups import no_groups
from atarigan.models.dynamics.features import (
    Columns,
    Feature,
    Kind,
    RegisterLayout,
    are_valid,
    last_next_byte,
    operands,
    renumbered,
)
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.optional_tables import OptionalTables
from atarigan.models.dynamics.table_checks import check_range

FIRST_FORMULA = 256
"""In a leaf: what it holds is a value below this, or this plus the number of a formula."""
OPERAND_KINDS = (Kind.PRESENT, Kind.NEXT, Kind.ENTRY, Kind.NEXT_ENTRY)
_ZERO = -1  # as the kind of an operand


class Operation(IntEnum):
    """How the operands of a formula are combined."""

    SUM = 0
    DIFFERENCE = 1
    XOR = 2


_COMBINED = {
    Operation.SUM: np.add,
    Operation.DIFFERENCE: np.subtract,
    Operation.XOR: np.bitwise_xor,
}
_ALL_BITS = 255
_LARGEST_SHIFT = 7


class Formula(NamedTuple):
    """A next value: some bits of two operands combined, plus a constant, modulo 256 throughout.

    Attributes:
        operation: how they are combined.
        first, second: features of `OPERAND_KINDS`; None stands for zero.
        shift: by how many bits the result is shifted to the left; to the right if below 0.
        mask: which bits are then kept.
        constant: is then added, 0 to 255.
    """

    operation: Operation = Operation.SUM
    first: Feature | None = None
    second: Feature | None = None
    shift: int = 0
    mask: int = _ALL_BITS
    constant: int = 0

    @property
    def operands(self) -> list[Feature]:
        """What it reads."""
        return [each for each in (self.first, self.second) if each is not None]

    def renumbered(self, numbers: npt.NDArray[np.int64]) -> Self:
        """Return the formula with the new numbers of bytes, int64 (num_bytes,)."""
        first, second = (
            None if each is None else renumbered(each, numbers)
            for each in (self.first, self.second)
        )
        return self._replace(first=first, second=second)

    def values(self, columns: Columns) -> npt.NDArray[np.uint8]:
        """Return the next value in each transition, uint8 (N,)."""
        return self.result(_read(columns, self.first), _read(columns, self.second))

    def result(
        self, first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.uint8]:
        """Return the next values for values of the operands, uint8 (N,)."""
        both = shifted(combined(self.operation, first, second), self.shift)
        return (both & np.uint8(self.mask)) + np.uint8(self.constant)


def shifted(values: npt.NDArray[np.uint8], shift: int) -> npt.NDArray[np.uint8]:
    """Return values shifted to the left, or to the right by a shift below 0."""
    distance = np.uint8(abs(shift))
    return values << distance if shift >= 0 else values >> distance


def combined(
    operation: Operation, first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Return operands combined, modulo 256."""
    values: npt.NDArray[np.uint8] = _COMBINED[operation](first, second)
    return values


def _read(columns: Columns, operand: Feature | None) -> npt.NDArray[np.uint8]:
    if operand is None:
        return np.zeros(columns.num_transitions, np.uint8)
    read: npt.NDArray[np.uint8] = columns.values([operand])[0].astype(np.uint8)
    return read


@dataclass(frozen=True, eq=False)
class Formulas(OptionalTables):
    """F formulas, as tables.

    Attributes:
        operations: an `Operation` of each, uint8 (F,).
        firsts, seconds: kind and number of each operand, a kind of -1 for zero, int16 (F, 2).
        shifts: -7 to 7, int8 (F,).
        masks, constants: uint8 (F,).

    Raises:
        InputError: sizes or dtypes do not agree, or an operation or a shift is not known.
    """

    NOUN = "formulas"
    PREFIX = "formula_"
    DTYPES: ClassVar = {
        "operations": np.uint8,
        "firsts": np.int16,
        "seconds": np.int16,
        "shifts": np.int8,
        "masks": np.uint8,
        "constants": np.uint8,
    }
    operations: npt.NDArray[np.uint8]
    firsts: npt.NDArray[np.int16]
    seconds: npt.NDArray[np.int16]
    shifts: npt.NDArray[np.int8]
    masks: npt.NDArray[np.uint8]
    constants: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        num = self.operations.size
        pairs = ("firsts", "seconds")
        shapes = {name: (num, 2) if name in pairs else (num,) for name in self.DTYPES}
        self._check_shapes(shapes)
        check_range("operations", self.operations, len(Operation))
        check_range("shifts", self.shifts, _LARGEST_SHIFT + 1, -_LARGEST_SHIFT)

    @classmethod
    def of(cls, formulas: Sequence[Formula]) -> Self:
        """Return the tables of formulas."""
        pairs = [
            [(_ZERO, 0) if each is None else each[:2] for each in (formula.first, formula.second)]
            for formula in formulas
        ]
        firsts, seconds = np.array(pairs, np.int16).reshape(-1, 2, 2).transpose(1, 0, 2)
        return cls(
            np.array([each.operation for each in formulas], np.uint8),
            np.ascontiguousarray(firsts),
            np.ascontiguousarray(seconds),
            np.array([each.shift for each in formulas], np.int8),
            np.array([each.mask for each in formulas], np.uint8),
            np.array([each.constant for each in formulas], np.uint8),
        )

    @classmethod
    def none(cls) -> Self:
        """Return no formulas."""
        return cls.of([])

    def __len__(self) -> int:
        return len(self.operations)

    def each(self) -> list[Formula]:
        """Return the formulas; their operands must be valid."""
        tables = [table.tolist() for table in self.tables.values()]
        return [
            Formula(Operation(operation), _operand(*first), _operand(*second), *numbers)
            for operation, first, second, *numbers in zip(*tables, strict=True)
        ]

    def check(self, layout: RegisterLayout) -> None:
        """Raise InputError if an operand is of another kind or reads what is not there."""
        for operand in (self.firsts, self.seconds):
            kinds = operand[:, 0]
            if not np.isin(kinds, (_ZERO, *OPERAND_KINDS)).all():
                raise InputError("operands of formulas must be of known kinds")
            if not are_valid(_features(operand[kinds != _ZERO]), layout):
                raise InputError("operands of formulas must be in range")

    def as_rows(self, layout: RegisterLayout) -> npt.NDArray[np.int32]:
        """Return operation, registers of both operands, shift, mask and constant of each formula,
        int32 (F, 6).
        """
        registers = np.zeros((2, len(self)), np.int32)
        for row, operand in zip(registers, (self.firsts, self.seconds), strict=True):
            is_read = operand[:, 0] != _ZERO
            row[is_read] = operands(_features(operand[is_read]), layout).first
        columns = [self.operations, *registers, self.shifts, self.masks, self.constants]
        return np.column_stack(columns).astype(np.int32).reshape(-1, len(columns))

    def last_next_bytes(self, arrays: IndexedArrays) -> npt.NDArray[np.int32]:
        """Return the last byte whose next value each formula reads, or -1, int32 (F,)."""
        last = np.full((2, len(self)), -1, np.int32)
        for row, operand in zip(last, (self.firsts, self.seconds), strict=True):
            is_read = operand[:, 0] != _ZERO
            row[is_read] = last_next_byte(_features(operand[is_read]), no_groups(0), arrays)
        latest: npt.NDArray[np.int32] = last.max(0)
        return latest


def _operand(kind: int, number: int) -> Feature | None:
    return None if kind == _ZERO else Feature(Kind(kind), number)


def _features(operand: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Return operands (n, 2) as features (n, 3)."""
    return np.pad(operand, ((0, 0), (0, 1)))
