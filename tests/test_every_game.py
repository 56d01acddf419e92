"""The main job in every game that ALE has."""

from pathlib import Path

import ale_py
import gymnasium as gym
import numpy as np
import pytest

from atarigan.frames.buffer_meta import Origin
from atarigan.frames.collector import Share, Signals, collect_share
from atarigan.frames.frame_buffer import FrameBuffer
from atarigan.frames.new_buffer import create_buffer

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


@pytest.mark.parametrize(("env_id", "size"), NATIVE_SIZES.items())
def test_games_of_every_screen_size_are_collected(
    tmp_path: Path, env_id: str, size: tuple[int, int]
) -> None:
    buffer = collected(tmp_path / "buffer", env_id)
    assert buffer.meta.frame_format.shape == (*size, 1)
    check_frames(buffer)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", EVERY_GAME)
def test_every_game_is_collected(tmp_path: Path, env_id: str) -> None:
    check_frames(collected(tmp_path / "buffer", env_id))
