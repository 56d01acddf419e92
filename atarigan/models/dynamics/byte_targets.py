"""What the trees of bytes predict: a coding of each byte's next value, the easiest byte first."""

from dataclasses import dataclass

import numpy as np

from atarigan.models.dynamics.byte_grids import Grids
from atarigan.models.dynamics.change_groups import NO_GROUP, Groups, no_groups
from atarigan.models.dynamics.decision_tree import Classes, DecisionTree
from atarigan.models.dynamics.feature_selection import balanced_rows
from atarigan.models.dynamics.features import Columns, Feature, Kind
from atarigan.models.dynamics.hard_examples import MinedTree
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_tables import Coding

_NUM_QUICK = 16_000  # transitions that tell which bytes are easy
_QUICK_SHARE = 0.75  # of them are fitted, and the others predicted


@dataclass
class ByteTarget:
    """What the tree of a byte predicts, the tree that is known, and whether arrays were looked for
    that it may read.
    """

    address: int
    coding: Coding
    group: int = NO_GROUP
    mined: MinedTree | None = None
    is_searched: bool = False

    def classes(self, transitions: FrameTransitions) -> Classes:
        present = transitions.states[:, self.address]
        following = transitions.next_states[:, self.address]
        return _coded(self.coding, present, following)


def varying_addresses(transitions: FrameTransitions) -> list[int]:
    """Addresses of the bytes that are not the same in all states."""
    first = transitions.states[0]
    varies = [(each != first).any(0) for each in (transitions.states, transitions.next_states)]
    return np.flatnonzero(varies[0] | varies[1]).tolist()


def change_rate(address: int, transitions: FrameTransitions) -> float:
    """Return the share of the frames in which a byte changes."""
    present, following = transitions.states[:, address], transitions.next_states[:, address]
    return float((present != following).mean())


def byte_target(address: int, transitions: FrameTransitions) -> ByteTarget:
    """Choose the coding of the least entropy; of equal ones, the first."""
    present, following = transitions.states[:, address], transitions.next_states[:, address]
    coding = min(Coding, key=lambda each: round(_entropy(_coded(each, present, following)), 9))
    return ByteTarget(address, coding)


def _coded(coding: Coding, present: Classes, following: Classes) -> Classes:
    if coding is Coding.DIFFERENCE:
        return following - present
    return following ^ present if coding is Coding.XOR else following.copy()


def _entropy(classes: Classes) -> float:
    counts = np.bincount(classes)
    shares = counts[counts > 0] / len(classes)
    return float(-(shares * np.log(shares)).sum())


def easiest_first(
    targets: list[ByteTarget], transitions: FrameTransitions, rng: np.random.Generator
) -> list[ByteTarget]:
    """Sort bytes by the error of a small tree of the present bytes and the inputs."""
    addresses = [target.address for target in targets]
    nothing = no_groups(len(targets)), Grids.none(), IndexedArrays.none()
    columns = columns_of(transitions, addresses, *nothing)
    features = [Feature(Kind.PRESENT, each) for each in range(len(columns.present))]
    features += [Feature(Kind.INPUT, each) for each in range(len(columns.inputs))]
    errors = [_quick_error(columns, each.classes(transitions), features, rng) for each in targets]
    return [targets[number] for number in np.argsort(errors, kind="stable")]


def _quick_error(
    columns: Columns, classes: Classes, features: list[Feature], rng: np.random.Generator
) -> float:
    if (classes == classes[0]).all():
        return -1.0
    rows = balanced_rows(classes, _NUM_QUICK, rng)
    values, classes = columns.values(features, rows), classes[rows]
    num_fitted = max(1, int(_QUICK_SHARE * len(rows)))
    tree = DecisionTree.fit(values[:, :num_fitted], classes[:num_fitted], rng)
    return float((tree.predict(values[:, num_fitted:]) != classes[num_fitted:]).mean())


def columns_of(
    transitions: FrameTransitions,
    addresses: list[int],
    groups: Groups,
    grids: Grids,
    arrays: IndexedArrays,
) -> Columns:
    """Return what features read of some bytes."""
    return Columns(
        np.ascontiguousarray(transitions.states[:, addresses].T),
        np.ascontiguousarray(transitions.next_states[:, addresses].T),
        np.ascontiguousarray(transitions.inputs.T),
        groups,
        grids,
        arrays,
    )
