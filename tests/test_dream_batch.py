"""Many games at once: sticky actions, ends of episodes, and random streams."""

import numpy as np
import pytest

from atarigan.models.dynamics.dream_batch import DreamBatch
from atarigan.models.dynamics.random_streams import keys_of, uniforms
from tests.learned_games import GAME, LIFE, counting_dream, learned_breakout

FIRE, RIGHT, LEFT = 1, 2, 3


def begun(num: int, seed: int = 0, num_starts: int = 1, **options: object) -> DreamBatch:
    batch = DreamBatch(counting_dream(num_starts), num, **options)
    batch.seed(np.arange(num), np.arange(seed, seed + num, dtype=np.uint64))
    batch.reset(np.arange(num))
    return batch


def test_a_step_sums_the_rewards_of_its_frames() -> None:
    batch = begun(3)
    outcomes = batch.step(np.array([FIRE, RIGHT, LEFT]))
    assert outcomes.rewards.tolist() == [8, 0, -12]
    assert batch.games.rams[:, 0].tolist() == [4, 4, 4]
    assert batch.games.num_frames.tolist() == [4, 4, 4]
    assert not outcomes.ends.any()


def test_actions_persist_as_often_as_sticky_says() -> None:
    """A frame that repeats the action before it, no-op, is worth nothing."""
    num, sticky = 20_000, 0.6
    batch = begun(num, frame_skip=3, sticky=sticky)
    persisted = 3 - batch.step(np.full(num, FIRE)).rewards / 2
    for length in (1, 2, 3):
        assert (persisted >= length).mean() == pytest.approx(sticky**length, abs=0.01)


@pytest.mark.parametrize(("sticky", "rewards"), [(0, [8, 8]), (1, [0, 0])])
def test_without_chance_all_actions_persist_or_none(sticky: float, rewards: list[float]) -> None:
    batch = begun(1, sticky=sticky)
    assert [batch.step(np.array([FIRE])).rewards[0] for _ in range(2)] == rewards
    assert batch.games.num_drawn.tolist() == [1]  # of the start alone


def test_the_action_of_the_last_frame_persists_into_the_next_step() -> None:
    batch = begun(1, frame_skip=1, sticky=0)
    batch.step(np.array([FIRE]))
    batch.sticky = 1
    assert batch.step(np.array([LEFT])).rewards.tolist() == [2]


def test_a_step_stops_at_the_frame_that_ends_the_game() -> None:
    batch = begun(2)
    batch.games.rams[:, 0] = GAME - 3, 0
    outcomes = batch.step(np.array([FIRE, FIRE]))
    assert outcomes.ends.tolist() == [True, False]
    assert outcomes.rewards.tolist() == [6, 8]
    assert batch.games.num_frames.tolist() == [3, 4]


def test_a_step_stops_at_the_longest_episode() -> None:
    batch = begun(2, max_frames=6)
    assert not batch.step(np.array([FIRE, FIRE])).truncations.any()
    batch.games.num_frames[1] = 0
    outcomes = batch.step(np.array([FIRE, FIRE]))
    assert outcomes.truncations.tolist() == [True, False]
    assert not outcomes.ends.any()
    assert outcomes.rewards.tolist() == [4, 8]


@pytest.mark.parametrize("ends_with_life", [False, True])
def test_a_lost_life_ends_an_episode_if_asked(ends_with_life: bool) -> None:
    batch = begun(1, frame_skip=LIFE + 2, ends_with_life=ends_with_life)
    outcomes = batch.step(np.array([FIRE]))
    assert outcomes.ends.tolist() == [ends_with_life]
    assert batch.games.lives.tolist() == [2]
    assert batch.games.num_frames.tolist() == [LIFE if ends_with_life else LIFE + 2]


def test_some_games_play_and_the_others_wait() -> None:
    batch, whole = begun(4, sticky=0.5), begun(4, sticky=0.5)
    rows = np.array([1, 3])
    outcomes = batch.step(np.array([FIRE, FIRE]), rows)
    expected = whole.step(np.full(4, FIRE))
    np.testing.assert_array_equal(outcomes.rewards, expected.rewards[rows])
    np.testing.assert_array_equal(batch.games.rams[rows], whole.games.rams[rows])
    assert batch.games.num_frames.tolist() == [0, 4, 0, 4]
    assert batch.games.num_drawn.tolist() == [1, 2, 1, 2]


def test_games_begin_with_every_start_and_up_to_most_no_ops() -> None:
    num = 3000
    batch = begun(num, num_starts=3)
    counts = np.bincount(batch.games.rams[:, 0])
    np.testing.assert_allclose(counts / num, 1 / 3, atol=0.03)
    batch = DreamBatch(counting_dream(), num)
    batch.seed(np.arange(num), np.arange(num, dtype=np.uint64))
    batch.reset(np.arange(num), most_noops=4)
    np.testing.assert_allclose(np.bincount(batch.games.num_frames) / num, 1 / 5, atol=0.03)
    np.testing.assert_array_equal(batch.games.rams[:, 0], batch.games.num_frames)


def test_a_learned_game_moves_its_paddle_as_ale_does() -> None:
    batch = DreamBatch(learned_breakout(), 2, frame_skip=1, sticky=0)
    batch.reset(np.arange(2))
    before = batch.games.resistances.copy()
    batch.step(np.array([RIGHT, LEFT]))
    assert (batch.games.resistances - before).tolist() == [-23_000, 23_000]
    for _ in range(40):
        batch.step(np.array([RIGHT, LEFT]))
    assert batch.games.resistances.tolist() == [27_450, 790_196]


def test_a_game_depends_on_its_own_seed_alone() -> None:
    actions = np.random.default_rng(0).integers(4, size=(20, 5))
    many, one = begun(5, seed=7, num_starts=9, sticky=0.5), begun(1, 9, 9, sticky=0.5)
    for each in actions:
        rewards = many.step(each).rewards
        assert rewards[2] == one.step(each[2:3]).rewards[0]
        np.testing.assert_array_equal(many.games.rams[2], one.games.rams[0])


def test_numbers_of_streams_are_uniform_and_independent() -> None:
    num = 400
    keys = np.repeat(keys_of(np.arange(num, dtype=np.uint64)), num)
    numbers = uniforms(keys, np.tile(np.arange(num, dtype=np.uint64), num)).reshape(num, num)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.histogram(numbers, 20, (0, 1))[0] / num**2
    np.testing.assert_allclose(counts, 1 / 20, atol=0.003)
    for here, there in (
        (numbers[:, 1:], numbers[:, :-1]),  # a number and the one before
        (numbers[1:], numbers[:-1]),  # streams of seeds in a row
        (numbers[1:, :-1], numbers[:-1, 1:]),
    ):
        assert abs(np.corrcoef(here.ravel(), there.ravel())[0, 1]) < 0.01
    assert len(np.unique(numbers)) == num**2


def test_numbers_are_those_of_splitmix64() -> None:
    """Of seed 1234567, as published at https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64"""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    found = uniforms(np.full(3, 1234567, np.uint64), np.arange(3, dtype=np.uint64))
    assert found.tolist() == [(number >> 11) / 2**53 for number in published]


def test_the_largest_seed_has_a_stream() -> None:
    batch = DreamBatch(counting_dream(9), 2)
    batch.seed(np.arange(2), np.array([2**64 - 1, 0], np.uint64))
    batch.reset(np.arange(2))
    assert len(set(batch.games.keys.tolist())) == 2
