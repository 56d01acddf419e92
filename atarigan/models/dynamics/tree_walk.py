"""Walks the trees of a model for a batch of states, in compiled code."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.config.extras import compiled
from atarigan.models.dynamics.byte_grids import OFFSETS
from atarigan.models.dynamics.dynamics import NextStates
from atarigan.models.dynamics.features import Kind, operands
from atarigan.models.dynamics.formulas import FIRST_FORMULA, Operation
from atarigan.models.dynamics.indexed_arrays import NO_ENTRY
from atarigan.models.dynamics.tree_tables import HEADS, Coding, TreeTables

_NODE = np.dtype(
    {
        "names": ["first", "second", "mask", "threshold", "skip"],
        "formats": [np.uint16, np.uint16, np.int32, np.int32, np.int32],
    }
)
_DIFFERENCE, _XOR = int(Coding.DIFFERENCE), int(Coding.XOR)
_MINUS, _FLIPPED_BY = int(Operation.DIFFERENCE), int(Operation.XOR)
_BLOCK = 16  # states that go through one tree before the next; its nodes then stay in the cache


class Program(NamedTuple):
    """Trees as the walk reads them.

    Attributes:
        nodes: of all trees, with the operands of their features, (nodes,).
        roots: number of each tree's first node, int32 (varying + 3,).
        counters: register that counts the changes of each tree's byte; 0 for none; uint16
            (varying + 3,).
        num_groups: registers of counts.
        pointers, places, masks, members: as in `Grids`.
        cells: grid, two offsets and register of each cell that nodes read, int32 (cells, 4).
        indexes, array_members: as in `IndexedArrays`.
        entries: of each entry that nodes read, the last tree whose next value it depends on (-1 for
            a present one), its array, the register where the values begin that it picks from, and
            its own register; sorted by that tree; int32 (entries, 4).
        formulas: operation, registers of both operands, shift, mask and constant of each, int32
            (formulas, 6).
        num_registers: as in `RegisterLayout.end`.
        addresses, codings, rewards: as in `TreeTables`.
    """

    nodes: npt.NDArray[Any]
    roots: npt.NDArray[np.int32]
    counters: npt.NDArray[np.uint16]
    num_groups: int
    pointers: npt.NDArray[np.int16]
    places: npt.NDArray[np.int16]
    masks: npt.NDArray[np.uint8]
    members: npt.NDArray[np.int16]
    cells: npt.NDArray[np.int32]
    indexes: npt.NDArray[np.int16]
    array_members: npt.NDArray[np.int16]
    entries: npt.NDArray[np.int32]
    formulas: npt.NDArray[np.int32]
    num_registers: int
    addresses: npt.NDArray[np.int32]
    codings: npt.NDArray[np.uint8]
    rewards: npt.NDArray[np.float32]


def program_of(tables: TreeTables) -> Program:
    """Prepare checked trees for the walk."""
    nodes = np.zeros(len(tables.skips), _NODE)
    inner = np.flatnonzero(tables.skips)
    chosen = operands(tables.features[tables.node_features[inner]], tables.layout)
    for name, values in zip(chosen._fields, chosen, strict=True):
        nodes[name][inner] = values
    nodes["threshold"], nodes["skip"] = tables.thresholds, tables.skips
    roots = (tables.sizes.cumsum() - tables.sizes).astype(np.int32)
    formulas = tables.formulas.as_rows(tables.layout)
    read = np.append(chosen.first, formulas[:, 1:3])
    return Program(
        nodes=nodes,
        roots=roots,
        counters=_counters(tables),
        num_groups=tables.layout.num_groups,
        **tables.grids.tables,
        cells=_cells_read(read, tables),
        indexes=tables.arrays.indexes.copy(),
        array_members=np.ascontiguousarray(tables.arrays.members),
        entries=_entries_read(read, tables),
        formulas=formulas,
        num_registers=tables.layout.end,
        addresses=tables.addresses.copy(),
        codings=tables.codings.copy(),
        rewards=tables.rewards.copy(),
    )


def _cells_read(registers: npt.NDArray[np.int32], tables: TreeTables) -> npt.NDArray[np.int32]:
    """Return the cells of some registers."""
    layout = tables.layout
    is_cell = (registers >= layout.grids) & (registers < layout.entries)
    read = np.unique(registers[is_cell])
    grids, offsets = np.divmod(read - layout.grids, len(OFFSETS))
    return np.column_stack([grids, np.array(OFFSETS)[offsets], read]).astype(np.int32)


def _entries_read(registers: npt.NDArray[np.int32], tables: TreeTables) -> npt.NDArray[np.int32]:
    """Return the entries of some registers."""
    layout = tables.layout
    read = np.unique(registers[registers >= layout.entries])
    is_next = read >= layout.next_entries
    arrays = read - np.where(is_next, layout.next_entries, layout.entries)
    last = np.where(is_next, tables.arrays.last_bytes[arrays], -1)
    first = np.where(is_next, layout.next, layout.present)
    order = np.argsort(last, kind="stable")
    return np.column_stack([last, arrays, first, read])[order].astype(np.int32)


def _counters(tables: TreeTables) -> npt.NDArray[np.uint16]:
    """Return the registers of the counts that features read."""
    kind, groups_read, _ = tables.features.T
    is_read = np.isin(tables.groups, groups_read[kind == Kind.NUM_CHANGED])
    registers = np.where(is_read, tables.layout.groups + tables.groups, 0)
    return np.append(registers, np.zeros(len(HEADS))).astype(np.uint16)


def walk(
    program: Program,
    inputs: npt.NDArray[np.int32],
    most_frames: npt.NDArray[np.int64],
    stops_with_life: bool,
    played: NextStates,
) -> None:
    """Play frames of some games one after the other.

    A game stops early at the frame that ends its episode.

    Args:
        program: the trees.
        inputs: of each frame, int32 (B, frames, inputs).
        most_frames: frames that each game may play at most, at least 1, int64 (B,).
        stops_with_life: whether a game also stops at the frame that costs a life.
        played: holds states and lives before the first frame, and zeros; is filled.
    """
    addresses, codings, counters = program.addresses, program.codings, program.counters
    nodes, roots = program.nodes, program.roots
    states, lives, formulas = played.states, played.lives, program.formulas
    num_varying, num_inputs, num_groups = len(addresses), inputs.shape[2], program.num_groups
    first_next, first_input = 1 + num_varying, 1 + 2 * num_varying  # as in RegisterLayout
    first_group = first_input + num_inputs
    num_places, num_members = program.members.shape[1], program.array_members.shape[1]
    registers = np.zeros((_BLOCK, program.num_registers), np.int32)
    heads = np.zeros((_BLOCK, 3), np.int32)  # the reward's class, the end, lives
    games = np.zeros(_BLOCK, np.int64)  # that still play
    for begin in range(0, len(states), _BLOCK):
        num_playing = min(_BLOCK, len(states) - begin)
        for lane in range(num_playing):
            games[lane] = begin + lane
        for frame in range(inputs.shape[1]):
            for lane in range(num_playing):
                game = games[lane]
                for number in range(num_varying):
                    registers[lane, 1 + number] = states[game, addresses[number]]
                for number in range(num_inputs):
                    registers[lane, first_input + number] = inputs[game, frame, number]
                for number in range(num_groups):
                    registers[lane, first_group + number] = 0
                for number, offset_across, offset_along, register in program.cells:
                    registers[lane, register] = 0
                    across = registers[lane, 1 + program.pointers[number, 0]] + offset_across
                    along = registers[lane, 1 + program.pointers[number, 1]] + offset_along
                    across, along = min(max(across, 0), 255), min(max(along, 0), 255)
                    column = program.places[number, 0, across]
                    row = program.places[number, 1, along]
                    if column < 0 or row < 0 or column + row >= num_places:
                        continue
                    member = program.members[number, column + row]
                    if member >= 0:
                        bits = registers[lane, 1 + member] & program.masks[number, across]
                        if bits:
                            registers[lane, register] = 256 * (column + row + 1) + bits
                played.ends[game] = False
                played.num_frames[game] += 1
            upcoming = 0
            for tree in range(len(roots)):
                while upcoming < len(program.entries) and program.entries[upcoming, 0] < tree:
                    _, number, first, register = program.entries[upcoming]
                    for lane in range(num_playing):
                        registers[lane, register] = NO_ENTRY
                        picked = registers[lane, first + program.indexes[number]]
                        if picked < num_members:
                            member = program.array_members[number, picked]
                            if member != NO_ENTRY:
                                registers[lane, register] = registers[lane, first + member]
                    upcoming += 1
                for lane in range(num_playing):
                    node = roots[tree]
                    skip = nodes[node].skip
                    while skip:
                        each = nodes[node]
                        value = registers[lane, each.first] & each.mask
                        value -= registers[lane, each.second]
                        node += skip if value > each.threshold else 1
                        skip = nodes[node].skip
                    predicted = nodes[node].threshold
                    if tree >= num_varying:
                        heads[lane, tree - num_varying] = predicted
                        continue
                    if predicted >= FIRST_FORMULA:
                        operation, one, other, shift, mask, constant = formulas[
                            predicted - FIRST_FORMULA
                        ]
                        value, second = registers[lane, one], registers[lane, other]
                        if operation == _MINUS:
                            second = -second
                        value = value ^ second if operation == _FLIPPED_BY else value + second
                        value &= 255
                        value = (value << shift if shift >= 0 else value >> -shift) & mask
                        predicted = (value + constant) & 255
                    elif codings[tree] == _DIFFERENCE:
                        predicted = (registers[lane, 1 + tree] + predicted) & 255
                    elif codings[tree] == _XOR:
                        predicted ^= registers[lane, 1 + tree]
                    registers[lane, first_next + tree] = predicted
                    if counters[tree]:
                        registers[lane, counters[tree]] += predicted != registers[lane, 1 + tree]
                    states[games[lane], addresses[tree]] = predicted
            num_going = 0
            for lane in range(num_playing):
                game, left = games[lane], heads[lane, 2]
                played.rewards[game] += program.rewards[heads[lane, 0]]
                played.ends[game] = heads[lane, 1] > 0
                stops = played.ends[game] or (stops_with_life and left < lives[game])
                lives[game] = left
                if not stops and played.num_frames[game] < most_frames[game]:
                    games[num_going] = game
                    num_going += 1
            num_playing = num_going


@cache
def compiled_walk() -> Callable[..., None]:
    """Return `walk`, compiled. Raises InputError if numba is not installed."""
    return compiled(walk)
