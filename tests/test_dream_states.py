"""Dreams go on from where they were, or from states that are given."""

import pickle
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from atarigan import FrameGenerator
from atarigan.envs import DreamVectorEnv
from atarigan.errors import InputError
from tests.learned_games import (
    GAME,
    LIFE,
    assert_equal,
    counting,
    counting_dream,
    learned,
    learned_breakout,
    played,
    row_of,
)

FIRE = 1


@pytest.fixture(scope="module")
def breakout() -> FrameGenerator:
    return FrameGenerator.load("breakout", device="cpu")


def test_a_clone_goes_on_in_the_same_way(breakout: FrameGenerator) -> None:
    env, other = learned(breakout, stack_num=2), learned(breakout, stack_num=2)
    env.reset(seed=0)
    other.reset(seed=1)
    played(env, [FIRE, 2, 2])
    state = env.clone_state()
    actions = [2, 3, 3, 2, 0, 2]
    expected = played(env, actions)
    for each in (env, other):
        each.restore_state(pickle.loads(pickle.dumps(state)))
        assert_equal(played(each, actions), expected)
    envs = DreamVectorEnv(learned_breakout(), 3, breakout, stack_num=2)
    envs.reset(seed=5)
    envs.restore_state(None, state)
    for action, each in zip(actions, expected, strict=True):
        found = envs.step([action] * 3)
        for index in range(3):
            assert_equal([row_of(part, index) for part in found], each)


def test_without_its_random_stream_a_clone_has_other_luck() -> None:
    dream = counting_dream(sticky=0.5)
    envs = DreamVectorEnv(dream, 64)
    envs.reset(seed=0)
    envs.step([FIRE] * 64)
    states = [envs.clone_state(3, include_rng=each) for each in (False, True)]
    for state, num_outcomes in zip(states, (5, 1), strict=True):
        envs.restore_state(None, state)
        assert len(np.unique(envs.step([0] * 64)[1])) == num_outcomes


def test_one_sub_environment_is_restored(breakout: FrameGenerator) -> None:
    envs = DreamVectorEnv(learned_breakout(), 3, breakout, stack_num=2)
    before, _ = envs.reset(seed=0)
    state = envs.clone_state(1)
    after = envs.step([2, 2, 2])
    envs.restore_state(0, state)
    again = envs.step([2, 2, 2])
    assert_equal(again[0][0], after[0][1])
    assert again[4]["episode_frame_number"].tolist() == [4, 8, 8]
    assert not np.array_equal(before, after[0])


def test_an_ended_game_is_restored_as_one() -> None:
    envs = DreamVectorEnv(counting_dream(), 2, frameskip=GAME, autoreset_mode="Disabled")
    envs.reset(seed=0)
    start = envs.clone_state(0)
    envs.step([0, 0])
    end = envs.clone_state(0)
    envs.restore_state(None, start)
    assert envs.step([0, 0])[2].all()
    envs.restore_state(None, start)
    envs.restore_state(1, end)
    with pytest.raises(ResetNeeded, match="reset_mask"):
        envs.step([0, 0])


def test_what_if_the_ram_were_another(breakout: FrameGenerator) -> None:
    env = learned(breakout, obs_type="both")
    first, info = env.reset(seed=0)
    after = env.step(FIRE)[0]
    seen = env.set_state(info["ram"], lives=2, resistance=27_450)
    assert_equal(seen, first)
    assert not np.array_equal(after["ram"], first["ram"])
    state = env.clone_state()
    assert state.game.lives.tolist() == [2]
    assert state.game.resistances.tolist() == [27_450]
    envs = DreamVectorEnv(learned_breakout(), 2, breakout, obs_type="ram")
    others, _ = envs.reset(seed=0)
    assert_equal(envs.set_state(1, after["ram"])[1], after["ram"])
    assert_equal(envs.set_state(1, after["ram"])[0], others[0])
    assert (envs.set_state(None, after["ram"]) == after["ram"]).all()


def test_another_ram_has_the_lives_that_follow_from_it() -> None:
    """An episode of one life goes on from RAM of a game that has lost one."""
    env = counting(episodic_life=True, frameskip=1)
    env.reset(seed=0)
    env.set_state(np.array([LIFE + 1, 0], np.uint8))
    _, _, terminated, _, info = env.step(0)
    assert not terminated
    assert (info["lives"], info["episode_frame_number"]) == (2, 1)


def test_a_game_that_is_over_goes_on_from_another_state() -> None:
    env = counting(frameskip=GAME)
    env.reset(seed=0)
    assert env.step(0)[2]
    env.set_state(np.zeros(2, np.uint8))
    assert env.step(0)[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ram": [0, 0]}, r"ram must be an array uint8 \(2,\), not \[0, 0\]"),
        ({"ram": np.zeros(2)}, r"uint8 \(2,\), not float64 \(2,\)"),
        ({"ram": np.zeros(3, np.uint8)}, r"uint8 \(2,\), not uint8 \(3,\)"),
        ({"lives": 256}, "lives must be a whole number from 0 to 255, not 256"),
        ({"resistance": 30_000}, "resistance must be None in a game without a paddle, not 30000"),
    ],
)
def test_a_wrong_state_is_named_and_changes_nothing(
    arguments: dict[str, Any], message: str
) -> None:
    env = counting()
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(InputError, match=message):
        env.set_state(**{"ram": np.zeros(2, np.uint8), **arguments})
    assert env.step(0)[0].tolist() == [8, 1]


def test_states_of_another_kind_are_refused(breakout: FrameGenerator) -> None:
    env, other = learned(breakout), counting()
    env.reset(seed=0)
    other.reset(seed=0)
    with pytest.raises(InputError, match="of this dream of ALE/Breakout-v5, not of another one"):
        env.restore_state(other.clone_state())
    blind = learned(breakout, obs_type="ram")
    blind.reset(seed=0)
    with pytest.raises(
        InputError, match=r"pixels \(4, 84, 84\), not of RAM \(128,\) and pixels None"
    ):
        env.restore_state(blind.clone_state())
    with pytest.raises(InputError, match="resistance must be a whole number from 27450 to 790196"):
        env.set_state(np.zeros(128, np.uint8), resistance=0)
    envs = DreamVectorEnv(counting_dream(), 2)
    envs.reset(seed=0)
    for call in (envs.clone_state, lambda index: envs.restore_state(index, other.clone_state())):
        with pytest.raises(InputError, match="index must be a whole number from 0 to 1, not 2"):
            call(2)
