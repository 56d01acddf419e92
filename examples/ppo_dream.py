"""Train PPO in a dream alone, and measure it in the real game on the way.

    python -m examples.ppo_dream --dream runs/pong-dream --out runs/ppo-dream
    python -m examples.ppo_dream --dream runs/pong-dream --out runs/ppo-real --real-share 1

With `--real-share 1` the same PPO plays the real game in the place of the dream: the baseline; a
lower share mixes both. With `--begin-with runs/ppo-dream/policy.safetensors` a policy goes on. All
games have the dream's frame skip and sticky actions. `--loop fast` is the loop of
`atarigan/training/dream/ppo.py`, which reads RAM; `--loop sb3` is stable-baselines3's, which reads
pixels too. `scores.csv` has a line for each measurement: agent steps, minutes of training
(measurements not included), and the mean return of real games.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.vector import VectorEnv
from safetensors.torch import load_file, save
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from atarigan.cli import command_line
from atarigan.config.clock import Clock, clock_of
from atarigan.errors import InputError
from atarigan.models.device import choose_device
from atarigan.models.dynamics.dream import Dream, DreamSettings
from atarigan.pictures import charts, grids
from atarigan.training.dream.ppo import Ppo, PpoSettings, features_of
from examples.ppo_games import ram_games, real_games, sb3_games

_CENTER, _SCALE = 128.0, 64.0
_HORIZON = 128  # steps of each game between two updates of stable-baselines3
_MOST_STEPS = 10_000  # of an episode that is measured
_MEASURED_SEED = 10_000  # from the seed of training

Observations = npt.NDArray[np.uint8]
Act = Callable[[Observations, Observations], npt.NDArray[np.int64]]
"""Draws actions int64 (N,) at observations of N games, with those of the step before."""


@dataclass(frozen=True)
class ExampleArguments:
    """Train PPO on the RAM of a dream, and measure it in the real game."""

    dream: str
    """Folder of a dream, the name of one that comes with the package, or hf://USER/NAME[@REVISION]."""
    out: str
    """Folder for the policy, scores.csv and scores.png."""
    real_share: float = 0.0
    """Share of the games that are real ones: 0 for the dream alone, 1 for the real game alone.
    --loop sb3 plays only one of them.
    """
    observations: Literal["ram", "pixels"] = "ram"
    """What the policy sees. Pixels need a dream with a generator, and stable-baselines3's loop."""
    begin_with: str | None = None
    """File of a policy to go on from, as the same loop wrote it."""
    end_if_unseen: bool = False
    """Truncate an episode of a dream at a state that no real play of its training reaches."""
    loop: Literal["fast", "sb3"] = "fast"
    """The loop of atarigan/training/dream/ppo.py, or stable-baselines3's."""
    num_steps: int = 10_000_000
    """Agent steps to train for."""
    num_envs: int = 128
    """Games at a time."""
    measure_every: int = 1_000_000
    """Agent steps between two measurements."""
    num_games: int = 10
    """Real games of a measurement."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the policy learns and a dream is played, in the fast loop."""
    clock: Clock = "wall"
    """What minutes are counted by: the time that passes, or CPU time."""
    seed: int = 0
    """Seed of games and weights."""


class Centered(BaseFeaturesExtractor):
    """Bytes of RAM, uint8 (B, bytes), as numbers from -2 to 2."""

    def __init__(self, space: gym.spaces.Box) -> None:
        super().__init__(space, space.shape[0])

    def forward(self, rams: Tensor) -> Tensor:
        return (rams.float() - _CENTER) / _SCALE


_READS_RAM = {"features_extractor_class": Centered, "net_arch": [64, 64]}


class Measurements:
    """Measures a policy in real games: at the begin of a training, every so many agent steps, and
    at the end.

    Attributes:
        rows: of each measurement, agent steps, minutes and the mean return.
    """

    def __init__(self, arguments: ExampleArguments, settings: DreamSettings) -> None:
        self._arguments = arguments
        self._games = real_games(settings, arguments.num_games, arguments.observations)
        self._games.reset(seed=arguments.seed + _MEASURED_SEED)
        self._now = clock_of(arguments.clock)
        self._next, self._measured_s, self._began = 0, 0.0, 0.0
        self.rows: list[tuple[int, float, float]] = []

    def offer(self, num_steps: int, act: Act) -> None:
        """Measure a policy after so many agent steps, if it is time."""
        if num_steps < min(self._next, self._arguments.num_steps):
            return
        self._next += self._arguments.measure_every
        before = self._now()
        if not self.rows:  # training begins now
            self._began = before
        minutes = (before - self._began - self._measured_s) / 60
        mean = mean_return(act, self._games)
        self._measured_s += self._now() - before
        self.rows.append((num_steps, minutes, mean))
        print(f"{num_steps:,} steps, {minutes:.2f} minutes: {mean:.2f}", flush=True)


class MeasuringCallback(BaseCallback):
    """Offers stable-baselines3's policy to be measured before each rollout and at the end."""

    def __init__(self, measurements: Measurements) -> None:
        super().__init__()
        self._measurements = measurements

    def _on_rollout_start(self) -> None:
        self._measurements.offer(self.num_timesteps, self._act)

    def _on_training_end(self) -> None:
        self._measurements.offer(self.num_timesteps, self._act)

    def _on_step(self) -> bool:
        return True

    def _act(self, observed: Observations, _: Observations) -> npt.NDArray[np.int64]:
        return self.model.predict(observed)[0]


def main(argv: Sequence[str] | None = None) -> int:
    arguments = command_line.parse(ExampleArguments, argv, command="examples.ppo_dream", package="")
    check(arguments)
    dream = Dream.load(arguments.dream)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    train = {"fast": train_fast, "sb3": train_sb3}[arguments.loop]
    write(out, train(arguments, dream))
    return command_line.EXIT_OK


def check(arguments: ExampleArguments) -> None:
    """Raise InputError if the arguments do not go together."""
    for name in ("num_steps", "num_envs", "measure_every", "num_games"):
        number, flag = getattr(arguments, name), name.replace("_", "-")
        if number < 1:
            raise InputError(f"--{flag} must be at least 1, not {number}")
    if not 0 <= arguments.real_share <= 1:
        raise InputError(f"--real-share must be from 0 to 1, not {arguments.real_share}")
    if arguments.loop == "fast" and arguments.observations == "pixels":
        raise InputError("--observations pixels needs --loop sb3")
    if arguments.loop == "sb3" and 0 < arguments.real_share < 1:
        raise InputError(f"--real-share must be 0 or 1 with --loop sb3, not {arguments.real_share}")
    if arguments.begin_with and not Path(arguments.begin_with).is_file():
        raise InputError(f"--begin-with must be a file, and {arguments.begin_with} is none")


def train_fast(arguments: ExampleArguments, dream: Dream) -> list[tuple[int, float, float]]:
    """Train with the loop of `Ppo`, write policy.safetensors and return the measurements."""
    device = choose_device(arguments.device)
    games = ram_games(
        dream,
        arguments.num_envs,
        round(arguments.real_share * arguments.num_envs),
        arguments.device,
        end_if_unseen=arguments.end_if_unseen,
    )
    num_actions = len(dream.settings.action_meanings)
    ppo = Ppo(games, num_actions, PpoSettings(), device, arguments.seed)
    if arguments.begin_with:
        ppo.policy.load_state_dict(load_file(arguments.begin_with, str(device)))

    def act(rams: Observations, before: Observations) -> npt.NDArray[np.int64]:
        tensors = (torch.as_tensor(each, device=device) for each in (rams, before))
        actions: npt.NDArray[np.int64] = ppo.policy.act(features_of(*tensors)).cpu().numpy()
        return actions

    measurements = Measurements(arguments, dream.settings)
    for num_steps in ppo.train(arguments.num_steps):
        measurements.offer(num_steps, act)
    weights = save(ppo.policy.state_dict())
    (Path(arguments.out) / "policy.safetensors").write_bytes(weights)
    return measurements.rows


def train_sb3(arguments: ExampleArguments, dream: Dream) -> list[tuple[int, float, float]]:
    """Train with stable-baselines3, write policy.zip and return the measurements."""
    games = sb3_games(
        dream,
        arguments.num_envs,
        arguments.seed,
        shown=arguments.observations,
        is_real=arguments.real_share == 1,
        end_if_unseen=arguments.end_if_unseen,
    )
    reads_ram = arguments.observations == "ram"
    if arguments.begin_with:
        model = PPO.load(arguments.begin_with, games, device="cpu")
    else:
        model = PPO(
            "MlpPolicy" if reads_ram else "CnnPolicy",
            games,
            n_steps=_HORIZON,
            batch_size=_HORIZON * arguments.num_envs // 4,
            n_epochs=4,
            learning_rate=1e-3 if reads_ram else 2.5e-4,
            gamma=0.99,
            ent_coef=0.01,
            clip_range=0.2,
            policy_kwargs=_READS_RAM if reads_ram else None,
            seed=arguments.seed,
            device="cpu",
        )
    measurements = Measurements(arguments, dream.settings)
    model.learn(arguments.num_steps, callback=MeasuringCallback(measurements))
    model.save(Path(arguments.out) / "policy.zip")
    return measurements.rows


def mean_return(act: Act, games: VectorEnv[Any, Any, Any]) -> float:
    """Return the mean return of an episode of each game, whose actions `act` draws."""
    now, _ = games.reset()
    before, returns, playing = now, np.zeros(len(now)), np.ones(len(now), np.bool_)
    for _ in range(_MOST_STEPS):
        after, rewards, terminated, truncated, _ = games.step(act(now, before))
        before, now = now, after
        returns += rewards * playing
        playing &= ~(terminated | truncated)
        if not playing.any():
            break
    return float(returns.mean())


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
