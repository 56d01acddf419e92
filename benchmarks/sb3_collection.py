"""Collection as stable-baselines3's off-policy algorithms do it: the peer of ours."""

import copy
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecFrameStack,
    VecTransposeImage,
)

VecEnvClass = type[DummyVecEnv] | type[SubprocVecEnv]
VEC_ENVS: dict[str, VecEnvClass] = {"DummyVecEnv": DummyVecEnv, "SubprocVecEnv": SubprocVecEnv}
_BUFFER_SIZE = 2000


class Sb3Collection:
    """Its Atari preprocessing to 84×84 gray, stacks of four, channels first as its algorithms have
    them, `ReplayBuffer.add`; random actions.

    Args:
        vec_env_class: DummyVecEnv or SubprocVecEnv.
        num_envs: environments.
    """

    def __init__(self, vec_env_class: VecEnvClass, num_envs: int) -> None:
        envs = make_atari_env(
            _make_env,
            num_envs,
            seed=0,
            vec_env_cls=vec_env_class,
            vec_env_kwargs={"start_method": "spawn"} if vec_env_class is SubprocVecEnv else {},
        )
        self.envs = VecTransposeImage(VecFrameStack(envs, 4))
        self.buffer = ReplayBuffer(
            _BUFFER_SIZE,
            self.envs.observation_space,
            self.envs.action_space,
            device="cpu",
            n_envs=num_envs,
        )
        self._observations: Any = self.envs.reset()

    def step(self) -> None:
        """Step every environment once and store what happened, as `collect_rollouts` does."""
        actions = np.array([self.envs.action_space.sample() for _ in range(self.envs.num_envs)])
        observations: Any
        observations, rewards, dones, infos = self.envs.step(actions)
        next_observations = copy.deepcopy(observations)
        for index in np.flatnonzero(dones):
            next_observations[index] = infos[index]["terminal_observation"]
        self.buffer.add(
            self._observations, next_observations, actions[:, None], rewards, dones, infos
        )
        self._observations = observations


def _make_env() -> gym.Env[Any, Any]:
    """What is to be preprocessed; a function of this module, so that spawned processes know ALE."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    gym.register_envs(ale_py)
    return gym.make("ALE/Breakout-v5", frameskip=1)
