"""DreamVecEnv: games of a dream for stable-baselines3."""

from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor

from atarigan.envs import DreamEnv, DreamVecEnv
from atarigan.errors import InputError
from tests.learned_games import GAME, counting_dream

NUM_STARTS = 40  # so that episodes end at different steps


def dream() -> Any:
    return counting_dream(NUM_STARTS, sticky=0.25)


def single_steps(env: DreamEnv, seed: int, actions: list[int]) -> list[Any]:
    """Observation, reward, done and last observation of each step, with resets as they come."""
    env.reset(seed=seed)
    history = []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        done = terminated or truncated
        last = observation
        if done:
            observation, _ = env.reset()
        history.append((observation.tolist(), reward, done, last.tolist(), info["lives"]))
    return history


def test_each_game_is_that_of_a_single_environment():
    venv = DreamVecEnv(dream(), 3)
    actions = np.random.default_rng(0).integers(0, 3, (60, 3))
    venv.seed(7)
    venv.reset()
    steps = [venv.step(each) for each in actions]
    assert sum(dones.sum() for _, _, dones, _ in steps) >= 3
    for index in range(3):
        expected = single_steps(DreamEnv(dream()), 7 + index, actions[:, index].tolist())
        for (observations, rewards, dones, infos), single in zip(steps, expected, strict=True):
            info = infos[index]
            last = info["terminal_observation"] if dones[index] else observations[index]
            found = (
                observations[index].tolist(),
                rewards[index],
                dones[index],
                last.tolist(),
                info["lives"],
            )
            assert found == single


def test_what_ends_by_its_length_is_truncated():
    venv = DreamVecEnv(counting_dream(), 2, max_num_frames_per_episode=8)
    venv.reset()
    _, _, dones, infos = [venv.step(np.zeros(2, int)) for _ in range(2)][-1]
    assert dones.all()
    assert [info["TimeLimit.truncated"] for info in infos] == [True, True]
    ended = DreamVecEnv(counting_dream(), 1)
    ended.reset()
    steps = [ended.step([0]) for _ in range(-(-GAME // 4))]
    assert steps[-1][2].all()
    assert steps[-1][3][0]["TimeLimit.truncated"] is False


def test_wrappers_of_stable_baselines3_work():
    venv = VecMonitor(VecFrameStack(DreamVecEnv(dream(), 4), 2))
    venv.seed(0)
    assert venv.reset().shape == (4, 4)
    infos = [info for _ in range(40) for info in venv.step(np.ones(4, int))[3]]
    assert any("episode" in info for info in infos)
    assert venv.get_attr("num_envs") == [4] * 4
    assert venv.env_is_wrapped(VecMonitor) == [False] * 4
    assert venv.env_method("get_action_meanings", indices=[1])[0][0] == "NOOP"


def test_images_are_pictures_of_all_games():
    with pytest.raises(InputError, match="render_mode"):
        DreamVecEnv(dream(), 2, render_mode="human")
    assert list(DreamVecEnv(dream(), 2).get_images()) == []


@pytest.mark.slow
def test_ppo_trains_and_is_evaluated():
    venv = VecMonitor(DreamVecEnv(dream(), 4))
    model = PPO("MlpPolicy", venv, n_steps=16, batch_size=32, n_epochs=1, device="cpu")
    model.learn(128)
    mean, _ = evaluate_policy(model, venv, 3)
    assert np.isfinite(mean)
