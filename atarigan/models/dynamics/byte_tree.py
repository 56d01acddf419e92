"""ByteTree: one decision tree, which predicts the class of each transition."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.config.extras import imported
from atarigan.models.dynamics.features import Columns, Feature, Rows

Classes = npt.NDArray[np.uint8]
_CHUNK = 200_000  # transitions whose features are in memory at a time


class Nodes(NamedTuple):
    """A tree in preorder; the arrays as in `TreeTables`, features numbered in `features`."""

    features: list[Feature]
    node_features: npt.NDArray[np.int64]
    thresholds: npt.NDArray[np.int64]
    skips: npt.NDArray[np.int64]


class ByteTree:
    """A tree that is fitted until its leaves are pure, or a single leaf without features.

    Args:
        columns: what features read, of N transitions.
        classes: what to predict, uint8 (N,).
        features: what nodes may compare.
        rows: transitions to fit, at least one, int64 (n,).
        rng: of equally good splits.

    Attributes:
        features: as given.
    """

    def __init__(
        self,
        columns: Columns,
        classes: Classes,
        features: list[Feature],
        rows: Rows,
        rng: np.random.Generator,
    ) -> None:
        self.features = features
        self._fitted: Any = None
        if features:
            self._fitted = fitted_tree(columns.values(features, rows), classes[rows], rng)
        self._value = int(np.bincount(classes[rows]).argmax())

    @property
    def _leaf_classes(self) -> Classes:
        """The class that each node would predict, uint8 (nodes,)."""
        fitted = self._fitted
        predicted: Classes = fitted.classes_[fitted.tree_.value[:, 0].argmax(1)].astype(np.uint8)
        return predicted

    def leaves(self, columns: Columns) -> Rows:
        """Return the number of the leaf of each transition, int64 (N,)."""
        if self._fitted is None:
            return np.zeros(columns.num_transitions, np.int64)
        leaves = np.empty(columns.num_transitions, np.int64)
        for begin in range(0, len(leaves), _CHUNK):
            chunk = slice(begin, begin + _CHUNK)
            leaves[chunk] = self._fitted.apply(columns.values(self.features, chunk))
        return leaves

    def predicted(self, leaves: Rows) -> Classes:
        """Return the class that each leaf (N,) predicts."""
        if self._fitted is None:
            return np.full(len(leaves), self._value, np.uint8)
        return self._leaf_classes[leaves]

    def nodes(self) -> Nodes:
        """Return the tree's nodes, which scikit-learn has in preorder already.

        Features are whole numbers, so a threshold between two of them can be rounded down.
        """
        if self._fitted is None:
            zero = np.zeros(1, np.int64)
            return Nodes([], zero, zero + self._value, zero)
        tree = self._fitted.tree_
        is_leaf = tree.children_left < 0
        return Nodes(
            self.features,
            np.where(is_leaf, 0, tree.feature),
            np.where(is_leaf, self._leaf_classes, np.floor(tree.threshold).astype(np.int64)),
            np.where(is_leaf, 0, tree.children_right - np.arange(tree.node_count)),
        )


def fitted_tree(
    values: npt.NDArray[np.float32], classes: Classes, rng: np.random.Generator, **settings: Any
) -> Any:
    """Fit scikit-learn's DecisionTreeClassifier until its leaves are pure.

    Its checks of values and settings take as long as a fit to few transitions, and are left out.
    """
    tree = imported("sklearn.tree", "dream").DecisionTreeClassifier(
        criterion="entropy", random_state=np.random.RandomState(rng.integers(1 << 31)), **settings
    )
    unchecked = imported("sklearn", "dream").config_context(skip_parameter_validation=True)
    with unchecked, warnings.catch_warnings(action="ignore"):  # of many classes in few transitions
        return tree.fit(values, classes, check_input=False)


def num_wrong(tree: Any) -> int:
    """Return how many of the transitions that a tree was fitted on it predicts wrongly."""
    is_leaf = tree.tree_.children_left < 0
    most_likely = tree.tree_.value[is_leaf, 0].max(1)  # share of the leaf's class
    return int(np.rint((1 - most_likely) * tree.tree_.n_node_samples[is_leaf]).sum())
