"""The main job in every game that ALE has."""

from pathlib import Path

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

from atarigan import FrameGenerator
from atarigan.assembly import build_trainer
from atarigan.envs import GeneratedObservation
from atarigan.frames.buffer_meta import Origin
from atarigan.frames.collector import Share, Signals, collect_share
from atarigan.frames.frame_buffer import FrameBuffer
from atarigan.frames.new_buffer import create_buffer
from atarigan.run_config import RunConfig
from atarigan.stop_request import StopRequest
from atarigan.training.checkpoint import save_checkpoint

gym.register_envs(ale_py)

NUM_STEPS = 200
EVERY_GAME = sorted(
    env_id for env_id in gym.registry if env_id.startswith("ALE/") and env_id.endswith("-v5")
)
NATIVE_SIZES = {
    "ALE/Breakout-v5": (210, 160),
    "ALE/Pong-v5": (210, 160),
    "ALE/Carnival-v5": (214, 160),
    "ALE/Pooyan-v5": (220, 160),
    "ALE/JourneyEscape-v5": (230, 160),
    "ALE/AirRaid-v5": (250, 160),
}


def collected(path: Path, env_id: str) -> FrameBuffer:
    """A buffer with the native screens of so many agent steps of random play."""
    origin = Origin(env_id=env_id)
    buffer = create_buffer(path, origin, format_name="palette", size=None, capacity=NUM_STEPS)
    collect_share(Share(path, index=0, num_steps=NUM_STEPS, seed=0, num_before=0), Signals(1))
    return FrameBuffer.open(buffer.path)


def check_frames(buffer: FrameBuffer) -> None:
    assert len(buffer) == NUM_STEPS
    frames = buffer.values_at("frames", np.arange(NUM_STEPS))
    assert len(np.unique(frames)) > 1
    assert len({frame.tobytes() for frame in frames}) > 5
    memory = buffer.values_at("ram", np.arange(NUM_STEPS))
    assert len({row.tobytes() for row in memory}) > NUM_STEPS // 2


def trained(buffer: FrameBuffer, path: Path) -> FrameGenerator:
    """A generator after a few steps of training on the buffer, saved and loaded."""
    config = RunConfig(
        data=str(buffer.path),
        network="subpixel",
        batch_size=4,
        critic_steps=2,
        generator_width=4,
        critic_width=4,
        max_images=24,
        device="cpu",
    )
    trainer = build_trainer(config)
    trainer.run([], StopRequest())
    assert trainer.num_steps == 3
    assert all(loss.isfinite() for loss in trainer.losses.values())
    weights = trainer.average.averaged.state_dict()
    return FrameGenerator.load(save_checkpoint(path, trainer.model, weights, trainer.state_dict()))


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


@pytest.mark.parametrize(("env_id", "size"), NATIVE_SIZES.items())
def test_the_main_job_on_screens_of_every_size(
    tmp_path: Path, env_id: str, size: tuple[int, int]
) -> None:
    buffer = collected(tmp_path / "buffer", env_id)
    assert buffer.meta.frame_format.shape == (*size, 1)
    check_frames(buffer)
    generator = trained(buffer, tmp_path / "run")
    assert generator.frame_shape == (*size, 3)
    play_wrapped_episode(env_id, generator, most_steps=50)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
@pytest.mark.parametrize("env_id", EVERY_GAME)
def test_the_main_job_in_every_game(tmp_path: Path, env_id: str) -> None:
    buffer = collected(tmp_path / "buffer", env_id)
    check_frames(buffer)
    generator = trained(buffer, tmp_path / "run")
    play_wrapped_episode(env_id, generator, most_steps=300)
    env = GeneratedObservation(gym.make(env_id, disable_env_checker=True), generator)
    check_env(env, skip_render_check=True)
    check_env_of_sb3(env)
    env.close()
