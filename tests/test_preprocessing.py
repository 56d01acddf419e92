"""What policies see, compared with the wrappers that they are trained with."""

from collections.abc import Iterator
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack, VecTransposeImage

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.policies import policy_maker
from tests.fakes import policy_for

gym.register_envs(ale_py)

STICKY = {"repeat_action_probability": 0.25}
CHAINS = [  # games whose objects flicker, under old and new ids, with and without sticky actions
    ("AsteroidsNoFrameskip-v4", {}),
    ("ALE/SpaceInvaders-v5", {}),
    ("ALE/MsPacman-v5", {}),
    ("SeaquestNoFrameskip-v4", STICKY),
    ("ALE/Breakout-v5", {"full_action_space": True}),
]
STORED_POOLED = ("ALE/SpaceInvaders-v5", "ALE/Breakout-v5")  # the policy sees the same in any case


class Script:
    """Answers with a fixed sequence of actions; keeps the observations that it was asked about."""

    def __init__(self, num_actions: int, num: int) -> None:
        self.actions = np.random.default_rng(0).integers(num_actions, size=num)
        self.seen: list[Any] = []

    def predict(self, observations: Any) -> tuple[Any, None]:
        self.seen.append(observations[0].copy())
        return self.actions[[len(self.seen) - 1]], None


def played(
    env: AgentSteps, policy_name: str, num: int, monkeypatch: pytest.MonkeyPatch, **training: Any
) -> list[Any]:
    """Return what a model is asked about in its first `num` decisions."""
    script = Script(int(env.action_space.n), num)  # type: ignore[attr-defined]
    monkeypatch.setattr(PPO, "predict", lambda model, seen, **_: script.predict(seen))
    policy = policy_maker(policy_name, env, **training)(np.random.default_rng(0))
    env.reset(7)
    policy.begin_episode()
    while len(script.seen) < num:
        if any(env.step(policy.act(env.screen))[1:]):
            env.reset()
            policy.begin_episode()
    env.close()
    return script.seen


def seen_in_training(
    env_id: str, env_kwargs: dict[str, Any], wrapper_kwargs: dict[str, Any], num: int
) -> Iterator[Any]:
    """Yield the observations of stable-baselines3's own chain, with the same seed and actions."""
    venv = make_atari_env(env_id, seed=7, env_kwargs=env_kwargs, wrapper_kwargs=wrapper_kwargs)
    envs = VecTransposeImage(VecFrameStack(venv, 4))
    script = Script(int(venv.action_space.n), num)  # type: ignore[attr-defined]
    observations: Any = envs.reset()
    for action in script.actions:
        yield observations[0]
        observations = envs.step([action])[0]
    envs.close()


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        CHAINS[0],
        *CHAINS[3:],
        *(pytest.param(*chain, marks=pytest.mark.slow) for chain in CHAINS[1:3]),
    ],
)
def test_a_model_sees_what_stable_baselines3_shows_it(
    env_id: str,
    kwargs: dict[str, Any],
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To the pixel, from the first no-ops on, over lost lives and the ends of games."""
    env = AgentSteps(env_id, max_pool=env_id in STORED_POOLED, env_kwargs=kwargs)
    policy_for((4, 84, 84), env.action_space).save(tmp_path / "model.zip")
    seen = played(env, f"sb3:PPO:{tmp_path / 'model.zip'}", 250, monkeypatch)
    peer = seen_in_training(env_id, {"frameskip": 1, **kwargs}, {}, 250)
    for step, (ours, theirs) in enumerate(zip(seen, peer, strict=True)):
        assert np.array_equal(ours, theirs), f"observation {step} differs"
    assert sum(not stack[0].any() for stack in seen) >= 3  # a life began
    assert len(set(map(bytes, seen))) > 150


def test_an_unpooled_model_sees_the_newest_frames(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = AgentSteps("ALE/Asteroids-v5", max_pool=True)
    policy_for((4, 60, 60), env.action_space).save(tmp_path / "model.zip")
    name = f"sb3:PPO:{tmp_path / 'model.zip'}"
    seen = played(env, name, 200, monkeypatch, preprocessing="sb3-unpooled")
    wrapper_kwargs = {"frame_skip": 1, "screen_size": 60}
    peer = seen_in_training("ALE/Asteroids-v5", {"frameskip": 4}, wrapper_kwargs, 200)
    assert all(np.array_equal(*pair) for pair in zip(seen, peer, strict=True))


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [*CHAINS[:1], *(pytest.param(*chain, marks=pytest.mark.slow) for chain in CHAINS[1:4])],
)
def test_a_model_sees_what_gymnasium_shows_it(
    env_id: str, kwargs: dict[str, Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = AgentSteps(env_id, env_kwargs=kwargs)
    model = policy_for((4, 84, 84), ours.action_space)
    model.trained_on = {"preprocessing": "gymnasium", "frame_skip": 4}  # type: ignore[attr-defined]
    model.save(tmp_path / "model.zip")
    env: Any = AtariPreprocessing(gym.make(env_id, frameskip=1, **kwargs))
    env = FrameStackObservation(env, 4)
    script = Script(int(env.action_space.n), 200)
    observation, _ = env.reset(seed=7)
    seen = played(ours, f"sb3:PPO:{tmp_path / 'model.zip'}", 200, monkeypatch)
    for step, action in enumerate(script.actions):
        assert np.array_equal(seen[step], observation), f"observation {step} differs"
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            observation, _ = env.reset()
    env.close()
