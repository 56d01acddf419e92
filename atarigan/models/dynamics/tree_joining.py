"""Joins the trees of a model: their nodes one after the other, features and formulas numbered
together.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from atarigan.models.dynamics.byte_tree import Nodes
from atarigan.models.dynamics.features import Feature
from atarigan.models.dynamics.formulas import FIRST_FORMULA, Formula, Formulas


def joined(
    trees: Sequence[Nodes], formulas: Sequence[Sequence[Formula]]
) -> tuple[dict[str, Any], Formulas]:
    """Return tables of all trees, by names as in `TreeTables`, and the formulas that leaves hold.

    Args:
        trees: the nodes of each.
        formulas: which each tree's leaves number.
    """
    held: list[Formula] = []
    thresholds = [
        _renumbered(tree, of_tree, held) for tree, of_tree in zip(trees, formulas, strict=True)
    ]
    number_of: dict[Feature, int] = {}
    for tree in trees:
        for feature in tree.features:
            number_of.setdefault(feature, len(number_of))
    node_features = [
        np.array([number_of[each] for each in tree.features] or [0])[tree.node_features]
        for tree in trees
    ]
    tables = {
        "features": np.array(list(number_of), np.uint16).reshape(-1, 3),
        "sizes": np.array([len(tree.skips) for tree in trees], np.int32),
        "node_features": np.concatenate(node_features).astype(np.uint16),
        "thresholds": np.concatenate(thresholds).astype(np.int32),
        "skips": np.concatenate([tree.skips for tree in trees]).astype(np.int32),
    }
    return tables, Formulas.of(held)


def _renumbered(tree: Nodes, formulas: Sequence[Formula], held: list[Formula]) -> Any:
    """Return a tree's thresholds with the formulas of its leaves numbered in `held`, to which they
    are appended.
    """
    thresholds = tree.thresholds.copy()
    is_formula = (tree.skips == 0) & (thresholds >= FIRST_FORMULA)
    used, of_leaf = np.unique(thresholds[is_formula], return_inverse=True)
    thresholds[is_formula] = FIRST_FORMULA + len(held) + of_leaf
    held += [formulas[number - FIRST_FORMULA] for number in used.tolist()]
    return thresholds
