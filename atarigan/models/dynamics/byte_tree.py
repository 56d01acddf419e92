"""ByteTree: one decision tree, which predicts the class of each transition."""

import copy
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.decision_tree import Classes, DecisionTree
from atarigan.models.dynamics.features import Columns, Feature, Rows, renumbered

_CHUNK = 200_000  # transitions whose features are in memory at a time


class Nodes(NamedTuple):
    """A tree in preorder; the arrays as in `TreeTables`, features numbered in `features`."""

    features: list[Feature]
    node_features: npt.NDArray[np.int32]
    thresholds: npt.NDArray[np.int32]
    skips: npt.NDArray[np.int32]


class ByteTree:
    """A tree that is fitted until its leaves are pure, or a single leaf without features.

    Args:
        columns: what features read, of N transitions.
        classes: what to predict, uint16 (N,).
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
        self._fitted: DecisionTree | None = None
        if features:
            self._fitted = DecisionTree.fit(columns.values(features, rows), classes[rows], rng)
        self._value = int(np.bincount(classes[rows]).argmax())

    def renumbered(self, numbers: npt.NDArray[np.int64]) -> Self:
        """Return the tree that reads bytes by their new numbers, int64 (num_bytes,)."""
        tree = copy.copy(self)
        tree.features = [renumbered(each, numbers) for each in self.features]
        return tree

    def leaves(self, columns: Columns) -> Rows:
        """Return the number of the leaf of each transition, int64 (N,)."""
        if self._fitted is None:
            return np.zeros(columns.num_transitions, np.int64)
        leaves = np.empty(columns.num_transitions, np.int64)
        for begin in range(0, len(leaves), _CHUNK):
            chunk = slice(begin, begin + _CHUNK)
            leaves[chunk] = self._fitted.leaves(columns.values(self.features, chunk))
        return leaves

    def predicted(self, leaves: Rows) -> Classes:
        """Return the class that each leaf (N,) predicts."""
        if self._fitted is None:
            return np.full(len(leaves), self._value, np.uint16)
        return self._fitted.thresholds[leaves].astype(np.uint16)

    @property
    def num_nodes(self) -> int:
        return 1 if self._fitted is None else self._fitted.num_nodes

    def nodes(self) -> Nodes:
        """Return the tree's nodes."""
        tree = self._fitted
        if tree is None:
            zero = np.zeros(1, np.int32)
            return Nodes([], zero, zero + self._value, zero)
        return Nodes(self.features, tree.node_features, tree.thresholds, tree.skips)
