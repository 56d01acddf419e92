"""What the trees of bytes predict: a coding of each byte's next value; at first the easiest byte
comes first.
"""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.byte_entropy import entropy
from atarigan.models.dynamics.byte_grids import Grids
from atarigan.models.dynamics.change_groups import NO_GROUP, Groups, no_groups
from atarigan.models.dynamics.decision_tree import DecisionTree
from atarigan.models.dynamics.feature_selection import balanced_rows
from atarigan.models.dynamics.features import Columns, Feature, Kind
from atarigan.models.dynamics.formulas import Formula
from atarigan.models.dynamics.hard_examples import MinedTree
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.labels import NUM_CODES, Labels, expected_codes, right_formulas
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_tables import Coding

Bytes = npt.NDArray[np.uint8]
_NUM_QUICK = 16_000  # transitions that tell which bytes are easy
_QUICK_SHARE = 0.75  # of them are fitted, and the others predicted
_FEWEST_NODES = 100  # of a large tree
_LEAST_GROWTH = 1.5  # of a tree since it was searched


@dataclass
class ByteTarget:
    """What the tree of a byte predicts, and what is known of it.

    Attributes:
        address: of the byte.
        coding: of leaves without a formula.
        group: of bytes whose changes are counted together.
        formulas: what leaves may hold instead of a code.
        is_expected: which codes leaves are expected to hold, bool (256,), as in `Labels.of`.
        mined: the tree that is known.
        is_searched: whether arrays were looked for that the tree may read.
        size_searched: nodes of the tree when formulas were looked for last.
        size_moved: the same for a better place in the order. A training that is resumed knows
            neither.
    """

    address: int
    coding: Coding
    group: int = NO_GROUP
    formulas: list[Formula] = field(default_factory=list)
    is_expected: npt.NDArray[np.bool_] = field(default_factory=lambda: np.ones(NUM_CODES, np.bool_))
    mined: MinedTree | None = None
    is_searched: bool = False
    size_searched: int = 0
    size_moved: int = 0

    @property
    def num_nodes(self) -> int:
        """Nodes of the tree, 0 without one."""
        return 0 if self.mined is None else self.mined.tree.num_nodes

    @property
    def features(self) -> list[Feature]:
        """What the tree may compare, nothing without one."""
        return [] if self.mined is None else self.mined.tree.features

    @property
    def is_large(self) -> bool:
        """Whether the tree has many nodes."""
        return self.num_nodes >= _FEWEST_NODES

    def has_grown(self, size: int) -> bool:
        """Return whether the tree is large and has grown by half since it had so many nodes."""
        return self.is_large and self.num_nodes >= _LEAST_GROWTH * size

    def renumbered(self, numbers: npt.NDArray[np.int64]) -> Self:
        """Return the target whose tree and formulas read bytes by their new numbers."""
        return replace(
            self,
            formulas=[each.renumbered(numbers) for each in self.formulas],
            mined=self.mined and self.mined.renumbered(numbers),
        )

    def codes(self, transitions: FrameTransitions) -> Bytes:
        """Return what leaves without a formula would hold, uint8 (N,)."""
        present = transitions.states[:, self.address]
        following = transitions.next_states[:, self.address]
        return self.coding.codes(present, following)

    def labels(self, transitions: FrameTransitions, columns: Columns) -> Labels:
        """Return what the tree may predict; `columns` are of the same transitions."""
        codes = self.codes(transitions)
        if not self.formulas:
            return Labels.of_codes(codes)
        following = transitions.next_states[:, self.address]
        right = right_formulas(self.formulas, columns, following)
        return Labels.of(codes, right, self.is_expected)

    def take(
        self, formulas: list[Formula], transitions: FrameTransitions, columns: Columns
    ) -> None:
        """Take other formulas, which leaves may hold; the tree is then fitted anew."""
        self.formulas, self.mined = formulas, None
        following = transitions.next_states[:, self.address]
        right = right_formulas(formulas, columns, following)
        self.is_expected = expected_codes(self.codes(transitions), right)


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
    coding = min(Coding, key=lambda each: round(entropy(each.codes(present, following)), 9))
    return ByteTarget(address, coding)


def easiest_first(
    targets: list[ByteTarget], transitions: FrameTransitions, rng: np.random.Generator
) -> list[ByteTarget]:
    """Sort bytes by the error of a small tree of the present bytes and the inputs."""
    addresses = [target.address for target in targets]
    nothing = no_groups(len(targets)), Grids.none(), IndexedArrays.none()
    columns = columns_of(transitions, addresses, *nothing)
    features = [Feature(Kind.PRESENT, each) for each in range(len(columns.present))]
    features += [Feature(Kind.INPUT, each) for each in range(len(columns.inputs))]
    errors = [_quick_error(columns, each.codes(transitions), features, rng) for each in targets]
    return [targets[number] for number in np.argsort(errors, kind="stable")]


def _quick_error(
    columns: Columns, codes: Bytes, features: list[Feature], rng: np.random.Generator
) -> float:
    if (codes == codes[0]).all():
        return -1.0
    classes = codes.astype(np.uint16)
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
