"""Fits the trees of a model: a cascade, in which later bytes may read earlier predictions."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.models.dynamics.feature_selection import (
    CandidateFeatures,
    Classes,
    balanced_rows,
    fitted_tree,
    select_features,
)
from atarigan.models.dynamics.features import Columns, Feature, Kind
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_tables import Coding, TreeTables

_NUM_QUICK = 16_000  # transitions that tell which bytes are easy
_QUICK_SHARE = 0.75  # of them are fitted, and the others predicted
_LARGEST_INPUT = 1 << 24  # scikit-learn's features are float32
_LARGEST_VALUE = 256


class _Tree(NamedTuple):
    """One tree in preorder; the arrays as in `TreeTables`, features numbered in `features`."""

    features: list[Feature]
    node_features: npt.NDArray[np.int64]
    thresholds: npt.NDArray[np.int64]
    skips: npt.NDArray[np.int64]


class _ByteTarget(NamedTuple):
    """What the tree of a byte predicts."""

    address: int
    coding: Coding
    classes: Classes


def fit_trees(transitions: FrameTransitions, seed: int = 0) -> TreeTables:
    """Fit trees to at least one transition.

    Raises:
        InputError: there are no transitions, inputs are beyond ±2**24, more than 256 different
            rewards, or the extra `dream` is not installed.
    """
    rewards = _checked_rewards(transitions)
    rng = np.random.default_rng(seed)
    targets = [_byte_target(address, transitions) for address in _varying(transitions)]
    targets = _easiest_first(targets, transitions, rng)
    addresses = [target.address for target in targets]
    columns = _columns(transitions, addresses)
    candidates = CandidateFeatures(columns)
    trees = [
        _fit_tree(columns, target.classes, candidates.before(number), rng)
        for number, target in enumerate(targets)
    ]
    heads = (np.searchsorted(rewards, transitions.rewards), transitions.ends, transitions.lives)
    trees += [
        _fit_tree(columns, head.astype(np.uint8), candidates.before(len(targets)), rng)
        for head in heads
    ]
    return TreeTables(
        num_inputs=transitions.inputs.shape[1],
        constants=transitions.next_states[0],
        addresses=np.array(addresses, np.int32),
        codings=np.array([target.coding for target in targets], np.uint8),
        rewards=rewards,
        **_joined(trees),
    )


def _checked_rewards(transitions: FrameTransitions) -> npt.NDArray[np.float32]:
    """Return the different rewards, in order."""
    if not len(transitions):
        raise InputError("transitions must hold at least one, not 0")
    inputs = transitions.inputs
    if inputs.size and max(-int(inputs.min()), int(inputs.max())) > _LARGEST_INPUT:
        raise InputError(
            f"inputs must be within ±{_LARGEST_INPUT}, not {inputs.min()} to {inputs.max()}"
        )
    rewards = np.unique(transitions.rewards)
    if len(rewards) > _LARGEST_VALUE:
        raise InputError(
            f"rewards must have at most {_LARGEST_VALUE} different values, not {len(rewards)}"
        )
    return rewards


def _varying(transitions: FrameTransitions) -> list[int]:
    """Addresses of the bytes that are not the same in all states."""
    first = transitions.states[0]
    varies = [(each != first).any(0) for each in (transitions.states, transitions.next_states)]
    return np.flatnonzero(varies[0] | varies[1]).tolist()


def _byte_target(address: int, transitions: FrameTransitions) -> _ByteTarget:
    """Choose the coding of the least entropy; of equal ones, the first."""
    present, following = transitions.states[:, address], transitions.next_states[:, address]
    coded = {
        Coding.VALUE: following,
        Coding.DIFFERENCE: following - present,
        Coding.XOR: following ^ present,
    }
    coding = min(coded, key=lambda each: round(_entropy(coded[each]), 9))
    return _ByteTarget(address, coding, coded[coding].copy())


def _entropy(classes: Classes) -> float:
    counts = np.bincount(classes)
    shares = counts[counts > 0] / len(classes)
    return float(-(shares * np.log(shares)).sum())


def _easiest_first(
    targets: list[_ByteTarget], transitions: FrameTransitions, rng: np.random.Generator
) -> list[_ByteTarget]:
    """Sort bytes by the error of a small tree of the present bytes and the inputs."""
    columns = _columns(transitions, [target.address for target in targets])
    features = [Feature(Kind.PRESENT, each) for each in range(len(columns.present))]
    features += [Feature(Kind.INPUT, each) for each in range(len(columns.inputs))]
    errors = [_quick_error(columns, target.classes, features, rng) for target in targets]
    return [targets[number] for number in np.argsort(errors, kind="stable")]


def _quick_error(
    columns: Columns, classes: Classes, features: list[Feature], rng: np.random.Generator
) -> float:
    if (classes == classes[0]).all():
        return -1.0
    rows = balanced_rows(classes, _NUM_QUICK, rng)
    values, classes = columns.at(rows).values(features), classes[rows]
    num_fitted = max(1, int(_QUICK_SHARE * len(rows)))
    tree = fitted_tree(values[:num_fitted], classes[:num_fitted], rng)
    return float((tree.predict(values[num_fitted:]) != classes[num_fitted:]).mean())


def _columns(transitions: FrameTransitions, addresses: list[int]) -> Columns:
    return Columns(
        np.ascontiguousarray(transitions.states[:, addresses].T),
        np.ascontiguousarray(transitions.next_states[:, addresses].T),
        np.ascontiguousarray(transitions.inputs.T),
    )


def _fit_tree(
    columns: Columns, classes: Classes, candidates: list[Feature], rng: np.random.Generator
) -> _Tree:
    if (classes == classes[0]).all():
        return _leaf(int(classes[0]))
    features = select_features(columns, classes, candidates, rng) if candidates else []
    if not features:  # no candidate tells the classes apart
        return _leaf(int(np.bincount(classes).argmax()))
    fitted = fitted_tree(columns.values(features), classes, rng)
    return _preorder(features, fitted)


def _leaf(value: int) -> _Tree:
    zero = np.zeros(1, np.int64)
    return _Tree([], zero, zero + value, zero)


def _preorder(features: list[Feature], fitted: Any) -> _Tree:
    """Take over a tree of scikit-learn, whose nodes are in preorder already.

    Features are whole numbers, so a threshold between two of them can be rounded down.
    """
    tree = fitted.tree_
    is_leaf = tree.children_left < 0
    predicted = fitted.classes_[tree.value[:, 0].argmax(1)].astype(np.int64)
    return _Tree(
        features,
        np.where(is_leaf, 0, tree.feature),
        np.where(is_leaf, predicted, np.floor(tree.threshold).astype(np.int64)),
        np.where(is_leaf, 0, tree.children_right - np.arange(tree.node_count)),
    )


def _joined(trees: list[_Tree]) -> dict[str, Any]:
    """Number the features of all trees together, and put their nodes one after the other."""
    number_of: dict[Feature, int] = {}
    for tree in trees:
        for feature in tree.features:
            number_of.setdefault(feature, len(number_of))
    renumbered = [
        np.array([number_of[each] for each in tree.features] or [0])[tree.node_features]
        for tree in trees
    ]
    return {
        "features": np.array(list(number_of), np.uint16).reshape(-1, 3),
        "sizes": np.array([len(tree.skips) for tree in trees], np.int32),
        "node_features": np.concatenate(renumbered).astype(np.uint16),
        "thresholds": np.concatenate([tree.thresholds for tree in trees]).astype(np.int32),
        "skips": np.concatenate([tree.skips for tree in trees]).astype(np.int32),
    }
