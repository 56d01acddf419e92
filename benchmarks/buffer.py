"""`buffer`: drawing batches, and bytes on disk."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer

from atarigan.frames.frame_buffer import FrameBuffer
from benchmarks import breakout
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows

BATCH_SIZE = 256
NUM_STACK = 4
PEER = "stable-baselines3 ReplayBuffer"


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Batches out of a FrameBuffer, and out of an array and a ReplayBuffer of as many steps."""
    num_steps = stopwatch.sized(full=10_000, quick=500)
    with tempfile.TemporaryDirectory() as folder:
        buffer = breakout.fill_buffer(Path(folder) / "buffer", num_steps)
        yield from single_frames(stopwatch, buffer)
        replay = replay_buffer(buffer)
        yield from transitions(stopwatch, buffer, replay)
        yield from bytes_per_step(buffer, replay)


def single_frames(stopwatch: Stopwatch, buffer: FrameBuffer) -> Iterator[Row]:
    """Single frames, against taking them out of one contiguous array in memory."""
    rng = np.random.default_rng(0)
    frames = buffer.values_at("frames", np.arange(len(buffer)))
    limit = "np.take on a contiguous array"

    def take() -> None:
        np.take(frames, rng.integers(len(frames), size=BATCH_SIZE), axis=0)

    def sample() -> None:
        buffer.sample(BATCH_SIZE, rng)

    cases = [
        Case(f"FrameBuffer.sample({BATCH_SIZE})", BATCH_SIZE, sample, against=(limit,)),
        Case(limit, BATCH_SIZE, take),
    ]
    yield from rate_rows("buffer", "frames/s", cases, stopwatch.timings(cases))


def transitions(stopwatch: Stopwatch, buffer: FrameBuffer, replay: ReplayBuffer) -> Iterator[Row]:
    """Stacks of four with the next stack; both sides give 256 × 2 × 4 frames."""
    rng = np.random.default_rng(0)
    ours = f"FrameBuffer.sample_transitions({BATCH_SIZE}, {NUM_STACK})"
    peer = f"{PEER}.sample({BATCH_SIZE})"

    def sample() -> None:
        buffer.sample_transitions(BATCH_SIZE, NUM_STACK, rng)

    cases = [
        Case(ours, BATCH_SIZE, sample, against=(peer,)),
        Case(peer, BATCH_SIZE, lambda: replay.sample(BATCH_SIZE)),
    ]
    yield from rate_rows("buffer", "transitions/s", cases, stopwatch.timings(cases))


def bytes_per_step(buffer: FrameBuffer, replay: ReplayBuffer) -> Iterator[Row]:
    """What a stored step takes: ours on disk with RAM, theirs in memory with both stacks."""
    files = [path for path in buffer.path.rglob("*") if path.is_file()]
    ours = sum(path.stat().st_blocks * 512 for path in files) / len(buffer)
    arrays = [value for value in vars(replay).values() if isinstance(value, np.ndarray)]
    theirs = sum(array.nbytes for array in arrays) / (replay.buffer_size * replay.n_envs)
    peer = f"{PEER}, stacks of {NUM_STACK} in memory"
    yield Row(
        "buffer",
        "FrameBuffer, 84x84 gray with RAM on disk",
        ours,
        "bytes/step",
        peer,
        theirs / ours,
    )
    yield Row("buffer", peer, theirs, "bytes/step")


def replay_buffer(buffer: FrameBuffer) -> ReplayBuffer:
    """stable-baselines3's buffer, as long as ours and full, with stacks of four."""
    shape = (NUM_STACK, *buffer.meta.frame_format.shape[:2])
    space: gym.Space[Any] = gym.spaces.Box(0, 255, shape, np.uint8)
    replay = ReplayBuffer(len(buffer), space, gym.spaces.Discrete(4), device="cpu")
    batch = buffer.sample_transitions(BATCH_SIZE, NUM_STACK, seed=0)
    for number in range(len(buffer)):
        row = number % BATCH_SIZE
        stack, next_stack = batch.frames[row, None, ..., 0], batch.next_frames[row, None, ..., 0]
        action, reward, done = batch.actions[row], batch.rewards[row], batch.terminations[row]
        replay.add(stack, next_stack, action, reward, done, [{}])
    return replay
