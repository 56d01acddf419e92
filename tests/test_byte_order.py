"""Bytes that follow from others are predicted after them, and nothing else changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atarigan.models.dynamics import ordered_bytes
from atarigan.models.dynamics.byte_order import TreeOfByte, later_place
from atarigan.models.dynamics.byte_targets import ByteTarget
from atarigan.models.dynamics.features import Columns, Feature, Kind, next_bytes, renumbered
from atarigan.models.dynamics.mined_rows import MinedRows
from atarigan.models.dynamics.ordered_bytes import OrderedBytes
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_fitting import TreeFitter
from atarigan.models.dynamics.tree_tables import Coding
from tests.plain_trees import (
    FORMULAS,
    GROUPS,
    NUM_INPUTS,
    NUM_VARYING,
    arrays,
    every_feature,
    grid,
)

BALL, PADDLE, POINTS, GAMES = range(4)
LAST = 15  # the point that ends a game, modulo 16


def tennis(num: int, seed: int) -> FrameTransitions:
    """FrameTransitions of a game that is lost with every 16th point; a table of the places of ball
    and paddle tells whether a point is lost.
    """
    rng = np.random.default_rng(seed)
    states = rng.integers(0, [16, 16, 240, 200], (num, 4)).astype(np.uint8)
    states[rng.random(num) < 0.1, POINTS] |= LAST
    ball, paddle, points, games = states.astype(int).T
    is_lost = np.random.default_rng(0).random((16, 16))[ball, paddle] < 1 / 8
    is_over = is_lost & (points % 16 == LAST)
    following = np.stack([(ball + 1) % 16, paddle, points + is_lost, games + is_over], 1)
    nothing = np.zeros((num, 1))
    return FrameTransitions(
        states,
        following.astype(np.uint8),
        nothing.astype(np.int32),
        is_over.astype(np.float32),
        np.zeros(num, np.bool_),
        np.zeros(num, np.uint8),
    )


@pytest.fixture(scope="module")
def fitter() -> TreeFitter:
    """Fitted twice, at first with the games before the points."""
    fitter = TreeFitter()
    fitter.extend(tennis(30_000, seed=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordered_bytes, "easiest_first", lambda targets, *_: targets[::-1])
        first = fitter.fit()
    assert first.addresses.tolist() == [GAMES, POINTS, PADDLE, BALL]
    assert first.sizes[0] > 100
    fitter.fit()
    return fitter


def test_a_count_of_games_is_read_off_the_points(fitter: TreeFitter) -> None:
    tables = fitter.fit()
    order = tables.addresses.tolist()
    assert order.index(GAMES) > order.index(POINTS)
    assert tables.sizes[order.index(GAMES)] < 10
    unseen = tennis(20_000, seed=2)
    following = TreeDynamics(tables).step(unseen.states, unseen.inputs).states.astype(int)
    is_over = following[:, POINTS] // 16 > unseen.states[:, POINTS] // 16
    assert is_over.sum() > 200
    np.testing.assert_array_equal(following[:, GAMES] - unseen.states[:, GAMES], is_over)


def test_a_fit_goes_on_in_the_better_order(fitter: TreeFitter, tmp_path: Path) -> None:
    fitter.mined().save(tmp_path / "mined.safetensors")
    restored = TreeFitter()
    restored.extend(tennis(30_000, seed=0))
    restored.restore(MinedRows.load(tmp_path / "mined.safetensors"))
    known = fitter.mined()
    np.testing.assert_array_equal(restored.mined().addresses, known.addresses)
    for before, after in zip(known.trees(), restored.mined().trees(), strict=True):
        assert before is not None
        assert after is not None
        assert before.features == after.features
    np.testing.assert_array_equal(restored.fit().addresses, known.addresses)


def columns_of_all(rng: np.random.Generator, num: int = 300) -> Columns:
    present, following = rng.integers(0, 256, (2, NUM_VARYING, num), np.uint8)
    inputs = rng.integers(-9, 9, (NUM_INPUTS, num), np.int32)
    return Columns(present, following, inputs, np.array(GROUPS, np.int16), grid(), arrays())


@pytest.mark.parametrize(("number", "place"), [(0, 4), (1, 2), (0, 1), (2, 4)])
def test_what_is_read_stays_the_same_when_a_byte_moves(number: int, place: int) -> None:
    columns = columns_of_all(np.random.default_rng(0))
    targets = [ByteTarget(100 + byte, Coding.VALUE, group) for byte, group in enumerate(GROUPS)]
    targets[-1].formulas = list(FORMULAS)
    known = OrderedBytes(targets, columns.grids, columns.arrays)
    numbers, moved = known.move(number, place, columns)
    assert known.addresses.index(100 + number) == place
    assert known.addresses.index(100 + place) == place - 1
    assert known.addresses == [100 + byte for byte in np.argsort(numbers)]
    features = every_feature(NUM_VARYING)
    again = [renumbered(each, numbers) for each in features]
    np.testing.assert_array_equal(moved.values(again), columns.values(features))
    formulas = known.targets[numbers[NUM_VARYING - 1]].formulas
    for formula, former in zip(formulas, FORMULAS, strict=True):
        np.testing.assert_array_equal(formula.values(moved), former.values(columns))


def test_the_next_values_that_a_feature_reads_are_those_that_change_it() -> None:
    """Each feature is compared with itself after a byte's next values were replaced."""
    rng = np.random.default_rng(1)
    columns = columns_of_all(rng, num=4000)
    features = [
        each
        for each in every_feature(NUM_VARYING)
        if each.kind != Kind.NEXT_DIFFERENCE or each.first != each.second
    ]
    before = columns.values(features)
    for byte in range(NUM_VARYING):
        following = columns.next.copy()
        following[byte] = rng.integers(0, 256, following.shape[1], np.uint8)
        after = replace(columns, next=following).values(features)
        is_changed = (after != before).any(1).tolist()
        assert is_changed == [byte in next_bytes(each, columns) for each in features]


class Bytes:
    """Three bytes that are counted up in the same frames, which a hash of a fourth one tells."""

    def __init__(self, *, is_circular: bool, has_formula: bool = False) -> None:
        rng = np.random.default_rng(0)
        present = rng.integers(0, 256, (4, 5000), np.uint8)
        event = (present[3].astype(int) * 167 % 251 % 2).astype(np.uint8)
        following = present + event * np.array([[1], [1], [1], [0]], np.uint8)
        self.columns = Columns(present, following, np.zeros((0, 5000), np.int32))
        rows = np.arange(5000)
        of_hash = [Feature(Kind.PRESENT, 3)]
        of_first = [Feature(Kind.NEXT_MINUS_PRESENT, 0, 0)] if is_circular else of_hash
        formulas = [FORMULAS[0]._replace(first=Feature(Kind.NEXT, 0))] if has_formula else []
        classes = event.astype(np.uint16)
        self.trees = [
            TreeOfByte(of_hash, [], rows, classes),
            TreeOfByte(of_first, formulas, rows, classes),
            None,
            None,
        ]

    def place(self, is_read: list[bool]) -> int | None:
        rng = np.random.default_rng(0)
        flags = np.array(is_read)
        later = later_place(self.columns, 0, flags, self.trees.__getitem__, rng)
        return None if later is None else later.place


def test_a_byte_moves_only_where_that_makes_all_trees_together_smaller() -> None:
    assert Bytes(is_circular=False).place([True, True, False, True]) == 1
    assert Bytes(is_circular=True).place([True, True, False, True]) is None


def test_a_byte_does_not_move_behind_what_may_not_be_read() -> None:
    assert Bytes(is_circular=False).place([True, False, False, False]) is None


def test_a_byte_that_a_formula_reads_stays_before_it() -> None:
    some = Bytes(is_circular=False, has_formula=True)
    assert some.place([True, True, False, False]) is None
