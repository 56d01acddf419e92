"""Walks the trees of a model for a batch of states, in compiled code."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.features import operands
from atarigan.models.dynamics.tree_tables import Coding, TreeTables
from atarigan.models.extras import imported

_NODE = np.dtype(
    {
        "names": ["first", "second", "mask", "threshold", "skip"],
        "formats": [np.uint16, np.uint16, np.int32, np.int32, np.int32],
    }
)
_DIFFERENCE, _XOR = int(Coding.DIFFERENCE), int(Coding.XOR)
_BLOCK = 16  # states that go through one tree before the next; its nodes then stay in the cache


class Program(NamedTuple):
    """Trees as the walk reads them.

    Attributes:
        nodes: of all trees, with the operands of their features, (nodes,).
        roots: number of each tree's first node, int32 (varying + 3,).
        addresses, codings, constants: as in `TreeTables`.
    """

    nodes: npt.NDArray[Any]
    roots: npt.NDArray[np.int32]
    addresses: npt.NDArray[np.int32]
    codings: npt.NDArray[np.uint8]
    constants: npt.NDArray[np.uint8]


def program_of(tables: TreeTables) -> Program:
    """Prepare checked trees for the walk."""
    nodes = np.zeros(len(tables.skips), _NODE)
    inner = np.flatnonzero(tables.skips)
    chosen = operands(tables.features[tables.node_features[inner]], tables.layout)
    for name, values in zip(chosen._fields, chosen, strict=True):
        nodes[name][inner] = values
    nodes["threshold"], nodes["skip"] = tables.thresholds, tables.skips
    roots = (tables.sizes.cumsum() - tables.sizes).astype(np.int32)
    return Program(
        nodes, roots, tables.addresses.copy(), tables.codings.copy(), tables.constants.copy()
    )


def walk(
    program: Program,
    states: npt.NDArray[np.uint8],
    inputs: npt.NDArray[np.int32],
    next_states: npt.NDArray[np.uint8],
    heads: npt.NDArray[np.int32],
) -> None:
    """Fill next states, uint8 (B, bytes), and what the heads predict, int32 (B, 3)."""
    nodes, addresses, codings = program.nodes, program.addresses, program.codings
    num_varying, num_inputs = len(addresses), inputs.shape[1]
    first_next, first_input = 1 + num_varying, 1 + 2 * num_varying  # as in RegisterLayout
    registers = np.zeros((_BLOCK, first_input + num_inputs), np.int32)
    for begin in range(0, len(states), _BLOCK):
        size = min(_BLOCK, len(states) - begin)
        for lane in range(size):
            for address in range(len(program.constants)):
                next_states[begin + lane, address] = program.constants[address]
            for number in range(num_varying):
                registers[lane, 1 + number] = states[begin + lane, addresses[number]]
            for number in range(num_inputs):
                registers[lane, first_input + number] = inputs[begin + lane, number]
        for tree in range(len(program.roots)):
            for lane in range(size):
                node = program.roots[tree]
                skip = nodes[node].skip
                while skip:
                    each = nodes[node]
                    value = (registers[lane, each.first] & each.mask) - registers[lane, each.second]
                    node += skip if value > each.threshold else 1
                    skip = nodes[node].skip
                predicted = nodes[node].threshold
                if tree >= num_varying:
                    heads[begin + lane, tree - num_varying] = predicted
                    continue
                if codings[tree] == _DIFFERENCE:
                    predicted = (registers[lane, 1 + tree] + predicted) & 255
                elif codings[tree] == _XOR:
                    predicted ^= registers[lane, 1 + tree]
                registers[lane, first_next + tree] = predicted
                next_states[begin + lane, addresses[tree]] = predicted


@cache
def compiled_walk() -> Callable[..., None]:
    """Return `walk`, compiled at its first call; the disk keeps it for other processes.

    Raises:
        InputError: numba is not installed.
    """
    numba = imported("numba", "dream")
    compiled: Callable[..., None]
    try:
        compiled = numba.njit(cache=True)(walk)
    except RuntimeError:  # no folder for it can be written
        compiled = numba.njit(walk)
    return compiled
