"""TreeFitter: fits the trees of a model, a cascade in which later bytes may read earlier ones."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.models.dynamics.array_search import HardByte, find_arrays
from atarigan.models.dynamics.byte_order import KnownByte, LaterPlace, Trial, later_place
from atarigan.models.dynamics.byte_targets import ByteTarget
from atarigan.models.dynamics.byte_tree import ByteTree
from atarigan.models.dynamics.feature_selection import CandidateFeatures
from atarigan.models.dynamics.features import Columns, Feature, Kind, renumbered
from atarigan.models.dynamics.formula_search import best_coding, find_formulas
from atarigan.models.dynamics.hard_examples import MinedTree, fit_sample, mine
from atarigan.models.dynamics.labels import Labels
from atarigan.models.dynamics.mined_rows import MinedRows, RowsOfTree
from atarigan.models.dynamics.ordered_bytes import OrderedBytes
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_heads import TreeHeads
from atarigan.models.dynamics.tree_joining import joined
from atarigan.models.dynamics.tree_tables import HEADS, Coding, TreeTables

_NUM_EXAMINED = 60_000  # transitions that tell which differences are worth trying
_LARGEST_INPUT = 1 << 24  # of which differences fit into int32
_LARGEST_VALUE = 256
_NUM_TRIED = 20_000  # transitions that another order of bytes is tried with
_NUM_SEARCHED = 12  # trees for which arrays are looked for in a fit, the largest first

Progress = Callable[[int, int], None]


class TreeFitter:
    """Fits trees to transitions that come in parts.

    A tree that predicts a new part without an error stays as it is, unless its byte or one that it
    reads moves: from the second fit on, bytes with large trees are moved behind those that they
    follow from.

    Args:
        seed: of all choices; the same seed and transitions give the same trees.

    Attributes:
        transitions: all parts, one after the other; None before the first.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._bytes = OrderedBytes()
        self._heads = TreeHeads()
        self.transitions: FrameTransitions | None = None

    def extend(self, transitions: FrameTransitions) -> None:
        """Add transitions, in the order in which they were played.

        Raises:
            InputError: there are none, inputs are beyond ±2**24, more than 256 different rewards,
                or other sizes than before.
        """
        parts = [] if self.transitions is None else [self.transitions]
        together = FrameTransitions.concatenate([*parts, transitions])
        rewards = _checked_rewards(together)
        self.transitions = together
        self._heads.update(rewards)

    def mined(self) -> MinedRows:
        """Return what the trees so far were fitted to, from which `restore` goes on."""
        known = self._bytes
        return MinedRows.of(
            addresses=known.addresses,
            codings=[target.coding for target in known],
            formulas=[target.formulas for target in known],
            are_expected=[target.is_expected for target in known],
            groups=known.groups,
            grids=known.grids,
            arrays=known.arrays,
            rewards=self._heads.rewards,
            trees=[
                None if each is None else RowsOfTree(each.tree.features, each.rows)
                for each in self._mined_trees
            ],
        )

    def restore(self, mined: MinedRows) -> None:
        """Fit the trees of an earlier fitter again, to the first of the transitions so far.

        Raises:
            InputError: they are of other transitions.
        """
        transitions = self.transitions
        assert transitions is not None
        num_bytes, num_inputs = transitions.states.shape[1], transitions.inputs.shape[1]
        mined.check(len(transitions), num_bytes, num_inputs)
        targets = [
            ByteTarget(address, Coding(coding), group, formulas, is_expected)
            for address, coding, group, formulas, is_expected in zip(
                mined.addresses.tolist(),
                mined.codings.tolist(),
                mined.groups.tolist(),
                mined.formulas_of_bytes(),
                mined.are_expected(),
                strict=True,
            )
        ]
        self._bytes = OrderedBytes(targets, mined.grids, mined.arrays)
        columns = self._bytes.columns(transitions)
        *of_bytes, of_rewards, of_ends, of_lives = mined.trees()
        for target, each in zip(targets, of_bytes, strict=True):
            target.mined = self._refitted(columns, target.labels(transitions, columns), each)
        has_same = np.array_equal(mined.rewards, self._heads.rewards)
        of_heads = (of_rewards if has_same else None, of_ends, of_lives)
        labels = self._heads.labels(transitions)
        self._heads.mined = [
            self._refitted(columns, *pair) for pair in zip(labels, of_heads, strict=True)
        ]

    def _refitted(
        self, columns: Columns, labels: Labels, known: RowsOfTree | None
    ) -> MinedTree | None:
        if known is None:
            return None
        classes = labels.classes
        if not known.features and (only := labels.right_everywhere()) is not None:
            classes = np.full_like(classes, only)
        return MinedTree(ByteTree(columns, classes, *known, self._rng), known.rows)

    @property
    def _mined_trees(self) -> list[MinedTree | None]:
        return [target.mined for target in self._bytes] + self._heads.mined

    def fit(
        self,
        unread: Collection[int] = (),
        score: Collection[int] = (),
        influences: npt.NDArray[np.bool_] | None = None,
        progress: Progress = lambda done, num: None,
    ) -> TreeTables:
        """Return trees of all transitions so far, of which there must be some.

        Args:
            unread: addresses of bytes that nothing reads, which need not be exact. Other trees do
                not read them.
            score: addresses of the bytes that the score is read off, if known; the reward's tree
                reads their next values and changes alone.
            influences: whether the byte of a row decides the one of a column, bool (bytes, bytes),
                as far as is known; a tree reads what decides its byte alone if that suffices.
            progress: is told how many of how many trees are done, none while orders and arrays are
                searched.

        Raises:
            InputError: the extra `dream` is not installed.
        """
        transitions = self.transitions
        assert transitions is not None
        self._bytes.add_new(transitions, self._rng)
        columns = self._bytes.with_found_grids(self._bytes.columns(transitions))
        num_trees = len(self._bytes) + len(HEADS)
        searching = partial(progress, 0, num_trees)
        columns = self._in_better_order(columns, unread, searching)
        addresses = self._bytes.addresses
        among = None if influences is None else influences[np.ix_(addresses, addresses)]
        unread_numbers = {n for n, each in enumerate(addresses) if each in unread}
        if among is not None:
            columns = self._with_found_arrays(columns, among, unread_numbers, searching)
        some = np.linspace(0, len(transitions) - 1, min(len(transitions), _NUM_EXAMINED))
        candidates = CandidateFeatures(columns.at(some.astype(np.int64)), among, unread_numbers)
        for number, target in enumerate(self._bytes):
            likely = candidates.likely(number)
            target.mined = _if_allowed(target.mined, candidates, number)
            if number not in unread_numbers:
                self._drop_formulas(target, candidates, columns)
                self._find_leaves(target, number, columns, likely)
            target.mined = self._mined(
                columns,
                target.labels(transitions, columns),
                candidates.before(number),
                target.mined,
                likely,
                is_read=number not in unread_numbers,
            )
            progress(number + 1, num_trees)
        of_any = candidates.after([n for n in range(len(addresses)) if n not in unread_numbers])
        of_score = candidates.after([n for n, each in enumerate(addresses) if each in score])
        of_heads = (of_score or of_any, of_any, of_any)
        for number, labels in enumerate(self._heads.labels(transitions)):
            self._heads.mined[number] = self._mined(
                columns,
                labels,
                of_heads[number],
                _if_allowed(self._heads.mined[number], candidates, len(addresses)),
            )
            progress(len(addresses) + number + 1, num_trees)
        return self._tables(transitions)

    def _in_better_order(
        self, columns: Columns, unread: Collection[int], progress: Callable[[], None]
    ) -> Columns:
        """Move bytes whose trees are large, and have grown since this was tried, behind those that
        they follow from.

        Returns:
            the columns of all transitions, in the new order.
        """
        hard = [
            (-each.num_nodes, each.address)
            for each in self._bytes
            if each.address not in unread and each.has_grown(each.size_moved)
        ]
        for _, address in sorted(hard):
            progress()
            number = self._bytes.addresses.index(address)
            target = self._bytes.targets[number]
            target.size_moved = target.num_nodes
            known = [
                KnownByte(each.features, each.formulas, each.address not in unread)
                for each in self._bytes
            ]
            later = later_place(columns, number, known, partial(self._trial_of, columns))
            if later is not None:
                columns = self._moved(columns, number, later)
        return columns

    def _trial_of(self, columns: Columns, number: int) -> Trial:
        """Return some of the transitions that the tree of a byte was fitted to."""
        transitions, target = self.transitions, self._bytes.targets[number]
        assert transitions is not None
        assert target.mined is not None
        rows = np.sort(self._rng.permutation(target.mined.rows)[:_NUM_TRIED])
        some = columns.at(rows)
        return Trial(some, target.labels(transitions[rows], some).classes, self._rng)

    def _moved(self, columns: Columns, number: int, later: LaterPlace) -> Columns:
        """Move a byte and fit the trees again that are concerned; return the columns.

        Their former trees are dropped first: an interrupted fit keeps none that may not stay.
        """
        transitions = self.transitions
        assert transitions is not None
        rows = {}
        for each in later.features:
            target = self._bytes.targets[each]
            assert target.mined is not None
            rows[each], target.mined = target.mined.rows, None
        numbers, columns = self._bytes.move(number, later.place, columns)
        self._heads.renumber(numbers)
        for each, features in later.features.items():
            target = self._bytes.targets[numbers[each]]
            known = RowsOfTree([renumbered(feature, numbers) for feature in features], rows[each])
            target.mined = self._refitted(columns, target.labels(transitions, columns), known)
        return columns

    def _with_found_arrays(
        self,
        columns: Columns,
        influences: npt.NDArray[np.bool_],
        unread: Collection[int],
        progress: Callable[[], None],
    ) -> Columns:
        """Find arrays for the largest trees, once for each. A tree is fitted from the beginning if
        it may now read one that helps.

        Returns:
            the columns of all transitions, with the arrays.
        """
        transitions = self.transitions
        assert transitions is not None
        addresses = np.array(self._bytes.addresses, np.int64)
        is_read = np.ones(len(addresses), np.bool_)
        is_read[list(unread)] = False
        hard = [
            (number, each)
            for number, each in enumerate(self._bytes)
            if each.is_large and is_read[number] and not each.is_searched
        ]
        hard.sort(key=lambda pair: -pair[1].num_nodes)
        for number, target in hard[:_NUM_SEARCHED]:
            progress()
            decides = influences[:, number] & is_read
            decides[number] = True
            labels = target.labels(transitions, columns)
            byte = HardByte(number, labels, target.features, decides)
            self._bytes.arrays, helps = find_arrays(columns, addresses, byte, self._rng)
            columns = replace(columns, arrays=self._bytes.arrays)
            target.is_searched = True
            if helps:
                target.mined = None
        return columns

    def _drop_formulas(
        self, target: ByteTarget, candidates: CandidateFeatures, columns: Columns
    ) -> None:
        """Drop formulas that read what they may not."""
        allowed = [
            each for each in target.formulas if not any(map(candidates.reads_unread, each.operands))
        ]
        if len(allowed) < len(target.formulas):
            assert self.transitions is not None
            target.take(allowed, self.transitions, columns)

    def _find_leaves(
        self, target: ByteTarget, number: int, columns: Columns, likely: list[Feature]
    ) -> None:
        """Choose the coding of a byte without a tree, and find formulas for it, or for a byte whose
        tree is large and has grown since.
        """
        transitions = self.transitions
        assert transitions is not None
        if target.mined is not None:
            if not target.has_grown(target.size_searched):
                return
        elif not target.formulas:
            target.coding = best_coding(columns, number, target.coding, likely, self._rng)
        target.size_searched = target.num_nodes
        known = target.formulas
        found = find_formulas(columns, number, target.coding, likely, known, self._rng)
        if found:
            target.take([*known, *found], transitions, columns)

    def _mined(
        self,
        columns: Columns,
        labels: Labels,
        candidates: list[Feature],
        known: MinedTree | None,
        likely: list[Feature] | None = None,
        *,
        is_read: bool = True,
    ) -> MinedTree:
        only = labels.right_everywhere()
        if only is not None:
            first = np.zeros(1, np.int64)
            classes = np.full(len(labels), only, np.uint16)
            return MinedTree(ByteTree(columns, classes, [], first, self._rng), first)
        if not is_read:
            return fit_sample(columns, labels, likely or candidates, self._rng)
        return mine(columns, labels, candidates, self._rng, known, likely)

    def _tables(self, transitions: FrameTransitions) -> TreeTables:
        held = [target.formulas for target in self._bytes] + [[] for _ in HEADS]
        nodes = [each.tree.nodes() for each in self._mined_trees if each is not None]
        trees, formulas = joined(nodes, held)
        kinds, numbers, _ = trees["features"].T
        return TreeTables(
            num_bytes=transitions.states.shape[1],
            num_inputs=transitions.inputs.shape[1],
            addresses=np.array(self._bytes.addresses, np.int32),
            codings=np.array([target.coding for target in self._bytes], np.uint8),
            groups=self._bytes.groups,
            grids=self._bytes.grids.only(numbers[kinds == Kind.CELL]),
            arrays=self._bytes.arrays,
            formulas=formulas,
            rewards=self._heads.rewards,
            **trees,
        )


def _if_allowed(
    mined: MinedTree | None, candidates: CandidateFeatures, number: int
) -> MinedTree | None:
    """Return the known tree of a byte, or None if it reads what it may not: bytes that are unread,
    as earlier fits did not know, or next values of bytes that are not earlier.
    """
    if mined is None or not candidates.may_all_be_read(mined.tree.features, number):
        return None
    return mined


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
