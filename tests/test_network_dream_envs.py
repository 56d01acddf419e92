"""Dreams of vectors as environments."""

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_sb3_env

from atarigan.envs import DreamVecEnv, NetworkDreamEnv, NetworkDreamVectorEnv
from atarigan.errors import InputError
from atarigan.models.dynamics.dream import Dream
from atarigan.models.network_dreams.network_dream import NetworkDream
from tests.network_dreams import random_dream

BOX = gym.spaces.Box(-2.0, 2.0, (2,), np.float32)


def played(env: NetworkDreamEnv, seed: int, actions: Any) -> list[Any]:
    """State, reward, ends and the last observation of each step, with resets as they come."""
    env.reset(seed=seed)
    history = []
    for action in actions:
        last, reward, terminated, truncated, _ = env.step(action)
        observation = env.reset()[0] if terminated or truncated else last
        history.append((observation.tolist(), reward, terminated, truncated, last.tolist()))
    return history


@pytest.mark.parametrize("space", [None, BOX], ids=["discrete", "box"])
def test_a_batch_plays_what_single_environments_play(space: gym.Space[Any] | None) -> None:
    dream = random_dream(space)
    envs = NetworkDreamVectorEnv(dream, 5, autoreset_mode="SameStep")
    envs.reset(seed=7)
    envs.action_space.seed(0)
    actions = [envs.action_space.sample() for _ in range(40)]
    steps = [envs.step(each) for each in actions]
    assert sum(step[2].sum() for step in steps) >= 1  # some end
    assert sum(step[3].sum() for step in steps) >= 3  # some are truncated
    for index in range(5):
        single = played(NetworkDreamEnv(dream), 7 + index, [each[index] for each in actions])
        for (observations, rewards, ends, truncations, infos), expected in zip(
            steps, single, strict=True
        ):
            done = ends[index] or truncations[index]
            last = infos["final_obs"][index] if done else observations[index]
            found = observations[index].tolist(), rewards[index], ends[index], truncations[index]
            assert (*found, last.tolist()) == expected


@pytest.mark.parametrize("space", [None, BOX], ids=["discrete", "box"])
def test_all_episodes_of_a_batch_may_begin_at_once(space: gym.Space[Any] | None) -> None:
    envs = NetworkDreamVectorEnv(random_dream(space, max_steps=1), 3)
    envs.reset(seed=0)
    actions = envs.action_space.sample()
    assert envs.step(actions)[3].all()
    observations, rewards, *_ = envs.step(actions)
    assert not rewards.any()
    starts = envs._games.dream.ranges.starts
    assert all((starts == each).all(1).any() for each in observations)


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized")
@pytest.mark.parametrize("space", [None, BOX], ids=["discrete", "box"])
def test_the_checkers_of_both_libraries_pass(tmp_path: Path, space: Any) -> None:
    space = space or gym.spaces.Discrete(3)  # stable-baselines3 has actions from 0 alone
    random_dream(space).save(tmp_path)
    env = gym.make("atarigan:atarigan/Dream-v0", model=str(tmp_path))
    assert env.action_space == space
    check_env(env.unwrapped)
    check_sb3_env(env.unwrapped)


def test_make_vec_and_stable_baselines3_play_the_same(tmp_path: Path) -> None:
    random_dream().save(tmp_path)
    envs = gym.make_vec(
        "atarigan:atarigan/Dream-v0", 3, model=str(tmp_path), autoreset_mode="SameStep"
    )
    venv = DreamVecEnv(tmp_path, 3)
    venv.seed(2)
    assert np.array_equal(envs.reset(seed=2)[0], venv.reset())
    for _ in range(15):
        observations, rewards, *_ = envs.step([1, 2, 3])
        found = venv.step([1, 2, 3])
        assert np.array_equal(observations, found[0])
        assert np.array_equal(rewards, found[1])


def test_a_seed_determines_all_that_follows() -> None:
    env, actions = NetworkDreamEnv(random_dream()), [1, 2, 3] * 10
    assert played(env, 3, actions) == played(env, 3, actions)
    assert played(env, 3, actions) != played(env, 4, actions)


def test_episodes_begin_with_real_first_states_and_end_in_time() -> None:
    dream = random_dream(max_steps=1)
    env = NetworkDreamEnv(dream)
    for seed in range(10):
        observation, _ = env.reset(seed=seed)
        assert (observation == dream.ranges.starts).all(1).any()
        assert env.step(1)[3] is True


def test_states_out_of_the_range_of_real_play_are_flagged() -> None:
    dream = random_dream()
    env = NetworkDreamEnv(dream, end_if_unseen=True)
    env.reset(seed=0)
    env.set_state([0.0, 0.0, 2.0])
    assert not env._info()["is_unseen"]
    for state in ([0.0, 0.0, 2.1], [-2.1, 0.0, 0.0]):
        env.set_state(state)
        assert env._info()["is_unseen"]
    tables = dataclasses.replace(
        dream.dynamics.tables, low=np.full(3, 2.5, np.float32)
    )  # all states lead out of the range
    elsewhere = dataclasses.replace(dream, dynamics=type(dream.dynamics)(tables))
    for ends in (False, True):
        env = NetworkDreamEnv(elsewhere, end_if_unseen=ends)
        env.reset(seed=0)
        *_, truncated, info = env.step(1)
        assert (truncated, info["is_unseen"]) == (ends, True)


def test_a_copied_state_goes_on_in_the_same_way() -> None:
    env = NetworkDreamEnv(random_dream())
    env.reset(seed=0)
    env.step(2)
    kept = env.clone_state()
    first = [env.step(action)[0].tolist() for action in (1, 2)]
    env.reset()
    env.restore_state(kept)
    assert [env.step(action)[0].tolist() for action in (1, 2)] == first
    envs = NetworkDreamVectorEnv(random_dream(), 2)
    envs.reset(seed=5)
    envs.restore_state(1, kept)
    assert envs.step([1, 1])[0][1].tolist() == first[0]
    observations = envs.set_state(None, [1, 2, 3])
    assert observations.tolist() == [[1, 2, 3]] * 2


def test_continuous_actions_beyond_their_bounds_are_clipped() -> None:
    env = NetworkDreamEnv(random_dream(BOX))
    found = []
    for action in ([2, -2], [9, -9], [2, 2]):
        env.reset(seed=0)
        found.append(env.step(np.array(action, np.float32))[0].tolist())
    assert found[0] == found[1] != found[2]


def test_wrong_actions_and_options_are_named(tmp_path: Path) -> None:
    env = NetworkDreamEnv(random_dream())
    env.reset(seed=0)
    for action in (0, 4, 1.5, [1]):
        with pytest.raises(InputError, match="actions must be 1 whole numbers from 1 to 3"):
            env.step(action)
    env = NetworkDreamEnv(random_dream(BOX))
    env.reset(seed=0)
    for numbers in ([1], [1, np.nan]):
        with pytest.raises(InputError, match=r"actions must be finite numbers \(1, 2\)"):
            env.step(numbers)
    with pytest.raises(InputError, match="observation must keep its 3 numbers, not change to 2"):
        env.set_state([1, 2])
    with pytest.raises(InputError, match="frameskip is no option of a dream of vectors"):
        NetworkDreamEnv(random_dream(), frameskip=4)
    with pytest.raises(InputError, match="generator must be given for obs_type 'pixels'"):
        NetworkDreamEnv(random_dream(), obs_type="pixels")
    random_dream().save(tmp_path)
    with pytest.raises(InputError, match="must be the dream of a game of ALE, not one of vectors"):
        Dream.load(tmp_path)
    with pytest.raises(InputError, match="Discrete or a Box of floats, not Dict"):
        random_dream(gym.spaces.Dict({"a": BOX}))


def test_a_saved_dream_plays_the_same(tmp_path: Path) -> None:
    dream = random_dream(BOX)
    dream.save(tmp_path / "dream")
    dream.pack(tmp_path / "packed")
    actions = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    expected = played(NetworkDreamEnv(dream), 1, actions)
    for name in ("dream", "packed"):
        assert played(NetworkDreamEnv(NetworkDream.load(tmp_path / name)), 1, actions) == expected
