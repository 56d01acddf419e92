"""The main job in any game: collect, train, sample, wrap, check.

`python -m tests.every_game` does it in all of them and prints a table.
"""

import argparse
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import ale_py
import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

from atarigan import FrameGenerator
from atarigan.cli.stop_request import StopRequest
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.worker import Share, Signals, collect_share
from atarigan.envs import GeneratedObservation
from atarigan.models.checkpoint import save_checkpoint
from atarigan.training.build import build_trainer

gym.register_envs(ale_py)

NUM_STEPS = 200
EVERY_GAME = sorted(
    env_id for env_id in gym.registry if env_id.startswith("ALE/") and env_id.endswith("-v5")
)


@dataclass(frozen=True)
class Row:
    """What was found in one game.

    Attributes:
        screen: "210x160".
        num_colors: different colors in what was collected.
        num_varying: bytes of memory that vary.
        elapsed_s: that all of it took.
    """

    env_id: str
    screen: str
    num_colors: int
    num_varying: int
    elapsed_s: float


def collected(path: Path, env_id: str) -> FrameBuffer:
    """A buffer with the native screens of so many agent steps of random play."""
    origin = Origin(env_id=env_id)
    buffer = create_buffer(path, origin, format_name="palette", size=None, capacity=NUM_STEPS)
    collect_share(Share(path, index=0, num_steps=NUM_STEPS, seed=0), Signals(1))
    return FrameBuffer.open(buffer.path)


def check_frames(buffer: FrameBuffer) -> None:
    assert len(buffer) == NUM_STEPS
    frames = buffer.values_at("frames", np.arange(NUM_STEPS))
    assert len(np.unique(frames)) > 1
    assert len({frame.tobytes() for frame in frames}) > 5
    memory = buffer.values_at("ram", np.arange(NUM_STEPS))
    assert len({row.tobytes() for row in memory}) > NUM_STEPS // 2


def trained(buffer: FrameBuffer, path: Path) -> FrameGenerator:
    """A generator after five steps of training on the buffer, saved and loaded."""
    config = RunConfig(
        data=str(buffer.path),
        network="subpixel",
        batch_size=2,
        critic_steps=2,
        generator_width=4,
        critic_width=4,
        max_images=20,
        device="cpu",
    )
    trainer = build_trainer(config)
    trainer.run([], StopRequest())
    assert trainer.num_steps == 5
    assert all(loss.isfinite() for loss in trainer.updates.losses.values())
    weights = trainer.averaged_generator.state_dict()
    return FrameGenerator.load(save_checkpoint(path, trainer.model, weights, trainer.state_dict()))


def check_samples(generator: FrameGenerator) -> None:
    frames = generator.sample(3, seed=0)
    assert frames.shape == (3, *generator.frame_shape)
    assert np.array_equal(frames, generator.sample(3, seed=0))
    assert len({frame.tobytes() for frame in frames}) == 3


def play_wrapped_episode(env_id: str, generator: FrameGenerator, most_steps: int) -> None:
    """Step an environment whose observations are generated to its end, or so far."""
    env = GeneratedObservation(gym.make(env_id, disable_env_checker=True), generator)
    observation, _ = env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(most_steps):
        assert env.observation_space.contains(observation)
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            break
    env.close()


def check_wrapped(env_id: str, generator: FrameGenerator) -> None:
    """By Gymnasium's rules and by stable-baselines3's."""
    env = GeneratedObservation(gym.make(env_id, disable_env_checker=True), generator)
    check_env(env, skip_render_check=True)
    check_env_of_sb3(env)
    env.close()


def main_job(folder: Path, env_id: str, most_steps: int = 100) -> Row:
    """All of it, in an empty folder; raises where something is not as it must be."""
    began = time.monotonic()
    buffer = collected(folder / "buffer", env_id)
    check_frames(buffer)
    generator = trained(buffer, folder / "run")
    check_samples(generator)
    play_wrapped_episode(env_id, generator, most_steps)
    check_wrapped(env_id, generator)
    height, width, _ = buffer.meta.frame_format.shape
    everything = np.arange(len(buffer))
    ram = buffer.values_at("ram", everything)
    return Row(
        env_id,
        screen=f"{height}x{width}",
        num_colors=len(np.unique(buffer.values_at("frames", everything))),
        num_varying=int((ram != ram[0]).any(0).sum()),
        elapsed_s=time.monotonic() - began,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("games", nargs="*", default=EVERY_GAME)
    warnings.filterwarnings("ignore", ".*is different from the unwrapped version")
    failed = 0
    print(
        "| game | screen | colors | bytes that vary | outcome | s |\n|---|---|---:|---:|---|---:|"
    )
    for env_id in parser.parse_args().games:
        with tempfile.TemporaryDirectory() as folder:
            try:
                row = main_job(Path(folder), env_id)
            except Exception as error:
                failed += 1
                print(f"| {env_id} | | | | {type(error).__name__}: {error} | |", flush=True)
            else:
                figures = f"{row.screen} | {row.num_colors} | {row.num_varying} | passed"
                print(f"| {env_id} | {figures} | {row.elapsed_s:.1f} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
