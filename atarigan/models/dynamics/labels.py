"""Labels: what a byte's tree may predict of each transition, and what it is fitted to.

Of one transition several answers may be right: where two bytes have the same value, so are formulas
that copy the one and the other. A tree that is fitted to one of them learns a difference that is
none. So the labels tell which transitions have a single answer, and what else is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.decision_tree import Classes
from atarigan.models.dynamics.features import Columns, Rows
from atarigan.models.dynamics.formulas import FIRST_FORMULA, Formula

MOST_FORMULAS = 16  # of a tree
NUM_CODES = 256


@dataclass(frozen=True, eq=False)
class Labels:
    """What is right for each of N transitions.

    Attributes:
        classes: what to fit: a code, or `FIRST_FORMULA` plus the number of a formula, uint16 (N,).
        codes: the code that is right, uint8 (N,).
        right_formulas: the formulas that are right, as bits, uint16 (N,).
        is_decisive: whether the class is the only right answer; codes count that leaves are
            expected to hold; bool (N,).
    """

    classes: Classes
    codes: npt.NDArray[np.uint8]
    right_formulas: npt.NDArray[np.uint16]
    is_decisive: npt.NDArray[np.bool_]

    @classmethod
    def of_codes(cls, codes: npt.NDArray[np.uint8]) -> Self:
        """Return labels without formulas."""
        nothing = np.zeros(len(codes), np.uint16)
        return cls(codes.astype(np.uint16), codes, nothing, nothing == 0)

    @classmethod
    def of(
        cls,
        codes: npt.NDArray[np.uint8],
        right_formulas: npt.NDArray[np.uint16],
        is_expected: npt.NDArray[np.bool_],
    ) -> Self:
        """Return labels; `is_expected`, bool (256,), as `expected_codes` returns it."""
        may_be_code = is_expected[codes]
        is_code = may_be_code | (right_formulas == 0)
        classes = np.where(is_code, codes, FIRST_FORMULA + _lowest_bit(right_formulas))
        is_decisive = np.bitwise_count(right_formulas) + may_be_code <= 1
        return cls(classes.astype(np.uint16), codes, right_formulas, is_decisive)

    def __len__(self) -> int:
        return len(self.classes)

    def at(self, rows: Rows) -> Self:
        """Return those of some transitions."""
        right_formulas, is_decisive = self.right_formulas[rows], self.is_decisive[rows]
        return type(self)(self.classes[rows], self.codes[rows], right_formulas, is_decisive)

    def to_fit(self) -> Rows:
        """Return the transitions that a tree is fitted to: the decisive ones, or all if there is
        none.
        """
        rows = np.flatnonzero(self.is_decisive)
        return rows if len(rows) else np.arange(len(self))

    def is_wrong(self, predicted: Classes) -> npt.NDArray[np.bool_]:
        """Return where predicted classes (N,) give another value."""
        formula = np.maximum(predicted, FIRST_FORMULA) - FIRST_FORMULA
        is_right = (self.right_formulas >> formula & 1) > 0
        is_wrong: npt.NDArray[np.bool_] = np.where(
            predicted < FIRST_FORMULA, predicted != self.codes, ~is_right
        )
        return is_wrong

    def right_everywhere(self) -> int | None:
        """Return a class that is right for all transitions, if there is one."""
        if (self.codes == self.codes[0]).all():
            return int(self.codes[0])
        formulas = np.bitwise_and.reduce(self.right_formulas, keepdims=True)
        return FIRST_FORMULA + int(_lowest_bit(formulas)[0]) if formulas[0] else None


def _lowest_bit(sets: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return the number of the lowest bit that is set, of bits that are not all zero."""
    below = (sets & (~sets + np.uint16(1))) - np.uint16(1)
    return np.bitwise_count(below).astype(np.uint16)


def right_formulas(
    formulas: Sequence[Formula], columns: Columns, following: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint16]:
    """Return which formulas give the next values (N,), as bits, uint16 (N,)."""
    bits = np.zeros(len(following), np.uint16)
    for number, formula in enumerate(formulas):
        bits |= (formula.values(columns) == following).astype(np.uint16) << np.uint16(number)
    return bits


def expected_codes(
    codes: npt.NDArray[np.uint8], right: npt.NDArray[np.uint16]
) -> npt.NDArray[np.bool_]:
    """Return which codes leaves are expected to hold, bool (256,): those that are more frequent
    where no formula is right, `right` being bits of formulas. Others come of what formulas give.
    """
    is_given = right > 0
    alone = np.bincount(codes[~is_given], minlength=NUM_CODES)
    given = np.bincount(codes[is_given], minlength=NUM_CODES)
    return alone > given
