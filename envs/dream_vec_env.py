"""DreamVecEnv: many games of a dream as a stable-baselines3 VecEnv."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from atarigan.models.dynamics.dream import Dream
from atarigan.models.network_dreams.network_dream import NetworkDream

from .dream_registration import make_dream_vec


class DreamVecEnv(VecEnv):
    """Many games of a dream for stable-baselines3, played in one call a step.

    After `seed(s)` and `reset()`, environment i plays what a `DreamEnv`, or a `NetworkDreamEnv`,
    plays after `reset(seed=s + i)`. infos[i] has "is_unseen" and, of Atari games, "lives"; at an
    episode's end also "terminal_observation" and "TimeLimit.truncated".

    Args:
        model: as for `DreamEnv`.
        num_envs: number of games, at least 1.
        options: as for `DreamEnv`, "generator" included.

    Attributes:
        envs: the games as a Gymnasium vector environment.

    Raises:
        InputError: as for `DreamVectorEnv`.

    Example:
        >>> from stable_baselines3 import PPO
        >>> from stable_baselines3.common.vec_env import VecMonitor
        >>> from atarigan.envs import DreamVecEnv
        >>> venv = VecMonitor(DreamVecEnv("runs/dream", 64, obs_type="ram"))  # doctest: +SKIP
        >>> PPO("MlpPolicy", venv).learn(1_000_000)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Dream | NetworkDream | str | Path,
        num_envs: int = 1,
        generator: Any = None,
        **options: Any,
    ) -> None:
        self.envs = make_dream_vec(
            model, num_envs, generator, autoreset_mode=AutoresetMode.SAME_STEP, **options
        )
        self.render_mode = self.envs.render_mode
        self._actions: Any = None
        super().__init__(
            num_envs, self.envs.single_observation_space, self.envs.single_action_space
        )

    def reset(self) -> Any:
        seeds = None if self._seeds == [None] * self.num_envs else self._seeds
        observations, infos = self.envs.reset(seed=seeds)
        self.reset_infos = _told(infos)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: Any) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        observations, rewards, ends, truncations, found = self.envs.step(self._actions)
        infos = _told(found)
        dones = ends | truncations
        finals = _told(found["final_info"]) if dones.any() else []
        for index in np.flatnonzero(dones).tolist():
            self.reset_infos[index], infos[index] = infos[index], finals[index]
            infos[index]["terminal_observation"] = _at(found["final_obs"], index)
            infos[index]["TimeLimit.truncated"] = bool(truncations[index] and not ends[index])
        return observations, rewards, dones, infos

    def close(self) -> None:
        self.envs.close()

    def get_images(self) -> Sequence[Any]:
        return self.envs.render() or ()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self.envs, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self.envs, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment once for each index, which is not passed on."""
        method = getattr(self.envs, method_name)
        return [method(*method_args, **method_kwargs) for _ in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: Any = None
    ) -> list[bool]:
        return [False for _ in self._get_indices(indices)]


def _told(infos: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the infos of each game."""
    names = [name for name in ("lives", "is_unseen") if name in infos]
    rows = zip(*(infos[name].tolist() for name in names), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _at(observations: Any, index: int) -> Any:
    if isinstance(observations, dict):
        return {name: values[index].copy() for name, values in observations.items()}
    return observations[index].copy()
