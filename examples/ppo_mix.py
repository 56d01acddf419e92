"""Train PPO on a random mix of real and generated frames: data augmentation.

    python -m examples.ppo_mix --generator runs/states --env-id ALE/Breakout-v5 --out ppo.zip

The generator must read RAM (`--recipe atari`), so that a generated frame shows the state that the
action and the reward belong to. Returns are measured on real frames. `--probability 0` is plain
PPO, the baseline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ale_py
import gymnasium as gym
from stable_baselines3 import PPO
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack

from atarigan.cli import command_line
from atarigan.envs import GeneratedVecEnv

NUM_STACK = 4
EMULATOR = {"frameskip": 4, "repeat_action_probability": 0.0}
# AtariWrapper would pool two frames, and the shipped generators learned single ones.
WRAPPER = {"frame_skip": 1}


@dataclass(frozen=True)
class ExampleArguments:
    """Train PPO on a mix of real and generated frames, and measure it on real ones."""

    generator: str
    """A run or checkpoint folder, the name of a shipped generator, or hf://USER/NAME[@REVISION]."""
    env_id: str = "ALE/Breakout-v5"
    """An ALE environment: the game that the generator was trained on."""
    probability: float = 0.5
    """Probability of a generated frame, 0 to 1."""
    num_steps: int = 1_000_000
    """Agent steps to train for."""
    num_envs: int = 8
    """Number of environments."""
    num_episodes: int = 10
    """Episodes to measure the return of."""
    seed: int = 0
    """Seed of environments, latents and weights."""
    out: str = "ppo.zip"
    """File for the trained model."""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = command_line.parse(ExampleArguments, argv, command="examples.ppo_mix", package="")
    envs = VecFrameStack(mixed_envs(arguments), NUM_STACK)
    model = PPO(
        "CnnPolicy",
        envs,
        n_steps=128,
        batch_size=256,
        n_epochs=4,
        learning_rate=2.5e-4,
        clip_range=0.1,
        ent_coef=0.01,
        seed=arguments.seed,
        verbose=1,
    )
    model.learn(arguments.num_steps)
    told = {"preprocessing": "sb3", "env_id": arguments.env_id, "frame_skip": 4}
    model.trained_on = told  # type: ignore[attr-defined]  # read by collect and evaluate
    model.save(Path(arguments.out))
    real = VecFrameStack(real_envs(arguments, num_envs=1), NUM_STACK)
    mean, deviation = evaluate_policy(model, real, arguments.num_episodes)
    print(f"return on real frames: {mean:.1f} ± {deviation:.1f}")
    return command_line.EXIT_OK


def mixed_envs(arguments: ExampleArguments) -> VecEnv:
    """Make environments that mix frames, inside of a frame stack, which keeps the choices."""
    real = real_envs(arguments, arguments.num_envs)
    mixed: VecEnv = GeneratedVecEnv(
        real, arguments.generator, "mix", probability=arguments.probability, latent="episode"
    )
    return mixed


def real_envs(arguments: ExampleArguments, num_envs: int) -> VecEnv:
    """Make environments with 84×84 gray frames and four emulator frames per step."""
    gym.register_envs(ale_py)
    return make_vec_env(
        arguments.env_id,
        num_envs,
        seed=arguments.seed,
        env_kwargs=EMULATOR,
        wrapper_class=AtariWrapper,
        wrapper_kwargs=WRAPPER,
    )


if __name__ == "__main__":
    command_line.run(main, command="examples.ppo_mix", package="")
