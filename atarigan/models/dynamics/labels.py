"""Labels: what a byte's tree may predict of each transition, and what it is fitted to."""

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
_SETS = np.arange(1 << MOST_FORMULAS, dtype=np.uint32)  # of formulas, as bits
_NUM_IN_SET = np.zeros(len(_SETS), np.uint8)
for _bit in range(MOST_FORMULAS):
    _NUM_IN_SET += (_SETS >> _bit & 1).astype(np.uint8)
_LOWEST_BIT = np.maximum(_SETS & (~_SETS + np.uint32(1)), 1)
_FIRST_IN_SET = _NUM_IN_SET[_LOWEST_BIT - 1]  # as many as there are bits below it


@dataclass(frozen=True, eq=False)
class Labels:
    """What is right for each of N transitions.

    Attributes:
        classes: what to fit: a code, or `FIRST_FORMULA` plus the number of a formula, uint16 (N,).
        codes: the code that is right, uint8 (N,).
        told_by: the formulas that are right, as bits, uint16 (N,).
        is_decisive: whether the class is the only one that is right, as far as can be expected,
            bool (N,). Where several are, any of them would do, and fitting to one misleads.
    """

    classes: Classes
    codes: npt.NDArray[np.uint8]
    told_by: npt.NDArray[np.uint16]
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
        told_by: npt.NDArray[np.uint16],
        is_usual: npt.NDArray[np.bool_],
    ) -> Self:
        """Return labels; `is_usual`, bool (256,), tells for which codes leaves are expected."""
        may_be_code = is_usual[codes]
        is_code = may_be_code | (told_by == 0)
        classes = np.where(is_code, codes, FIRST_FORMULA + _FIRST_IN_SET[told_by].astype(np.uint16))
        is_decisive = _NUM_IN_SET[told_by] + may_be_code <= 1
        return cls(classes.astype(np.uint16), codes, told_by, is_decisive)

    def __len__(self) -> int:
        return len(self.classes)

    def at(self, rows: Rows) -> Self:
        """Return those of some transitions."""
        told_by, is_decisive = self.told_by[rows], self.is_decisive[rows]
        return type(self)(self.classes[rows], self.codes[rows], told_by, is_decisive)

    def is_wrong(self, predicted: Classes) -> npt.NDArray[np.bool_]:
        """Return where predicted classes (N,) give another value."""
        formula = np.maximum(predicted, FIRST_FORMULA) - FIRST_FORMULA
        is_told = (self.told_by >> formula & 1) > 0
        is_wrong: npt.NDArray[np.bool_] = np.where(
            predicted < FIRST_FORMULA, predicted != self.codes, ~is_told
        )
        return is_wrong

    def the_only(self) -> int | None:
        """Return the class that is right everywhere, if there is one."""
        everywhere = int(np.bitwise_and.reduce(self.told_by, initial=(1 << MOST_FORMULAS) - 1))
        if (self.codes == self.codes[0]).all():
            return int(self.codes[0])
        return FIRST_FORMULA + int(_FIRST_IN_SET[everywhere]) if everywhere else None


def told_by(
    formulas: Sequence[Formula], columns: Columns, following: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint16]:
    """Return which formulas give the next values (N,), as bits, uint16 (N,)."""
    bits = np.zeros(len(following), np.uint16)
    for number, formula in enumerate(formulas):
        bits |= (formula.values(columns) == following).astype(np.uint16) << np.uint16(number)
    return bits


def usual_codes(
    codes: npt.NDArray[np.uint8], told_by: npt.NDArray[np.uint16]
) -> npt.NDArray[np.bool_]:
    """Return which codes are more frequent where no formula is right than where one is, bool
    (256,): of the others, formulas give them by chance or always.
    """
    is_told = told_by > 0
    alone = np.bincount(codes[~is_told], minlength=NUM_CODES)
    told = np.bincount(codes[is_told], minlength=NUM_CODES)
    return alone > told
