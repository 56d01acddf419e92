"""Bytes that follow from others are predicted after them, and nothing else changes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan.models.dynamics import ordered_bytes, tree_fitting
from atarigan.models.dynamics.byte_order import KnownByte, Trial, later_place
from atarigan.models.dynamics.byte_targets import ByteTarget
from atarigan.models.dynamics.byte_tree import ByteTree
from atarigan.models.dynamics.features import Columns, Feature, Kind, next_bytes, renumbered
from atarigan.models.dynamics.hard_examples import MinedTree
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
    fitter = with_games_first()
    assert fitter.mined().addresses.tolist() == [GAMES, POINTS, PADDLE, BALL]
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


def with_games_first() -> TreeFitter:
    fitter = TreeFitter()
    fitter.extend(tennis(30_000, seed=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordered_bytes, "easiest_first", lambda targets, *_: targets[::-1])
        fitter.fit()
    return fitter


def test_a_fit_that_is_interrupted_while_a_byte_moves_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def stopped(*_: Any) -> None:
        raise StoppedError

    fitter = with_games_first()
    monkeypatch.setattr(fitter, "_refitted", stopped)
    with pytest.raises(StoppedError):
        fitter.fit()
    assert fitter.mined().addresses[0] != GAMES
    fitter.mined().save(tmp_path / "mined.safetensors")
    restored = TreeFitter()
    restored.extend(tennis(30_000, seed=0))
    restored.restore(MinedRows.load(tmp_path / "mined.safetensors"))
    tables = restored.fit()
    assert tables.sizes[tables.addresses.tolist().index(GAMES)] < 10


def test_a_tree_that_reads_what_is_no_longer_earlier_is_dropped() -> None:
    fitter = with_games_first()
    mined = fitter.mined()
    late = mined.features.copy()
    late[0] = (Kind.NEXT_MINUS_PRESENT, 1, 1)  # tells the games together with the others
    restored = TreeFitter()
    restored.extend(tennis(30_000, seed=0))
    restored.restore(replace(mined, features=late))
    tables = restored.fit()
    unseen = tennis(5_000, seed=1)
    found = TreeDynamics(tables).step(unseen.states, unseen.inputs).states
    assert (found == unseen.next_states).all(1).mean() > 0.95


def test_a_place_is_searched_again_only_after_a_tree_has_grown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched = []
    monkeypatch.setattr(tree_fitting, "later_place", lambda _, number, *__: searched.append(number))
    fitter, calls = with_games_first(), []
    fitter.fit(progress=lambda *done: calls.append(done))
    num = len(searched)
    assert num == calls.count((0, 7)) == 2  # games and points, the others are small
    fitter.fit()
    assert len(searched) == num
    searched.clear()
    with_games_first().fit(unread={GAMES})
    assert len(searched) == 1


def columns_of_all(rng: np.random.Generator, num: int = 300) -> Columns:
    present, following = rng.integers(0, 256, (2, NUM_VARYING, num), np.uint8)
    inputs = rng.integers(-9, 9, (NUM_INPUTS, num), np.int32)
    return Columns(present, following, inputs, np.array(GROUPS, np.int16), grid(), arrays())


@pytest.mark.parametrize(("number", "place"), [(0, 4), (1, 2), (0, 1), (2, 4)])
def test_what_is_read_stays_the_same_when_a_byte_moves(number: int, place: int) -> None:
    columns = columns_of_all(np.random.default_rng(0))
    targets = [ByteTarget(100 + byte, Coding.VALUE, group) for byte, group in enumerate(GROUPS)]
    targets[-1].formulas = list(FORMULAS)
    rows, classes = np.arange(300), columns.next[0].astype(np.uint16)
    features = every_feature(NUM_VARYING)
    tree = ByteTree(columns, classes, features, rows, np.random.default_rng(0))
    targets[3].mined = MinedTree(tree, rows)
    known = OrderedBytes(targets, columns.grids, columns.arrays)
    numbers, moved = known.move(number, place, columns)
    assert known.addresses.index(100 + number) == place
    assert known.addresses.index(100 + place) == place - 1
    assert known.addresses == [100 + byte for byte in np.argsort(numbers)]
    again = [renumbered(each, numbers) for each in features]
    np.testing.assert_array_equal(moved.values(again), columns.values(features))
    mined = known.targets[numbers[3]].mined
    assert mined is not None
    np.testing.assert_array_equal(mined.tree.leaves(moved), tree.leaves(columns))
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


EVENT, FIRST, SECOND, HASHED = range(4)
OF_HASH = [Feature(Kind.PRESENT, HASHED)]
OF_EVENT = [Feature(Kind.NEXT_MINUS_PRESENT, EVENT, EVENT)]


def place_of(
    *,
    features: dict[int, list[Feature]] | None = None,
    formula_of: int | None = None,
    unread: tuple[int, ...] = (SECOND, HASHED),
    share: float = 0.0,
    is_copied: bool = False,
) -> tuple[int, dict[int, list[Feature]]] | None:
    """Where byte `EVENT` moves to, and the trees that change: it counts frames that a hash of byte
    `HASHED` tells. Byte `FIRST` counts those of them that another hash does not tell, a share of
    half if `share` is 0.5, and `SECOND` the others, or all if `share` is 0 or it is a copy.
    """
    rng = np.random.default_rng(0)
    present = rng.integers(0, 256, (4, 5000), np.uint8)
    event = present[HASHED].astype(int) * 167 % 251 % 2
    is_second = share * 251 > present[HASHED].astype(int) * 53 % 251
    others = is_second | (share == 0) | is_copied
    counts = np.stack([event, event * ~is_second, event * others, 0 * event])
    columns = Columns(present, present + counts.astype(np.uint8), np.zeros((0, 5000), np.int32))
    formula = FORMULAS[0]._replace(first=Feature(Kind.NEXT, EVENT))
    known = [
        KnownByte(
            (features or {EVENT: OF_HASH, FIRST: OF_HASH}).get(byte, []),
            [formula] if byte == formula_of else [],
            byte not in unread,
        )
        for byte in range(4)
    ]
    later = later_place(
        columns, EVENT, known, lambda byte: Trial(columns, counts[byte].astype(np.uint16), rng)
    )
    return None if later is None else (later.place, later.features)


def test_a_byte_moves_behind_what_it_follows_from() -> None:
    found = place_of()
    assert found is not None
    place, features = found
    assert place == FIRST
    assert features == {
        EVENT: [*OF_HASH, Feature(Kind.NEXT, 1), Feature(Kind.NEXT_MINUS_PRESENT, 1, 1)]
    }


def test_a_byte_moves_only_if_all_trees_together_get_smaller() -> None:
    assert place_of(features={EVENT: OF_HASH, FIRST: OF_EVENT}) is None


def test_a_tree_that_gains_nothing_stays() -> None:
    assert place_of(features={EVENT: [*OF_HASH, Feature(Kind.NEXT, FIRST)]}, share=0.9) is None


def test_what_may_not_be_read_moves_nothing_and_only_loses_a_feature() -> None:
    assert place_of(unread=(FIRST, SECOND, HASHED)) is None
    found = place_of(features={EVENT: OF_HASH, FIRST: OF_EVENT}, unread=(FIRST, HASHED))
    assert found is not None
    assert found[0] == SECOND
    assert found[1][FIRST] == []


def test_a_byte_may_need_two_others() -> None:
    features = {EVENT: OF_HASH, FIRST: OF_HASH, SECOND: OF_HASH}
    found = place_of(features=features, unread=(HASHED,), share=0.5)
    assert found is not None
    assert found[0] == SECOND
    assert len(found[1][EVENT]) == 5


def test_a_copy_does_not_keep_a_byte_from_its_place() -> None:
    """The copy tells it exactly, the other byte but for a few frames."""
    features = {EVENT: OF_HASH, FIRST: OF_HASH, SECOND: OF_EVENT}
    found = place_of(features=features, unread=(HASHED,), share=0.02, is_copied=True)
    assert found is not None
    assert found[0] == FIRST


@pytest.mark.parametrize("formula_of", [FIRST, SECOND])
def test_a_byte_that_a_formula_reads_stays_before_it(formula_of: int) -> None:
    """Also if the formula's tree is missing, as after an interruption."""
    found = place_of(formula_of=formula_of)
    assert (found is None) == (formula_of == FIRST)
