"""Random trees, and their plain evaluation: node after node, with the formulas once more."""

from dataclasses import replace
from functools import cache

import numpy as np

from atarigan.models.dynamics.byte_grids import OFFSETS, Grids
from atarigan.models.dynamics.features import Feature, Kind
from atarigan.models.dynamics.formulas import FIRST_FORMULA, Formula, Formulas, Operation
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.tree_tables import Coding, TreeTables

NUM_VARYING, NUM_INPUTS = 5, 2
GROUPS = (0, 1, 0, -1, 1)  # of the bytes
LAST_MEMBERS = (2, 4)  # of the groups
POINTERS, CELLS = (3, 1), (4, 0, 2)  # the grid's
ARRAYS = ((1, (3, -1, 0, 2) * 40), (0, (1, 1) * 100))  # index and members of each
FORMULAS = (  # the first ones may be held by any byte's leaves, the last ones by the last byte's
    Formula(constant=200),
    Formula(Operation.SUM, Feature(Kind.PRESENT, 1), Feature(Kind.PRESENT, 4), constant=7),
    Formula(Operation.DIFFERENCE, Feature(Kind.ENTRY, 0), Feature(Kind.PRESENT, 2)),
    Formula(Operation.XOR, Feature(Kind.PRESENT, 0), Feature(Kind.ENTRY, 1), 2, 0xBC, 250),
    Formula(Operation.SUM, Feature(Kind.ENTRY, 0), None, -2),
    Formula(Operation.SUM, Feature(Kind.NEXT, 3), None, -3, 0x0F, 1),
    Formula(Operation.DIFFERENCE, Feature(Kind.NEXT_ENTRY, 1), Feature(Kind.NEXT, 0), -1),
    Formula(Operation.SUM, Feature(Kind.PRESENT, 2), Feature(Kind.NEXT, 0)),
)
NUM_FREE_FORMULAS = 5
NUM_COLUMNS, WIDTH, HEIGHT = 2, 90, 120  # of its columns and rows, by values of the pointers


def plain_value(feature, present, following, inputs):
    kind, first, second = map(int, feature)
    return {
        Kind.PRESENT: lambda: present[first],
        Kind.INPUT: lambda: inputs[first],
        Kind.DIFFERENCE: lambda: present[first] - present[second],
        Kind.NEXT: lambda: following[first],
        Kind.NEXT_MINUS_PRESENT: lambda: following[first] - present[second],
        Kind.NEXT_DIFFERENCE: lambda: following[first] - following[second],
        Kind.BIT: lambda: present[first] & 2**second,
        Kind.LOW_NIBBLE: lambda: present[first] % 16,
        Kind.NEXT_BIT: lambda: following[first] & 2**second,
        Kind.NEXT_LOW_NIBBLE: lambda: following[first] % 16,
        Kind.NUM_CHANGED: lambda: sum(
            present[byte] != following[byte] for byte in range(5) if GROUPS[byte] == first
        ),
        Kind.CELL: lambda: plain_cell(present, OFFSETS[second]),
        Kind.ENTRY: lambda: plain_entry(first, present),
        Kind.ENTRY_MINUS_PRESENT: lambda: plain_entry(first, present) - present[second],
        Kind.NEXT_ENTRY: lambda: plain_entry(first, following),
        Kind.NEXT_ENTRY_MINUS_NEXT: lambda: plain_entry(first, following) - following[second],
    }[Kind(kind)]()


def plain_formula(formula, present, following):
    def read(operand):
        return 0 if operand is None else plain_value((*operand[:2], 0), present, following, ())

    first, second = read(formula.first) % 256, read(formula.second) % 256
    both = {
        Operation.SUM: first + second,
        Operation.DIFFERENCE: first - second,
        Operation.XOR: first ^ second,
    }[formula.operation] % 256
    both = both * 2**formula.shift if formula.shift >= 0 else both // 2**-formula.shift
    return ((int(both) & formula.mask) + formula.constant) % 256


def plain_entry(array, values):
    """The byte that an array's index picks, -1 for none."""
    index, members = ARRAYS[array]
    picked = values[index]
    return values[members[picked]] if picked < len(members) and members[picked] >= 0 else -1


def arrays():
    """The arrays, as tables."""
    return IndexedArrays.of(*zip(*ARRAYS, strict=True))


def plain_cell(present, offset):
    """What stands at the grid's cell: columns have rows of one byte each, and four of its bits."""
    pairs = zip(POINTERS, offset, strict=True)
    across, along = (min(max(present[byte] + more, 0), 255) for byte, more in pairs)
    place = across // WIDTH + along // HEIGHT
    if across >= NUM_COLUMNS * WIDTH or along == 0 or place >= len(CELLS):
        return 0
    bits = present[CELLS[place]] & (15 << across % 5)
    return 256 * (place + 1) + bits if bits else 0


def grid():
    """The grid, as tables."""
    values = np.arange(256)
    columns = np.where(values < NUM_COLUMNS * WIDTH, values // WIDTH, -1)
    rows = np.where(values > 0, values // HEIGHT, -1)
    return Grids(
        np.array([POINTERS], np.int16),
        np.stack([columns, rows])[None].astype(np.int16),
        (15 << values % 5 & 255).astype(np.uint8)[None],
        np.array([(*CELLS, -1)], np.int16),
    )


def plain_step(tables, state, inputs):
    """One state through all trees, node after node."""
    present = [int(state[address]) for address in tables.addresses]
    following: list[int] = []
    root = 0
    for tree, size in enumerate(tables.sizes.tolist()):
        node = root
        while tables.skips[node]:
            feature = tables.features[tables.node_features[node]]
            value = plain_value(feature, present, following, inputs)
            node += int(tables.skips[node]) if value > tables.thresholds[node] else 1
        value, root = int(tables.thresholds[node]), root + size
        if tree < len(present):
            coded = {
                Coding.VALUE: value,
                Coding.DIFFERENCE: (present[tree] + value) % 256,
                Coding.XOR: present[tree] ^ value,
            }
            number = value - FIRST_FORMULA
            value = (
                coded[Coding(tables.codings[tree])]
                if number < 0
                else plain_formula(FORMULAS[number], present, following)
            )
        following.append(value)
    after = state.copy()
    after[tables.addresses] = following[: len(present)]
    reward, end, lives = following[len(present) :]
    return after.tolist(), tables.rewards[reward], bool(end), lives


@cache
def every_feature(number):
    """All features of a tree before which `number` bytes are predicted."""
    ranges = {
        Kind.PRESENT: (NUM_VARYING, 1),
        Kind.INPUT: (NUM_INPUTS, 1),
        Kind.DIFFERENCE: (NUM_VARYING, NUM_VARYING),
        Kind.NEXT: (number, 1),
        Kind.NEXT_MINUS_PRESENT: (number, NUM_VARYING),
        Kind.NEXT_DIFFERENCE: (number, number),
        Kind.BIT: (NUM_VARYING, 8),
        Kind.LOW_NIBBLE: (NUM_VARYING, 1),
        Kind.NEXT_BIT: (number, 8),
        Kind.NEXT_LOW_NIBBLE: (number, 1),
        Kind.NUM_CHANGED: (sum(last < number for last in LAST_MEMBERS), 1),
        Kind.CELL: (1, len(OFFSETS)),
        Kind.ENTRY: (len(ARRAYS), 1),
        Kind.ENTRY_MINUS_PRESENT: (len(ARRAYS), NUM_VARYING),
    }
    known = [each for each, (i, members) in enumerate(ARRAYS) if max(i, *members) < number]
    features = [
        Feature(kind, first, second)
        for kind, (firsts, seconds) in ranges.items()
        for first in range(firsts)
        for second in range(seconds)
    ]
    features += [Feature(Kind.NEXT_ENTRY, array) for array in known]
    return features + [
        Feature(Kind.NEXT_ENTRY_MINUS_NEXT, array, byte)
        for array in known
        for byte in range(number)
    ]


def formula_tables(rng):
    """Tables of trees without nodes, whose leaves hold formulas of all kinds."""
    held = [4, 7, 6, 3, 5]
    leaves = [FIRST_FORMULA + number for number in held]
    return replace(
        random_tables(rng),
        features=np.zeros((0, 3), np.uint16),
        sizes=np.ones(NUM_VARYING + 3, np.int32),
        node_features=np.zeros(NUM_VARYING + 3, np.uint16),
        thresholds=np.array([*leaves, 1, 0, 3], np.int32),
        skips=np.zeros(NUM_VARYING + 3, np.int32),
    )


def random_tables(rng):
    """Tables of random trees, whose nodes read features of every kind."""
    features = every_feature(NUM_VARYING)
    number_of = {feature: number for number, feature in enumerate(features)}
    nodes, sizes = [], []

    def grow(allowed, num_values, depth, num_formulas):
        if depth == 0 or rng.random() < 0.1:
            held = int(rng.integers(num_values))
            if num_formulas and rng.random() < 0.5:
                held = FIRST_FORMULA + int(rng.integers(num_formulas))
            nodes.append((0, held, 0))
            return
        kind = Kind(rng.choice(list(allowed)))
        feature = allowed[kind][rng.integers(len(allowed[kind]))]
        threshold = {"BIT": 0, "NIBBLE": 7, "CHANGED": 1, "CELL": 256}.get(
            kind.name.split("_")[-1], 64
        )
        here = len(nodes)
        nodes.append(None)
        grow(allowed, num_values, depth - 1, num_formulas)
        threshold += int(rng.integers(-20, 20)) if kind < Kind.BIT else 0
        nodes[here] = (number_of[feature], threshold, len(nodes) - here)
        grow(allowed, num_values, depth - 1, num_formulas)

    for tree, num_values in enumerate([256] * NUM_VARYING + [3, 2, 256]):
        before = len(nodes)
        features_of: dict[Kind, list[Feature]] = {}
        for feature in every_feature(min(tree, NUM_VARYING)):
            features_of.setdefault(feature.kind, []).append(feature)
        num_formulas = [NUM_FREE_FORMULAS] * (NUM_VARYING - 1) + [len(FORMULAS), 0, 0, 0]
        grow(features_of, num_values, 5, num_formulas[tree])
        sizes.append(len(nodes) - before)
    numbers, thresholds, skips = np.array(nodes, np.int32).T
    return TreeTables(
        num_bytes=8,
        num_inputs=NUM_INPUTS,
        addresses=rng.permutation(8)[:NUM_VARYING].astype(np.int32),
        codings=rng.integers(0, 3, NUM_VARYING).astype(np.uint8),
        groups=np.array(GROUPS, np.int16),
        grids=grid(),
        arrays=arrays(),
        formulas=Formulas.of(FORMULAS),
        rewards=np.array([-1.0, 0.0, 2.5], np.float32),
        features=np.array(features, np.uint16),
        sizes=np.array(sizes, np.int32),
        node_features=numbers.astype(np.uint16),
        thresholds=np.ascontiguousarray(thresholds),
        skips=np.ascontiguousarray(skips),
    )
