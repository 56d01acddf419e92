"""DecisionTree: its splits are those of the least entropy, computed here the slow way."""

from collections import Counter
from math import log

import numpy as np
import numpy.typing as npt
import pytest

from atarigan.models.dynamics.decision_tree import Classes, DecisionTree, Values

SEED = np.random.default_rng(0)


def entropy(classes: Classes) -> float:
    counts = Counter(classes.tolist()).values()
    return -sum(each * log(each / len(classes)) for each in counts)


def least_entropy(values: Values, classes: Classes) -> float:
    """Return that of the best split at any threshold of any feature."""
    sides = [each <= threshold for each in values for threshold in np.unique(each)[:-1]]
    return min(entropy(classes[left]) + entropy(classes[~left]) for left in sides)


def check_splits(tree: DecisionTree, values: Values, classes: Classes, node: int = 0) -> None:
    """Check each node below one on the transitions that reach it."""
    skip = tree.skips[node]
    if not skip:
        assert tree.thresholds[node] == Counter(classes.tolist()).most_common(1)[0][0]
        return
    is_left = values[tree.node_features[node]] <= tree.thresholds[node]
    assert is_left.any()
    assert not is_left.all()
    found = entropy(classes[is_left]) + entropy(classes[~is_left])
    assert found == pytest.approx(least_entropy(values, classes), abs=1e-6)
    check_splits(tree, values[:, is_left], classes[is_left], node + 1)
    check_splits(tree, values[:, ~is_left], classes[~is_left], node + int(skip))


@pytest.mark.parametrize(
    ("num", "most", "num_classes"),
    [(10, 3, 2), (200, 5, 3), (200, 300, 256), (300, 1 << 24, 2), (1, 5, 3)],
)
def test_every_split_is_the_best(num: int, most: int, num_classes: int) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(-most, most, (4, num)).astype(np.int32)
    noise = rng.integers(0, num_classes, num)
    classes = np.where(values[0] > values[1], 0, noise).astype(np.uint16)
    distinct = np.unique(values, axis=1, return_index=True)[1]
    values, classes = values[:, distinct], classes[distinct]
    tree = DecisionTree.fit(values, classes, rng)
    check_splits(tree, values, classes)
    assert tree.num_wrong == 0
    np.testing.assert_array_equal(tree.predict(values), classes)


def test_equal_transitions_of_other_classes_are_counted() -> None:
    values = np.array([[1, 1, 1, 2, 2], [0, 0, 0, 0, 0]], np.int32)
    classes = np.array([7, 7, 9, 3, 3], np.uint16)
    tree = DecisionTree.fit(values, classes, SEED)
    assert (tree.num_wrong, tree.num_nodes) == (1, 3)
    assert tree.predict(values).tolist() == [7, 7, 7, 3, 3]


def test_a_threshold_is_in_the_middle() -> None:
    values: npt.NDArray[np.int32] = np.array([[-9, -9, -4, 10]], np.int32)
    tree = DecisionTree.fit(values, np.array([1, 1, 0, 0], np.uint16), SEED)
    assert tree.thresholds.tolist() == [-7, 1, 0]


def test_importance_is_the_share_of_the_entropy() -> None:
    values = np.array([[0, 0, 1, 1], [0, 1, 0, 1], [5, 5, 5, 5]], np.int32)
    tree = DecisionTree.fit(values, np.array([0, 1, 2, 3], np.uint16), SEED)
    assert tree.importances == pytest.approx([0.5, 0.5, 0.0])
    still = DecisionTree.fit(values[2:], np.array([0, 1, 2, 3], np.uint16), SEED)
    assert still.importances.tolist() == [0.0]


def test_equally_good_features_take_turns() -> None:
    values = np.array([[0, 1], [0, 1]], np.int32)
    classes = np.array([0, 1], np.uint16)
    rng = np.random.default_rng(0)
    first = [int(DecisionTree.fit(values, classes, rng).node_features[0]) for _ in range(20)]
    assert set(first) == {0, 1}
    again = np.random.default_rng(0)
    assert first == [
        int(DecisionTree.fit(values, classes, again).node_features[0]) for _ in range(20)
    ]


def test_a_node_tries_some_of_the_features_that_vary() -> None:
    values = np.zeros((8, 64), np.int32)
    values[7] = np.arange(64)
    classes = (values[7] > 20).astype(np.uint16)
    tree = DecisionTree.fit(values, classes, SEED, 0.125)
    assert tree.num_nodes == 3
    assert tree.node_features[0] == 7
