"""Hard example mining: fits a tree to few of many transitions, those that are hard for it.

Most transitions are easy. So a tree is fitted on a random sample and predicts all transitions. Then
what it predicts wrongly is added, with others of the same leaves, which show where the difference
lies, and so on. Features that do not matter would only split such leaves by chance, so that as few
are used as predict other episodes best.
"""

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.byte_tree import ByteTree
from atarigan.models.dynamics.decision_tree import DecisionTree
from atarigan.models.dynamics.feature_selection import select_features, simplest_features
from atarigan.models.dynamics.features import Columns, Feature, Integers, Rows
from atarigan.models.dynamics.labels import Labels

NUM_SAMPLED = 50_000
_NUM_PASSES = 4
_MOST_WRONG = 10_000  # that are added in a pass
_MOST_ALIKE = 10_000
_NUMS_SELECTED = (40, 160)  # in turns, with what was hard in the turn before
_FEW_WRONG, _MANY_WRONG = 2e-5, 2e-4  # shares: with more, another turn; with many, of all features
_MOST_GROWTH, _FEW_NODES = 1.1, 8  # of a tree that needs no other features
_NUMS_TRIED = (2, 3, 4, 6, 8, 12, 16, 24, 40, 60, 90, 120, 160)
_MOST_LEFT_OUT = 16  # of so many features, each is left out by way of trial
_FITTED_SHARE = 0.7  # of the transitions, the first ones; the rest tell how many features to use
_NUM_VALIDATED = 100_000
_NUM_VALIDATION_PASSES = 2


class MinedTree(NamedTuple):
    """A tree and the transitions that it was fitted on, int64 (rows,), in order."""

    tree: ByteTree
    rows: Rows

    def renumbered(self, numbers: npt.NDArray[np.int64]) -> Self:
        """Return the tree that reads bytes by their new numbers, int64 (num_bytes,)."""
        return self._replace(tree=self.tree.renumbered(numbers))


class _Grown(NamedTuple):
    """A tree, which transitions are hard for it, none if all are right, and the share of wrong
    ones.
    """

    mined: MinedTree
    hard: Rows
    share_wrong: float

    @property
    def is_right(self) -> bool:
        return not len(self.hard)


def mine(
    columns: Columns,
    labels: Labels,
    candidates: list[Feature],
    rng: np.random.Generator,
    known: MinedTree | None = None,
    likely: list[Feature] | None = None,
) -> MinedTree:
    """Fit a tree that predicts as many transitions as possible, in the order in which they were
    played.

    Args:
        columns: what features read, of N transitions.
        labels: what to predict.
        candidates: features that the tree may use.
        rng: of all choices.
        known: a tree of the first of these transitions. It stays if it predicts the rest.
        likely: candidates that the tree uses alone if few transitions are then wrong; all by
            default.
    """
    if known is None:
        rows = _at_most(labels.to_fit(), NUM_SAMPLED, rng)
    else:
        found = _examined(known, columns, labels, rng)
        if found.is_right:
            return known
        rows = np.union1d(known.rows, found.hard)
        grown = _grown(columns, labels, known.tree.features, rows, rng)
        most_nodes = known.tree.num_nodes * _MOST_GROWTH + _FEW_NODES
        if grown.is_right and grown.mined.tree.num_nodes <= most_nodes:
            return grown.mined
    others = [known.tree.features] if known is not None and known.tree.features else []
    likely = candidates if likely is None else likely
    tried = likely
    for num_selected in _NUMS_SELECTED:
        grown, is_done = _mined_with(columns, labels, tried, rows, num_selected, others, rng)
        if is_done or grown.share_wrong <= _FEW_WRONG:
            break
        rows, others = grown.mined.rows, [grown.mined.tree.features]
        tried = likely if grown.share_wrong <= _MANY_WRONG else candidates
    return grown.mined


def fit_sample(
    columns: Columns, labels: Labels, candidates: list[Feature], rng: np.random.Generator
) -> MinedTree:
    """Fit a tree to a sample of the transitions, for what need not be exact: a tenth of the work.

    Arguments are those of `mine`.
    """
    rows = _at_most(labels.to_fit(), NUM_SAMPLED, rng)
    some = columns.at(rows), labels.classes[rows]
    features = select_features(*some, candidates, rng, _NUMS_SELECTED[0])
    return MinedTree(ByteTree(columns, labels.classes, features, rows, rng), rows)


def _mined_with(
    columns: Columns,
    labels: Labels,
    candidates: list[Feature],
    rows: Rows,
    num_selected: int,
    others: list[list[Feature]],
    rng: np.random.Generator,
) -> tuple[_Grown, bool]:
    """Return a tree of at most so many features, or of one of other sets of features, and whether
    it is done: it predicts all transitions, or no feature is left to try.
    """
    features = select_features(
        columns.at(rows), labels.classes[rows], candidates, rng, num_selected
    )
    grown = _grown(columns, labels, features, rows, rng)
    mined = grown.mined
    if not features or (grown.is_right and len(mined.rows) == len(rows)):
        return grown, True
    simplest = simplest_features(columns, labels.classes, candidates, mined.rows, rng)
    fewer = _best_features(columns, labels, features, [simplest, *others], mined.rows, rng)
    grown = _grown(columns, labels, fewer, mined.rows, rng)
    if not grown.is_right:
        more = _with_added(columns, labels, candidates, grown, rng)
        if more != fewer:
            grown = _grown(columns, labels, more, grown.mined.rows, rng)
    return grown, grown.is_right


def _with_added(
    columns: Columns,
    labels: Labels,
    candidates: list[Feature],
    grown: _Grown,
    rng: np.random.Generator,
) -> list[Feature]:
    """Return the features of a tree, and the few that tell what it predicts wrongly from what is in
    the same leaves, if they predict other episodes better.

    What is rare, such as the last frame of a game, decides nothing among all transitions.
    """
    (tree, rows), hard, _ = grown
    features = tree.features
    added = simplest_features(columns, labels.classes, candidates, hard, rng)
    more = features + [each for each in added if each not in features]
    validation = _Validation(columns, labels, np.union1d(rows, hard), rng)
    return min([features, more], key=validation.cost)


def _grown(
    columns: Columns,
    labels: Labels,
    features: list[Feature],
    rows: Rows,
    rng: np.random.Generator,
) -> _Grown:
    """Fit, and add what is hard, until nothing is wrong or the passes are over."""
    for number in range(_NUM_PASSES):
        mined = MinedTree(ByteTree(columns, labels.classes, features, rows, rng), rows)
        grown = _examined(mined, columns, labels, rng)
        if grown.is_right or number == _NUM_PASSES - 1:
            break
        more = np.union1d(rows, grown.hard)
        if len(more) == len(rows):  # the same features and another class
            break
        rows = more
    return grown


def _examined(
    mined: MinedTree, columns: Columns, labels: Labels, rng: np.random.Generator
) -> _Grown:
    """Tell what a tree predicts wrongly of all transitions."""
    leaves = mined.tree.leaves(columns)
    is_wrong = labels.is_wrong(mined.tree.predicted(leaves))
    hard = _hard_rows(leaves, is_wrong, labels.is_decisive, rng)
    return _Grown(mined, hard, float(is_wrong.mean()))


def _hard_rows(
    leaves: Rows,
    is_wrong: npt.NDArray[np.bool_],
    is_decisive: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> Rows:
    """Return rows that are predicted wrongly, and decisive ones of their leaves; none if all are
    right.
    """
    wrong = np.flatnonzero(is_wrong)
    if not len(wrong):
        return wrong
    is_wrong_leaf = np.zeros(int(leaves.max()) + 1, np.bool_)
    is_wrong_leaf[leaves[wrong]] = True
    alike = np.flatnonzero(is_wrong_leaf[leaves] & is_decisive)
    return np.union1d(_at_most(wrong, _MOST_WRONG, rng), _at_most(alike, _MOST_ALIKE, rng))


def _at_most(rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    """Return at most so many rows, in order."""
    return np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows


def _best_features(
    columns: Columns,
    labels: Labels,
    ranked: list[Feature],
    others: list[list[Feature]],
    rows: Rows,
    rng: np.random.Generator,
) -> list[Feature]:
    """Return the features with which a tree of the first transitions predicts the last ones best:
    the first few of the ranked ones or another set, and of equally good ones those of the smallest
    tree.
    """
    validation = _Validation(columns, labels, rows, rng)
    tried = [ranked[:num] for num in _NUMS_TRIED if num < len(ranked)] + [ranked, *others]
    best = min(tried, key=validation.cost)
    if len(best) > _MOST_LEFT_OUT:
        return best
    for feature in best[::-1]:
        rest = [each for each in best if each != feature]
        if rest and validation.cost(rest) <= validation.cost(best):
            best = rest
    return best


class _Validation:
    """Trees of the first transitions predict all of the rows, and a sample of the others.

    What is hard depends on the features. So a tree is fitted again with what it predicts wrongly of
    the first transitions. Rows that it was fitted to are wrong where the features do not suffice.
    """

    def __init__(
        self, columns: Columns, labels: Labels, rows: Rows, rng: np.random.Generator
    ) -> None:
        split = int(_FITTED_SHARE * len(labels))
        sample = _at_most(np.arange(len(labels)), _NUM_VALIDATED, rng)
        predicted = np.union1d(rows, sample)
        self._columns, self._labels = columns.at(predicted), labels.at(predicted)
        first = rows[rows < split]
        if not len(first):  # what tells answers apart comes late
            first = rows[: max(1, int(_FITTED_SHARE * len(rows)))]
        self._fitted = np.isin(predicted, first)
        self._num_first = int(np.searchsorted(predicted, split))
        self._rng = rng
        self._values: dict[Feature, Integers] = {}
        self._known: dict[tuple[Feature, ...], tuple[int, int]] = {}

    def cost(self, features: list[Feature]) -> tuple[int, int]:
        """Return how many are predicted wrongly with these features, at least one, and the tree's
        nodes.
        """
        key = tuple(features)
        if key not in self._known:
            self._known[key] = self._cost(np.stack([self._read(each) for each in features]))
        return self._known[key]

    def _cost(self, values: Integers) -> tuple[int, int]:
        is_fitted = self._fitted.copy()
        for _ in range(_NUM_VALIDATION_PASSES):
            classes = self._labels.classes[is_fitted]
            tree = DecisionTree.fit(values[:, is_fitted], classes, self._rng)
            leaves = tree.leaves(values)
            is_wrong = self._labels.is_wrong(tree.thresholds[leaves].astype(np.uint16))
            first = slice(self._num_first)
            is_decisive = self._labels.is_decisive[first]
            hard = _hard_rows(leaves[first], is_wrong[first], is_decisive, self._rng)
            if is_fitted[hard].all():
                break
            is_fitted[hard] = True
        return int(is_wrong.sum()), tree.num_nodes

    def _read(self, feature: Feature) -> Integers:
        if feature not in self._values:
            self._values[feature] = self._columns.values([feature])[0]
        return self._values[feature]
