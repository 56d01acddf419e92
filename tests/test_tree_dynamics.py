"""TreeDynamics: learns a made-up machine exactly, walks as its tables say, refuses damaged ones."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from atarigan.config.extras import compiled
from atarigan.errors import InputError
from atarigan.models import dynamics
from atarigan.models.dynamics import tree_walk
from atarigan.models.dynamics.dynamics import Dynamics
from atarigan.models.dynamics.feature_selection import CandidateFeatures
from atarigan.models.dynamics.features import Columns
from atarigan.models.dynamics.mined_rows import MinedRows
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_fitting import TreeFitter
from atarigan.models.dynamics.tree_tables import TreeTables
from tests.plain_trees import (
    GROUPS,
    NUM_INPUTS,
    NUM_VARYING,
    arrays,
    every_feature,
    formula_tables,
    grid,
    plain_step,
    plain_value,
    random_tables,
)

TABLES = (random_tables, formula_tables)
NUM_BYTES = 13
LOW, HIGH, X, Y, VELOCITY, PADDLE, COPY, SCORE, LIVES, CONSTANT, HEIGHT, CLIMB, IS_HIGH = range(13)
LEFT_WALL, RIGHT_WALL = 20, 37


def made_up(num, seed):
    """FrameTransitions of a machine of 13 bytes, from random states: a counter that carries, a ball
    that a paddle throws back, a copy of a byte, a score in BCD, lives, a constant, and a flag that
    depends on the sum of two bytes.
    """
    rng = np.random.default_rng(seed)
    states = np.zeros((num, NUM_BYTES), np.uint8)
    states[:, [LOW, HIGH, COPY, HEIGHT]] = rng.integers(0, 256, (num, 4))
    states[:, CLIMB], states[:, IS_HIGH] = rng.integers(0, 30, num), rng.integers(0, 2, num)
    states[:, X] = rng.choice([LEFT_WALL, RIGHT_WALL, *range(LEFT_WALL, RIGHT_WALL + 1)], num)
    is_at_wall = rng.random(num) < 0.6
    states[is_at_wall, X] = rng.choice([LEFT_WALL, RIGHT_WALL], is_at_wall.sum())
    states[:, [Y, PADDLE]] = rng.integers(100, 120, (num, 2))
    states[:, VELOCITY] = rng.choice([1, 255], num)
    states[:, SCORE] = rng.integers(0, 10, num) * 16 + rng.integers(0, 10, num)
    states[:, LIVES], states[:, CONSTANT] = rng.integers(1, 4, num), 77
    inputs = rng.integers(-1, 2, (num, 1)).astype(np.int32)
    return machine(states, inputs)


def machine(states, inputs):
    wide = states.astype(int)
    after = wide.copy()
    after[:, LOW] += 1
    after[:, HIGH] += after[:, LOW] == 256
    after[:, COPY] = wide[:, Y]
    after[:, HEIGHT] = (wide[:, HEIGHT] + wide[:, CLIMB]) % 256
    after[:, IS_HIGH] = after[:, HEIGHT] > 130
    after[:, PADDLE] += inputs[:, 0]
    is_left = (wide[:, X] == LEFT_WALL) & (wide[:, VELOCITY] == 255)
    is_hit = is_left & (np.abs(wide[:, Y] - wide[:, PADDLE]) < 4)
    is_miss = is_left & ~is_hit
    is_goal = (wide[:, X] == RIGHT_WALL) & (wide[:, VELOCITY] == 1)
    after[is_hit, VELOCITY], after[is_goal, VELOCITY] = 1, 255
    velocity = np.where(after[:, VELOCITY] == 1, 1, -1)
    after[:, X] = np.where(is_miss, 30, wide[:, X] + velocity)
    after[:, LIVES] -= is_miss
    points = (wide[:, SCORE] >> 4) * 10 + (wide[:, SCORE] & 15) + is_goal
    after[:, SCORE] = points // 10 % 10 * 16 + points % 10
    return FrameTransitions(
        states,
        (after & 255).astype(np.uint8),
        inputs,
        is_goal.astype(np.float32) - is_miss.astype(np.float32) / 2,
        after[:, LIVES] == 0,
        after[:, LIVES].astype(np.uint8),
    )


@pytest.fixture(scope="module")
def fitted():
    return TreeDynamics.fit(made_up(5000, seed=0))


def assert_predicts(predicted, true):
    np.testing.assert_array_equal(predicted.states, true.next_states)
    np.testing.assert_array_equal(predicted.rewards, true.rewards)
    np.testing.assert_array_equal(predicted.ends, true.ends)
    np.testing.assert_array_equal(predicted.lives, true.lives)


def test_the_machine_is_learned_exactly_where_it_was_not_seen(fitted):
    seen, unseen = made_up(5000, seed=0), made_up(20_000, seed=1)
    known = {state.tobytes() for state in seen.states}
    assert not any(state.tobytes() in known for state in unseen.states)
    assert unseen.ends.any()
    assert_predicts(fitted.step(unseen.states, unseen.inputs), unseen)
    assert fitted.step(unseen.states, unseen.inputs).states.dtype == np.uint8


def test_a_state_is_predicted_alone_as_in_a_batch_of_any_layout(fitted):
    some = made_up(37, seed=2)
    batch = fitted.step(np.asfortranarray(some.states), some.inputs)
    for number in range(37):
        one = slice(number, number + 1)
        alone = fitted.step(some.states[one], some.inputs[one])
        for each, whole in zip(alone, batch, strict=True):
            np.testing.assert_array_equal(each, whole[one])
    assert [len(each) for each in fitted.step(some.states[:0], some.inputs[:0])] == [0] * 5


@pytest.mark.parametrize("stops_with_life", [False, True])
def test_frames_in_a_row_are_those_of_single_steps(fitted, stops_with_life):
    games = made_up(200, seed=4)
    lives = games.states[:, LIVES].copy()
    rng = np.random.default_rng(0)
    inputs = rng.integers(-1, 2, (200, 30, 1)).astype(np.int32)
    most = rng.integers(1, 31, 200)
    arguments = (games.states, lives, inputs, most)
    found = fitted.play(*arguments, stops_with_life=stops_with_life)
    expected = Dynamics.play(fitted, *arguments, stops_with_life=stops_with_life)
    for each, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(each, other, strict=True)
    assert found.ends.any()
    assert (found.num_frames <= most).all()
    assert (found.num_frames < most).any()


def test_a_byte_that_never_varied_stays_as_it_is(fitted):
    """Such as a score in play that never scored."""
    few = made_up(50, seed=5)
    byte = next(each for each in range(few.states.shape[1]) if each not in fitted.tables.addresses)
    states = few.states.copy()
    states[:, byte] += 100
    after = fitted.step(states, few.inputs).states
    np.testing.assert_array_equal(after[:, byte], states[:, byte])
    np.testing.assert_array_equal(np.delete(after, byte, 1), np.delete(few.next_states, byte, 1))


def test_the_same_seed_gives_the_same_trees():
    few = made_up(300, seed=3)
    tables = [TreeDynamics.fit(few, seed=seed).tables for seed in (1, 1, 2)]
    for field in dataclasses.fields(TreeTables):
        if field.name not in ("grids", "arrays", "formulas"):
            np.testing.assert_array_equal(*(getattr(each, field.name) for each in tables[:2]))
    assert tables[0].formulas.each() == tables[1].formulas.each()
    assert not np.array_equal(tables[0].thresholds, tables[2].thresholds)


def test_the_reward_reads_the_bytes_of_the_score_alone():
    """Not the place of the ball, which tells the points as well."""
    played = made_up(2000, seed=5)
    points = np.maximum(played.rewards, 0)  # what a miss costs is no part of the score
    transitions = dataclasses.replace(played, rewards=points)
    fitter = TreeFitter()
    fitter.extend(transitions)
    tables = fitter.fit(score=[SCORE])
    head = len(tables.addresses)
    begin = int(tables.sizes[:head].sum())
    nodes = slice(begin, begin + int(tables.sizes[head]))
    inner = tables.node_features[nodes][tables.skips[nodes] > 0]
    assert {int(tables.addresses[first]) for _, first, _ in tables.features[inner]} == {SCORE}
    predicted = TreeDynamics(tables).step(transitions.states, transitions.inputs)
    np.testing.assert_array_equal(predicted.rewards, points)


def test_noise_and_single_transitions_can_be_fitted():
    rng = np.random.default_rng(0)
    noise = np.stack([rng.permutation(256), rng.integers(0, 256, 256)])[..., None].astype(np.uint8)
    nothing = np.zeros((256, 0), np.int32)
    rewards, lives = np.arange(256, dtype=np.float32) % 3 // 2, np.zeros(256, np.uint8)
    noisy = FrameTransitions(*noise, nothing, rewards, lives > 0, lives)
    repeated = fit_and_step(noisy)
    np.testing.assert_array_equal(repeated.states, noisy.next_states)
    constant = FrameTransitions(noise[0] * 0, noise[0] * 0, nothing, rewards, lives > 0, lives)
    assert fit_and_step(constant).rewards.tolist() == [0.0] * 256
    assert_predicts(fit_and_step(noisy[:1]), noisy[:1])


def fit_and_step(transitions):
    return TreeDynamics.fit(transitions).step(transitions.states, transitions.inputs)


@pytest.mark.parametrize(
    ("states", "inputs", "message"),
    [
        (np.zeros((2, 9), np.uint8), np.zeros((2, 1), np.int32), "states must have 13 columns"),
        (
            np.zeros((2, NUM_BYTES), np.int32),
            np.zeros((2, 1), np.int32),
            "states must be uint8 with 2",
        ),
        (
            np.zeros(NUM_BYTES, np.uint8),
            np.zeros((2, 1), np.int32),
            r"not uint8 of the shape \(13,\)",
        ),
        (
            np.zeros((2, NUM_BYTES), np.uint8),
            np.zeros((2, 2), np.int32),
            "inputs must have 1 columns",
        ),
        (np.zeros((2, NUM_BYTES), np.uint8), np.zeros((2, 1), np.int64), "inputs must be int32"),
        (np.zeros((2, NUM_BYTES), np.uint8), np.zeros((3, 1), np.int32), "of 2 states, not of 3"),
    ],
)
def test_wrong_batches_are_refused(fitted, states, inputs, message):
    with pytest.raises(InputError, match=message):
        fitted.step(states, inputs)


def test_what_cannot_be_fitted_is_refused():
    few = made_up(300, seed=0)
    with pytest.raises(InputError, match="at least one, not 0"):
        TreeDynamics.fit(few[:0])
    few.inputs[7] = (1 << 24) + 1
    with pytest.raises(InputError, match="inputs must be within ±16777216, not -1 to 16777217"):
        TreeDynamics.fit(few)
    few.inputs[7], few.rewards[:] = 1, np.arange(300)
    with pytest.raises(InputError, match="at most 256 different values, not 300"):
        TreeDynamics.fit(few)


def test_missing_modules_name_the_extra(fitted, monkeypatch):
    few = made_up(10, seed=0)
    tree_walk.compiled_walk.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(InputError, match=r"^numba is not installed: .*'atarigan\[dream\]'$"):
        fitted.step(few.states, few.inputs)
    monkeypatch.delitem(sys.modules, "atarigan.models.dynamics.tree_growth", raising=False)
    monkeypatch.delattr(dynamics, "tree_growth", raising=False)
    with pytest.raises(InputError, match=r"^numba is not installed: .*\[dream\]'$"):
        TreeDynamics.fit(few)


@pytest.fixture
def no_folder_to_keep_in(monkeypatch):
    import numba

    def without_folder(*arguments, cache=False):
        if cache:
            raise RuntimeError("cannot cache function 'walk': no locator available")
        return njit(*arguments)

    njit = numba.njit
    monkeypatch.setattr(numba, "njit", without_folder)


def doubled(values):
    for index in range(len(values)):
        values[index] *= 2


@pytest.mark.usefixtures("no_folder_to_keep_in")
def test_functions_are_compiled_where_nothing_can_be_kept():
    values = np.arange(3)
    function: Any = compiled(doubled)
    function(values)
    assert values.tolist() == [0, 2, 4]
    assert function.signatures


@pytest.mark.slow  # compiles all of the walk
@pytest.mark.usefixtures("no_folder_to_keep_in")
def test_steps_are_compiled_where_nothing_can_be_kept(fitted):
    tree_walk.compiled_walk.cache_clear()
    few = made_up(10, seed=0)
    assert_predicts(fitted.step(few.states, few.inputs), few)


@hypothesis.settings(max_examples=20)
@hypothesis.given(seed=st.integers(0, 2**32), tables_of=st.sampled_from(TABLES))
def test_compiled_steps_are_those_of_a_plain_evaluation(seed, tables_of):
    rng = np.random.default_rng(seed)
    tables = tables_of(rng)
    states = rng.integers(0, 256, (40, 8)).astype(np.uint8)
    inputs = rng.integers(-(2**31), 2**31, (40, NUM_INPUTS)).astype(np.int32)
    inputs[:20] = rng.integers(0, 128, (20, NUM_INPUTS))
    found = TreeDynamics(tables).step(states, inputs)
    for number, each in enumerate(zip(states, inputs.tolist(), strict=True)):
        after, reward, end, lives = plain_step(tables, *each)
        assert found.states[number].tolist() == after
        assert (found.rewards[number], found.ends[number]) == (reward, end)
        assert found.lives[number] == lives


def test_trees_are_fitted_to_the_values_that_are_walked():
    rng = np.random.default_rng(0)
    present, following = rng.integers(0, 256, (2, NUM_VARYING, 30)).astype(np.uint8)
    inputs = rng.integers(-(2**24), 2**24, (NUM_INPUTS, 30)).astype(np.int32)
    features = every_feature(NUM_VARYING)
    values = Columns(
        present, following, inputs, np.array(GROUPS, np.int16), grid(), arrays()
    ).values(features)
    states = zip(*(each.T.tolist() for each in (present, following, inputs)), strict=True)
    plain = [[plain_value(each, *state) for each in features] for state in states]
    np.testing.assert_array_equal(values.T, plain)


def test_what_is_loaded_takes_the_same_steps(fitted, tmp_path):
    fitted.save(tmp_path / "deep" / "model")
    loaded = TreeDynamics.load(tmp_path / "deep" / "model")
    some = made_up(200, seed=4)
    assert_predicts(loaded.step(some.states, some.inputs), some)
    assert loaded.num_nodes == fitted.num_nodes > 50
    names = {path.name for path in (tmp_path / "deep" / "model").iterdir()}
    assert names == {"dynamics.json", "trees.safetensors"}


def test_trees_are_fitted_again_from_the_rows_that_were_kept(tmp_path: Path) -> None:
    transitions = made_up(5000, 0)
    first, second = TreeFitter(0), TreeFitter(1)
    first.extend(transitions)
    before = TreeDynamics(first.fit())
    first.mined().save(tmp_path / "mined.safetensors")
    second.extend(transitions)
    second.restore(MinedRows.load(tmp_path / "mined.safetensors"))
    after = TreeDynamics(second.fit())
    of_trees = zip(first.mined().trees(), second.mined().trees(), strict=True)
    for kept, again in of_trees:
        assert kept is not None
        assert again is not None
        assert kept.features == again.features
        np.testing.assert_array_equal(kept.rows, again.rows)
    unseen = made_up(2000, 1)
    np.testing.assert_array_equal(
        before.step(transitions.states, transitions.inputs).states,
        after.step(transitions.states, transitions.inputs).states,
    )
    assert (after.step(unseen.states, unseen.inputs).states == unseen.next_states).mean() > 0.98


def test_a_fit_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(num_done: int, num: int) -> None:
        if num_done == 5:
            raise StoppedError

    transitions = made_up(2000, 0)
    first, second = TreeFitter(0), TreeFitter(0)
    first.extend(transitions)
    with pytest.raises(StoppedError):
        first.fit(progress=stop)
    kept = first.mined().trees()
    assert [each is None for each in kept[:-3]] == [False] * 5 + [True] * (len(kept) - 8)
    second.extend(transitions)
    second.restore(first.mined())
    second.fit()
    for before, after in zip(kept[:5], second.mined().trees(), strict=False):
        assert before is not None
        assert after is not None
        assert before.features == after.features


def test_no_other_tree_reads_a_byte_that_nothing_reads():
    """Its tree is of a sample, and would spoil theirs; also if they read it in the fit before."""
    fitter = TreeFitter(0)
    fitter.extend(made_up(4000, 0))
    fitter.fit()
    assert len(readers_of(X, fitter.mined())) > 1
    fitter.fit(unread={X})
    assert readers_of(X, fitter.mined()) == [X]


def readers_of(address, mined):
    """Addresses of the bytes whose trees read a byte, and None for rewards, ends and lives."""
    num = len(mined.addresses)
    columns = Columns(*np.zeros((2, num, 1), np.uint8), np.zeros((NUM_INPUTS, 1), np.int32))
    unread = np.flatnonzero(mined.addresses == address).tolist()
    reads = CandidateFeatures(columns, unread=unread).reads_unread
    of_trees = zip([*mined.addresses.tolist(), None, None, None], mined.trees(), strict=True)
    return [each for each, tree in of_trees if tree and any(map(reads, tree.features))]


def test_rows_of_other_transitions_are_refused() -> None:
    first, second = TreeFitter(0), TreeFitter(0)
    first.extend(made_up(3000, 0))
    first.fit()
    second.extend(made_up(2000, 0))
    with pytest.raises(InputError, match="rows must be below 2000, not"):
        second.restore(first.mined())
