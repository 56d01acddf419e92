"""The games that `examples/ppo_dream.py` plays: of a dream, of the real game, and of both."""

from typing import Any, Literal

import ale_py
import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation
from stable_baselines3.common.atari_wrappers import ClipRewardEnv
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from atarigan.envs import DreamVecEnv, DreamVectorEnv
from atarigan.models.dynamics.dream import Dream, DreamSettings
from atarigan.training.dream.ppo import Games

Shown = Literal["ram", "pixels"]
_STACK = 4


class MixedGames:
    """Games of a dream and real ones, played together.

    Args:
        dreamt: games whose RAM is a tensor.
        num_dreamt: how many these are; the first actions are theirs.
        real: games whose RAM is an array.
    """

    def __init__(self, dreamt: Games, num_dreamt: int, real: Games) -> None:
        self._dreamt, self._num, self._real = dreamt, num_dreamt, real

    def reset(self, *, seed: int) -> tuple[Tensor, None]:
        return _joined(self._dreamt.reset(seed=seed)[0], self._real.reset(seed=seed)[0]), None

    def step(self, actions: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        dreamt = self._dreamt.step(actions[: self._num])
        real = self._real.step(actions[self._num :])
        rams, rewards, terminated, truncated = map(_joined, dreamt[:4], real[:4])
        return rams, rewards, terminated, truncated, None


def _joined(dreamt: Any, real: Any) -> Tensor:
    first = torch.as_tensor(dreamt)
    return torch.cat([first, torch.as_tensor(real).to(first.device, first.dtype)])


def ram_games(
    dream: Dream, num: int, num_real: int, device: str, *, end_if_unseen: bool = False
) -> Games:
    """Make games that show RAM, the last ones real."""
    if num_real == num:
        return real_games(dream.settings, num)
    dreamt: Games = DreamVectorEnv(
        dream,
        num - num_real,
        obs_type="ram",
        end_if_unseen=end_if_unseen,
        output="torch",
        device=device,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    if not num_real:
        return dreamt
    return MixedGames(dreamt, num - num_real, real_games(dream.settings, num_real))


def sb3_games(
    dream: Dream, num: int, seed: int, *, shown: Shown, is_real: bool, end_if_unseen: bool
) -> VecEnv:
    """Make games for stable-baselines3, with clipped rewards."""
    if is_real:
        return make_vec_env(lambda: ClipRewardEnv(real_game(dream.settings, shown)), num, seed=seed)
    venv: VecEnv = DreamVecEnv(
        dream,
        num,
        obs_type=shown,
        stack_num=_STACK,
        reward_clipping=True,
        end_if_unseen=end_if_unseen,
    )
    venv.seed(seed)
    return venv


def real_games(settings: DreamSettings, num: int, shown: Shown = "ram") -> VectorEnv[Any, Any, Any]:
    """Make real games of a dream; processes for single ones would cost more than the emulator."""
    return gym.vector.SyncVectorEnv(
        [lambda: real_game(settings, shown)] * num, autoreset_mode=AutoresetMode.SAME_STEP
    )


def real_game(settings: DreamSettings, shown: Shown) -> gym.Env[Any, Any]:
    """Make a real game of a dream, which shows what the dream does."""
    gym.register_envs(ale_py)
    env: gym.Env[Any, Any] = gym.make(
        settings.env_id,
        obs_type="ram" if shown == "ram" else "rgb",
        frameskip=settings.frame_skip,
        repeat_action_probability=settings.sticky,
        **settings.env_kwargs,
    )
    if shown == "pixels":
        env = AtariPreprocessing(env, noop_max=0, frame_skip=1)  # generators learn single frames
        env = FrameStackObservation(env, _STACK, padding_type="zero")
    return env
