"""Finds what leaves of a byte's tree should hold: the coding, and formulas that give its next value
in many transitions for which the tree would need many different leaves.

A formula is worth the bits that it saves: for each transition that it gives, the entropy of what
leaves would hold instead. Those that save most are tried one after the other; one is kept if a tree
that may hold it is smaller, or predicts other transitions better. They are of two bytes and a
constant, with a half or a quarter of a difference, or of one byte that is shifted or masked; a byte
with flipped bits, say, is not found.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.byte_entropy import entropy
from atarigan.models.dynamics.decision_tree import DecisionTree
from atarigan.models.dynamics.feature_selection import cost_of_tree
from atarigan.models.dynamics.features import Columns, Feature, Kind, Rows
from atarigan.models.dynamics.formulas import OPERAND_KINDS, Formula, Operation, combined, shifted
from atarigan.models.dynamics.labels import MOST_FORMULAS, Labels, expected_codes, right_formulas
from atarigan.models.dynamics.tree_tables import Coding

Bytes = npt.NDArray[np.uint8]
_NUM_CHANGED, _NUM_UNCHANGED = 3_000, 1_000  # transitions that are examined
_NUM_PAIRED = 1_000  # of which so many for formulas of two bytes
_MOST_PAIRED = 64  # operands of those
_FEWEST_CODES = 7  # of a byte that needs formulas
_FEWEST_GIVEN = 20  # transitions
_LEAST_SAVED, _LEAST_OF_ALL = 0.05, 0.01  # shares: of the bits of what is left, and of all
_LEAST_ENTROPY = 1.5  # bits of a transition that are saved
_SIMPLER = 1.1  # times as much must be saved by a formula that is less simple
_MOST_TESTED = 400  # features of a tree that is tried
_TESTED_LAST = (Kind.DIFFERENCE, Kind.NEXT_DIFFERENCE, Kind.BIT, Kind.LOW_NIBBLE)
_LEAST_HELP = 0.95  # of the cost of a tree without a formula that is kept
_COMBINATIONS = (*((each, 0) for each in Operation), *((Operation.DIFFERENCE, n) for n in (-1, -2)))
_SHIFTS = (-1, -2, -3, -4, 1, 2)
_SOME_BITS = [1 << num for num in range(1, 8)]  # of which the lower or the higher bits are kept
_MASKS = [each - 1 for each in _SOME_BITS] + [256 - each for each in _SOME_BITS]


class _Left(NamedTuple):
    """Transitions that no formula gives yet.

    Attributes:
        following: next values of the byte, uint8 (n,).
        codes: what leaves would hold, uint8 (n,).
        operands: values of each operand, uint8 (operands, n): zero, the byte itself, and others.
    """

    following: Bytes
    codes: Bytes
    operands: Bytes

    def at(self, rows: npt.NDArray[np.generic]) -> "_Left":
        return _Left(*(each[..., rows] for each in self))

    @property
    def bits(self) -> float:
        return len(self.codes) * entropy(self.codes)


class _Found(NamedTuple):
    """A formula of two operands, by their numbers, and the bits that it saves."""

    saved: float = 0.0
    operation: Operation = Operation.SUM
    first: int = 0
    second: int = 0
    shift: int = 0
    mask: int = 255
    constant: int = 0

    def formula(self, read: Sequence[Feature | None]) -> Formula:
        """Return the formula of the operands with these numbers."""
        pair = read[self.first], read[self.second]
        return Formula(self.operation, *pair, self.shift, self.mask, self.constant)


def best_coding(
    columns: Columns,
    number: int,
    coding: Coding,
    features: Sequence[Feature],
    rng: np.random.Generator,
) -> Coding:
    """Return the coding with which a tree of a byte is smallest, and predicts best.

    Args:
        columns: of N transitions.
        number: of the byte.
        coding: what is taken unless another one is clearly better.
        features: what its tree may read.
        rng: of all choices.
    """
    tried = _Tried.of(columns, number, features, rng)
    costs = {each: tried.cost(each, []) for each in Coding}
    best = min(Coding, key=costs.__getitem__)
    return best if costs[best] < _LEAST_HELP * costs[coding] else coding


def find_formulas(
    columns: Columns,
    number: int,
    coding: Coding,
    features: Sequence[Feature],
    known: Sequence[Formula],
    rng: np.random.Generator,
) -> list[Formula]:
    """Return formulas of a byte that are not known and that help its tree.

    Args:
        columns: of N transitions.
        number: of the byte.
        coding: of leaves without formulas.
        features: what its tree may read.
        known: formulas that are known.
        rng: of all choices.
    """
    tried = _Tried.of(columns, number, features, rng)
    candidates = _candidates(tried, coding, known, rng)
    kept = list(known)
    cost = tried.cost(coding, kept) if candidates else 0
    for formula in candidates:
        with_it = tried.cost(coding, [*kept, formula])
        if with_it < _LEAST_HELP * cost:
            kept, cost = [*kept, formula], with_it
    return kept[len(known) :]


class _Tried:
    """Trees of some transitions, which predict others.

    Args:
        columns: of n transitions.
        number: of the byte.
        features: what the tree may read.
        rng: of all choices.
    """

    def __init__(
        self, columns: Columns, number: int, features: Sequence[Feature], rng: np.random.Generator
    ) -> None:
        self.columns, self.features, self.number = columns, features, number
        self.present, self.following = columns.present[number], columns.next[number]
        tested = sorted(features, key=lambda each: each.kind in _TESTED_LAST)[:_MOST_TESTED]
        self._values = columns.values(tested)
        self._is_fitted = rng.random(len(self.present)) < 0.5
        self._rng = rng

    @classmethod
    def of(
        cls, columns: Columns, number: int, features: Sequence[Feature], rng: np.random.Generator
    ) -> Self:
        """Choose some of N transitions."""
        return cls(columns.at(_examined(columns, number, rng)), number, features, rng)

    def cost(self, coding: Coding, formulas: Sequence[Formula]) -> int:
        """Return the nodes of a tree of a half, and several for each other one that is wrong."""
        codes = coding.codes(self.present, self.following)
        right = right_formulas(formulas, self.columns, self.following)
        labels = Labels.of(codes, right, expected_codes(codes, right))
        rows = np.flatnonzero(self._is_fitted & labels.is_decisive)
        others = np.flatnonzero(~self._is_fitted)
        if not len(rows):
            return cost_of_tree(1, len(others))
        tree = DecisionTree.fit(self._values[:, rows], labels.classes[rows], self._rng)
        is_wrong = labels.at(others).is_wrong(tree.predict(self._values[:, others]))
        return cost_of_tree(tree.num_nodes, int(is_wrong.sum()))


def _candidates(
    tried: _Tried, coding: Coding, known: Sequence[Formula], rng: np.random.Generator
) -> list[Formula]:
    """Return formulas that save bits."""
    itself = Feature(Kind.PRESENT, tried.number)
    others = [each for each in tried.features if each.kind in OPERAND_KINDS and each != itself]
    values = tried.columns.values([itself, *others]).astype(np.uint8)
    varied_first = np.argsort([-len(np.unique(each)) for each in values[1:]], kind="stable")
    read = [None, itself, *(others[number] for number in varied_first)]
    values = np.concatenate([0 * values[:1], values[:1], values[1:][varied_first]])
    codes = coding.codes(tried.present, tried.following)
    left = _Left(tried.following, codes, values)
    all_bits = left.bits
    left = left.at(right_formulas(known, tried.columns, tried.following) == 0)
    found: list[Formula] = []
    while len(known) + len(found) < MOST_FORMULAS:
        if len(np.unique(left.codes)) < _FEWEST_CODES:
            break
        best = _best(left, rng)
        if best.saved <= max(_LEAST_SAVED * left.bits, _LEAST_OF_ALL * all_bits):
            break
        found.append(best.formula(read))
        values = found[-1].result(left.operands[best.first], left.operands[best.second])
        left = left.at(values != left.following)
    return found


def _examined(columns: Columns, number: int, rng: np.random.Generator) -> Rows:
    """Return some transitions that change the byte, and fewer that do not."""
    changes = columns.present[number] != columns.next[number]
    chosen = [
        rng.permutation(np.flatnonzero(each))[:most]
        for each, most in ((changes, _NUM_CHANGED), (~changes, _NUM_UNCHANGED))
    ]
    return np.concatenate(chosen)


def _best(left: _Left, rng: np.random.Generator) -> _Found:
    """Return the formula that saves most, where one of a less simple kind must save more."""
    some = left.at(rng.permutation(len(left.codes))[:_NUM_PAIRED])
    scale = len(left.codes) / len(some.codes)
    best = _Found()
    for found, factor in (
        (_of_itself(left), 1.0),
        (_copies(left), 1.0),
        (_parts(some), scale),
        (_pairs(some), scale),
    ):
        of_kind = max(found, key=lambda each: each.saved, default=best)
        if of_kind.saved * factor > _SIMPLER * best.saved:
            best = of_kind._replace(saved=of_kind.saved * factor)
    return best


def _of_itself(left: _Left) -> Iterator[_Found]:
    """Yield a constant, and a constant added to the byte itself, which save other codes."""
    for first in (0, 1):
        constant, given = _most_frequent(left.following - left.operands[first])
        yield _Found(given.sum() * entropy(left.codes[given]), first=first, constant=constant)


def _copies(left: _Left) -> Iterator[_Found]:
    """Yield other bytes with a constant."""
    for first in range(2, len(left.operands)):
        constant, given = _most_frequent(left.following - left.operands[first])
        yield _Found(_saved(left, given), first=first, constant=constant)


def _parts(left: _Left) -> Iterator[_Found]:
    """Yield some bits of a byte, or a byte that is shifted, with a constant."""
    for first in range(1, len(left.operands)):
        values = left.operands[first]
        parts = [(shift, 255, shifted(values, shift)) for shift in _SHIFTS]
        if first > 1:  # of the byte itself, most masks leave what is near it
            parts += [(0, mask, values & np.uint8(mask)) for mask in _MASKS]
        for shift, mask, part in parts:
            constant, given = _most_frequent(left.following - part)
            saved = min(_saved(left, given), _saved(left, given, relative_to=first))
            yield _Found(saved, first=first, shift=shift, mask=mask, constant=constant)


def _pairs(left: _Left) -> Iterator[_Found]:
    """Yield two bytes combined, with a constant."""
    num = min(len(left.operands), _MOST_PAIRED)
    rows = np.arange(num)[:, None] * 256
    for (operation, shift), second in product(_COMBINATIONS, range(1, num)):
        values = shifted(combined(operation, left.operands[:num], left.operands[second]), shift)
        counts = np.bincount((rows + (left.following - values)).ravel(), minlength=256 * num)
        counts = counts.reshape(num, 256)
        begin = 0 if operation is Operation.DIFFERENCE else second + 1
        for first in range(begin, num):
            constant = int(counts[first].argmax())
            if first != second and counts[first, constant] >= _FEWEST_GIVEN:
                given = left.following == values[first] + np.uint8(constant)
                saved = _saved(left, given)
                yield _Found(saved, operation, first, second, shift, constant=constant)


def _most_frequent(offsets: Bytes) -> tuple[int, npt.NDArray[np.bool_]]:
    constant = int(np.bincount(offsets, minlength=256).argmax())
    return constant, offsets == constant


def _saved(left: _Left, given: npt.NDArray[np.bool_], relative_to: int = 1) -> float:
    """Return the bits that are saved where next values are given: none if few leaves would do, with
    constants, or with those that are added to an operand or flip some of its bits.
    """
    num = int(given.sum())
    if num < _FEWEST_GIVEN:
        return 0.0
    present, following = left.operands[relative_to, given], left.following[given]
    bits = min(map(entropy, (following, following - present, following ^ present)))
    return num * bits if bits >= _LEAST_ENTROPY else 0.0
