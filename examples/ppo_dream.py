"""Train PPO in a dream alone, and measure it in the real game on the way.

    python -m examples.ppo_dream --dream runs/pong-dream --minutes 5 --out runs/ppo-dream
    python -m examples.ppo_dream --dream runs/pong-dream --minutes 20 --out runs/ppo-real --real

With `--real` the same PPO plays the real game in the place of the dream: the baseline. Both see
RAM, with the dream's frame skip and sticky actions. `scores.csv` has a line for each measurement:
agent steps, minutes of training (measurements not included), and the mean return of real games.
"""

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from atarigan.cli import command_line
from atarigan.envs import DreamVecEnv
from atarigan.models.dynamics.dream import Dream, DreamSettings
from atarigan.pictures import charts, grids

_CENTER, _SCALE = 128.0, 64.0
_HORIZON = 128  # steps of each game between two updates
_MOST_STEPS = 10_000  # of an episode that is measured


@dataclass(frozen=True)
class ExampleArguments:
    """Train PPO on the RAM of a dream, and measure it in the real game."""

    dream: str
    """Folder of a dream."""
    out: str
    """Folder for policy.zip, scores.csv and scores.png."""
    real: bool = False
    """Train in the real game instead."""
    minutes: float = 5.0
    """Minutes of training, without those of measurements."""
    num_envs: int = 64
    """Games at a time."""
    measure_every: int = 500_000
    """Agent steps between two measurements."""
    num_games: int = 10
    """Real games of a measurement."""
    seed: int = 0
    """Seed of games and weights."""


class Centered(BaseFeaturesExtractor):
    """Bytes of RAM, uint8 (B, bytes), as numbers from -2 to 2."""

    def __init__(self, space: gym.spaces.Box) -> None:
        super().__init__(space, space.shape[0])

    def forward(self, rams: Tensor) -> Tensor:
        return (rams.float() - _CENTER) / _SCALE


class Measurements(BaseCallback):
    """Measures the policy in real games every so many steps, and stops when the time is over."""

    def __init__(self, arguments: ExampleArguments, games: VecEnv) -> None:
        super().__init__()
        self._arguments, self._games = arguments, games
        self._next, self._measured_s = 0, 0.0
        self.rows: list[tuple[int, float, float]] = []

    def _on_training_start(self) -> None:
        self._began = time.monotonic()

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._began - self._measured_s) / 60

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self._next:
            self._next += self._arguments.measure_every
            self.measure()

    def measure(self) -> None:
        minutes, before = self.minutes, time.monotonic()
        mean = mean_return(self.model, self._games, self._arguments.num_games)  # type: ignore[arg-type]
        self._measured_s += time.monotonic() - before
        self.rows.append((self.num_timesteps, minutes, mean))
        print(f"{self.num_timesteps:,} steps, {minutes:.2f} minutes: {mean:.2f}", flush=True)

    def _on_step(self) -> bool:
        return self.minutes < self._arguments.minutes


def main(argv: Sequence[str] | None = None) -> int:
    arguments = command_line.parse(ExampleArguments, argv, command="examples.ppo_dream", package="")
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    dream = Dream.load(arguments.dream)
    envs = training_envs(arguments, dream)
    games = real_games(dream.settings, 1, seed=arguments.seed + 10_000)
    model = PPO(
        "MlpPolicy",
        envs,
        n_steps=_HORIZON,
        batch_size=_HORIZON * arguments.num_envs // 4,
        n_epochs=4,
        learning_rate=1e-3,
        gamma=0.99,
        ent_coef=0.01,
        clip_range=0.2,
        policy_kwargs={"features_extractor_class": Centered, "net_arch": [64, 64]},
        seed=arguments.seed,
        device="cpu",
    )
    measurements = Measurements(arguments, games)
    model.learn(10**12, callback=measurements)
    measurements.measure()
    model.save(out / "policy.zip")
    write(out, measurements.rows)
    return command_line.EXIT_OK


def training_envs(arguments: ExampleArguments, dream: Dream) -> VecEnv:
    if not arguments.real:
        venv: VecEnv = DreamVecEnv(dream, arguments.num_envs, obs_type="ram", reward_clipping=True)
        venv.seed(arguments.seed)
        return venv
    return real_games(dream.settings, arguments.num_envs, seed=arguments.seed, clips_rewards=True)


def real_games(settings: DreamSettings, num: int, seed: int, clips_rewards: bool = False) -> VecEnv:
    """Make real games of a dream, which show RAM."""
    gym.register_envs(ale_py)
    kwargs = {
        **settings.env_kwargs,
        "obs_type": "ram",
        "frameskip": settings.frame_skip,
        "repeat_action_probability": settings.sticky,
    }

    def wrapped(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        clip = partial(np.clip, a_min=-1, a_max=1)
        return gym.wrappers.TransformReward(env, clip) if clips_rewards else env

    return make_vec_env(settings.env_id, num, seed=seed, env_kwargs=kwargs, wrapper_class=wrapped)


def mean_return(model: PPO, games: VecEnv, num: int) -> float:
    """Play real games with the policy's own distribution; return the mean of their returns."""
    returns: list[float] = []
    total, steps = 0.0, 0
    observation = games.reset()
    while len(returns) < num:
        action, _ = model.predict(observation)  # type: ignore[arg-type]
        observation, reward, done, _ = games.step(action)
        total, steps = total + float(reward[0]), steps + 1
        if done[0] or steps >= _MOST_STEPS:
            returns.append(total)
            total, steps = 0.0, 0
            observation = observation if done[0] else games.reset()
    return float(np.mean(returns))


def write(out: Path, rows: Sequence[tuple[int, float, float]]) -> None:
    """Write the scores as a table and a picture."""
    with (out / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["steps", "minutes", "mean_return"])
        writer.writerows(rows)
    steps, _, scores = np.array(rows, float).T
    panels = {"mean return of real games": {"PPO": scores}}
    grids.save_picture(out / "scores.png", charts.curves(steps, panels, "agent steps"))


if __name__ == "__main__":
    command_line.run(main, command="examples.ppo_dream", package="")
