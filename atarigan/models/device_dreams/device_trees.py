"""DeviceTrees: walks the trees of a model with tensors, for all games at once, on any device.

A tree may read next values that other trees predicted. So trees are walked level by level: those of
a level read only what earlier levels predicted. In a level every node of every game is compared
with its threshold, which gives the node's child; then all trees go down together, one `gather` for
each step. Nothing waits for the device or depends on a value, so a CUDA graph can hold all of it.

Registers are those of `features`, as rows int32 (registers, B). The heads have rows too, and the
present and next values are in the order of the levels, so a level writes neighboring rows.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.models.device_dreams.device_lookups import (
    DeviceCells,
    DeviceEntries,
    DeviceFormulas,
    Numbers,
    formulas_held,
)
from atarigan.models.dynamics.change_groups import NO_GROUP
from atarigan.models.dynamics.features import operands
from atarigan.models.dynamics.indexed_arrays import NO_ENTRY
from atarigan.models.dynamics.tree_tables import HEADS, Coding, TreeTables


class PlayedFrames(NamedTuple):
    """What frames of B games lead to, as tensors on the device.

    Attributes:
        states, rewards, ends, lives, num_frames: as in `NextStates`.
    """

    states: Tensor
    rewards: Tensor
    ends: Tensor
    lives: Tensor
    num_frames: Tensor


class DeviceTrees:
    """Trees whose tables are tensors.

    A call takes about 13 bytes of memory for each game and each node of the largest level, and
    about 50 for each game and each of its trees that hold formulas.

    Args:
        tables: the trees.
        device: where they are walked.

    Attributes:
        num_levels: how many levels of trees are walked one after the other.
        num_steps: steps down from one node to the next, summed over the levels.
    """

    def __init__(self, tables: TreeTables, device: torch.device) -> None:
        held = formulas_held(tables)
        levels = levels_of(tables)
        order = np.argsort(levels, kind="stable")
        rows = np.argsort(order)  # of each tree among the present values
        num_varying, self._num_trees = len(tables.addresses), len(order)
        self._num_groups = tables.layout.num_groups
        self._cells = DeviceCells(tables.grids, torch.from_numpy(rows), device)
        self._entries = DeviceEntries(tables.arrays, torch.from_numpy(rows), device)
        row_of = _rows_of_registers(rows, tables)
        bounds = np.searchsorted(levels[order], np.arange(levels.max() + 2))
        self._levels = [
            _Level(tables, order[begin:end], int(begin), held, row_of, device)
            for begin, end in pairwise(bounds)
        ]
        self._reward, self._end, self._lives = rows[num_varying:].tolist()
        self._byte_rows = torch.from_numpy(rows[:num_varying]).to(device)
        self._addresses = torch.from_numpy(tables.addresses.astype(np.int64)).to(device)
        self._rewards = torch.tensor(tables.rewards, device=device)

    @property
    def num_levels(self) -> int:
        return len(self._levels)

    @property
    def num_steps(self) -> int:
        return sum(level.depth for level in self._levels)

    def play(
        self,
        states: Tensor,
        lives: Tensor,
        inputs: Tensor,
        most_frames: Tensor,
        *,
        stops_with_life: bool = False,
    ) -> PlayedFrames:
        """Predict several frames in a row, exactly as `TreeDynamics.play` does.

        Args:
            states: RAM before the first frame, uint8 (B, bytes).
            lives: lives before the first frame, uint8 (B,).
            inputs: inputs of each frame, int32 (B, frames, inputs), of at least one frame.
            most_frames: frames that each game plays at most, at least 1, int64 (B,).
            stops_with_life: whether a game also stops at the frame that costs a life.
        """
        num, num_trees = len(states), self._num_trees
        sizes = [1, num_trees, num_trees, inputs.shape[2], self._num_groups, len(self._cells)]
        sizes += [len(self._entries)] * 2
        registers = inputs.new_zeros(sum(sizes), num)
        _, present, following, given, counts, cells, entries, next_entries = registers.split(sizes)
        present.index_copy_(0, self._byte_rows, states.index_select(1, self._addresses).T.int())
        left = lives.int()
        rewards = inputs.new_zeros(num, dtype=torch.float32)
        ends = inputs.new_zeros(num, dtype=torch.bool)
        num_frames = inputs.new_zeros(num, dtype=torch.int64)
        playing = ~ends
        for frame in range(inputs.shape[1]):
            given.copy_(inputs[:, frame].T)
            counts.zero_()
            self._cells.read(present, cells)
            self._entries.read(present, entries, self._entries.all)
            for level in self._levels:
                self._entries.read(following, next_entries, level.arrays)
                level.predict(registers, present, following, counts)
            gained = self._rewards[following[self._reward]]
            rewards = torch.where(playing, rewards + gained, rewards)
            ends = torch.where(playing, following[self._end] > 0, ends)
            num_frames = num_frames + playing
            stops = ends | (num_frames >= most_frames)
            if stops_with_life:
                stops = stops | (following[self._lives] < left)
            left = torch.where(playing, following[self._lives], left)
            present.copy_(torch.where(playing, following, present))
            playing = playing & ~stops
        bytes_after = present.index_select(0, self._byte_rows).T.byte()
        after = states.index_copy(1, self._addresses, bytes_after)
        return PlayedFrames(after, rewards, ends, left.byte(), num_frames)


class _Level:
    """Trees that do not read each other's next values.

    Args:
        tables: all trees.
        trees: numbers of those of this level.
        begin: row of their first next value.
        held: numbers of the formulas that the leaves of each tree of all hold.
        row_of: row of each register, int32 (registers,).
        device: of the tensors.

    Attributes:
        depth: most steps from a root to a leaf.
        arrays: numbers of the arrays whose next entries the trees read, int64 (arrays,).
    """

    def __init__(
        self,
        tables: TreeTables,
        trees: Numbers,
        begin: int,
        held: list[Numbers],
        row_of: npt.NDArray[np.int32],
        device: torch.device,
    ) -> None:
        def on_device(array: npt.NDArray[Any]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        def column(array: npt.NDArray[Any]) -> Tensor:
            return on_device(array[:, None])

        nodes = _nodes_of(tables, trees)
        self.depth = _depth(nodes)
        self._roots, self._leaves = column(nodes.roots), column(nodes.leaves)
        self._left, self._right = column(nodes.left), column(nodes.right)
        self._values = on_device(nodes.values)
        self._thresholds = column(nodes.thresholds)
        features, of_node = np.unique(nodes.features, return_inverse=True)
        self._feature_of_node = on_device(of_node)
        first, mask, second = operands(tables.features[features], tables.layout)
        self._first, self._second = on_device(row_of[first]), on_device(row_of[second])
        self._mask = column(mask)
        self._formulas = DeviceFormulas(
            tables.formulas.as_rows(tables.layout), held, trees, row_of, device
        )
        read = np.append(first, self._formulas.registers)
        arrays = np.unique(read[read >= tables.layout.next_entries]) - tables.layout.next_entries
        self.arrays = on_device(arrays.astype(np.int64))
        is_byte = trees < len(tables.addresses)
        codings = np.append(tables.codings, [Coding.VALUE] * len(HEADS))[trees]
        self._added = column(np.where(codings == Coding.DIFFERENCE, 255, 0).astype(np.int32))
        self._flipped = column(np.where(codings == Coding.XOR, 255, 0).astype(np.int32))
        self._kept = column(np.where(is_byte, 255, -1).astype(np.int32))
        self._rows = slice(begin, begin + len(trees))
        groups = np.append(tables.groups, [NO_GROUP] * len(HEADS))[trees].astype(np.int64)
        members = np.flatnonzero(groups != NO_GROUP)
        self._has_members = len(members) > 0
        self._members, self._groups = on_device(members), on_device(groups[members])

    def predict(
        self, registers: Tensor, present: Tensor, following: Tensor, counts: Tensor
    ) -> None:
        """Write the next values of the level's trees, and count those of groups that change;
        `present`, `following` and `counts` are rows of `registers` int32 (registers, B).
        """
        nodes = self._roots.expand(-1, registers.shape[1])
        if self.depth:
            children = self._children(registers)
            for _ in range(self.depth):
                nodes = children.gather(0, nodes)
        before, held = present[self._rows], self._values[nodes]
        added = (held + (before & self._added)) & self._kept
        after = self._formulas.applied(held, added ^ (before & self._flipped), registers)
        following[self._rows] = after
        if self._has_members:
            has_changed = (before != after).index_select(0, self._members)
            counts.index_add_(0, self._groups, has_changed.int())

    def _children(self, registers: Tensor) -> Tensor:
        """Return the node after each node, itself after a leaf, int64 (nodes, B)."""
        features = registers.index_select(0, self._first)
        features.bitwise_and_(self._mask).sub_(registers.index_select(0, self._second))
        is_right = features.index_select(0, self._feature_of_node) > self._thresholds
        children = self._right.new_empty(len(self._values), registers.shape[1])
        inner, leaves = children.split([len(self._right), len(self._leaves)])
        torch.where(is_right, self._right, self._left, out=inner)
        leaves.copy_(self._leaves)
        return children


def levels_of(tables: TreeTables) -> Numbers:
    """Return the level of each tree, int64 (varying + 3,): 0, or one more than the highest level of
    the trees whose next values it reads.
    """
    layout = tables.layout
    reads = operands(tables.features, layout)
    levels = np.zeros(len(tables.sizes), np.int64)
    ends = tables.sizes.cumsum()
    held, of_formulas = formulas_held(tables), tables.formulas.as_rows(layout)[:, 1:3]
    for tree, (end, size) in enumerate(zip(ends, tables.sizes, strict=True)):
        nodes = slice(end - size, end)
        features = tables.node_features[nodes][tables.skips[nodes] > 0]
        operands_read = of_formulas[held[tree]].ravel()
        registers = np.concatenate([reads.first[features], reads.second[features], operands_read])
        is_next = (registers >= layout.next) & (registers < layout.inputs)
        is_entry = registers >= layout.next_entries
        arrays = registers[is_entry] - layout.next_entries
        picked = np.append(tables.arrays.indexes[arrays], tables.arrays.members[arrays])
        is_count = (registers >= layout.groups) & (registers < layout.grids)
        counted = registers[is_count] - layout.groups
        of_groups = np.flatnonzero(np.isin(tables.groups, counted))
        of_arrays = picked[picked != NO_ENTRY]
        read = np.concatenate([registers[is_next] - layout.next, of_groups, of_arrays])
        levels[tree] = levels[read].max(initial=-1) + 1
    return levels


class _Nodes(NamedTuple):
    """Nodes of some trees, numbered anew: the inner ones, then the leaves.

    Attributes:
        roots: number of each tree's first node, int64 (trees,).
        left, right: numbers of the children of inner nodes, int64 (inner,).
        features: feature of each inner node, uint16 (inner,).
        thresholds: threshold of each inner node, int32 (inner,).
        leaves: numbers of the leaves, int64 (leaves,).
        values: what each leaf predicts; for inner nodes 0, int32 (inner + leaves,).
    """

    roots: Numbers
    left: Numbers
    right: Numbers
    features: npt.NDArray[np.uint16]
    thresholds: npt.NDArray[np.int32]
    leaves: Numbers
    values: npt.NDArray[np.int32]


def _nodes_of(tables: TreeTables, trees: Numbers) -> _Nodes:
    sizes = tables.sizes[trees]
    begins = (tables.sizes.cumsum() - tables.sizes)[trees]
    roots = sizes.cumsum() - sizes  # places in `nodes`
    nodes = np.arange(sizes.sum()) + np.repeat(begins - roots, sizes)
    skips, thresholds = tables.skips[nodes], tables.thresholds[nodes]
    inner, leaves = np.flatnonzero(skips), np.flatnonzero(skips == 0)
    numbers = np.empty(len(nodes), np.int64)
    numbers[inner] = np.arange(len(inner))
    numbers[leaves] = np.arange(len(inner), len(nodes))
    return _Nodes(
        numbers[roots],
        numbers[inner + 1],
        numbers[inner + skips[inner]],
        tables.node_features[nodes[inner]],
        thresholds[inner],
        numbers[leaves],
        np.concatenate([np.zeros_like(thresholds[inner]), thresholds[leaves]]),
    )


def _depth(nodes: _Nodes) -> int:
    """Return the most steps from a root to a leaf."""
    reached, depth = nodes.roots, 0
    while len(inner := reached[reached < len(nodes.left)]):
        reached, depth = np.concatenate([nodes.left[inner], nodes.right[inner]]), depth + 1
    return depth


def _rows_of_registers(rows: Numbers, tables: TreeTables) -> npt.NDArray[np.int32]:
    """Return the row of each register of `RegisterLayout`, given the rows of the trees."""
    of_bytes, num_trees = rows[: len(tables.addresses)], len(rows)
    layout = tables.layout
    others = 1 + 2 * num_trees + np.arange(layout.end - layout.inputs)
    return np.concatenate([[0], 1 + of_bytes, 1 + num_trees + of_bytes, others]).astype(np.int32)
