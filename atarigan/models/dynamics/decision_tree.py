"""DecisionTree: a tree of thresholds, fitted until its leaves are pure."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.int32]
Classes = npt.NDArray[np.uint16]
Leaves = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class DecisionTree:
    """A tree in preorder.

    Attributes:
        node_features: number of the feature that each node compares; 0 in leaves; int32 (nodes,).
        thresholds: the greatest value that goes to the left, to the next node; the class in leaves;
            int32 (nodes,).
        skips: nodes from each to its right child; 0 in leaves; int32 (nodes,).
        importances: the share of the entropy that each feature takes away, float64 (features,);
            zeros where nothing is taken away.
        num_wrong: transitions that it was fitted to and whose leaf predicts another class.
    """

    node_features: npt.NDArray[np.int32]
    thresholds: npt.NDArray[np.int32]
    skips: npt.NDArray[np.int32]
    importances: npt.NDArray[np.float64]
    num_wrong: int

    @classmethod
    def fit(
        cls, values: Values, classes: Classes, rng: np.random.Generator, tried_share: float = 1.0
    ) -> Self:
        """Fit a tree.

        Args:
            values: of the features, int32 (features, n), within ±2**24; at least one of each.
            classes: what to predict, below 512, uint16 (n,).
            rng: which of equally good features is taken.
            tried_share: of the features, as many as a node tries at most; above 0, to 1.

        Raises:
            InputError: numba is not installed.
        """
        num_features, num = values.shape
        nodes = np.zeros((3, 2 * num - 1), np.int32)
        importances = np.zeros(num_features)
        counts = np.arange(num + 1.0)
        num_nodes, num_wrong = _compiled().grow(
            np.ascontiguousarray(values),
            classes,
            counts * np.log(np.maximum(counts, 1)),
            int(rng.integers(1, 1 << 31)),
            max(1, int(tried_share * num_features)),
            nodes,
            importances,
        )
        total = float(importances.sum())
        features, thresholds, skips = nodes[:, :num_nodes].copy()
        return cls(features, thresholds, skips, importances / (total or 1.0), int(num_wrong))

    @property
    def num_nodes(self) -> int:
        return len(self.skips)

    def leaves(self, values: Values) -> Leaves:
        """Return the leaf of each transition, int64 (n,); values int32 (features, n)."""
        leaves = np.empty(values.shape[1], np.int64)
        _compiled().descend(self.node_features, self.thresholds, self.skips, values, leaves)
        return leaves

    def predict(self, values: Values) -> Classes:
        """Return the class of each transition, uint16 (n,); values int32 (features, n)."""
        return self.thresholds[self.leaves(values)].astype(np.uint16)


def _compiled() -> Any:
    """Return the compiled code, which is loaded late because numba is an extra."""
    from atarigan.models.dynamics import tree_growth

    return tree_growth
