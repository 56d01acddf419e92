"""`buffer`: drawing batches, and bytes on disk."""

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from torch import Tensor

from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources import SOURCES
from atarigan.data.sources.source import Batch
from atarigan.models.generated_replay import GeneratedReplay
from atarigan.training.device_plan import plan_for
from benchmarks import breakout, peers
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows
from benchmarks.threads import thread_choices

BATCH_SIZE = 256
NUM_STACK = 4
PEER = "stable-baselines3 ReplayBuffer"


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Batches out of a FrameBuffer, and out of an array and a ReplayBuffer of as many steps."""
    num_steps = stopwatch.sized(full=10_000, quick=500)
    with tempfile.TemporaryDirectory() as folder:
        buffer = breakout.fill_buffer(Path(folder) / "buffer", num_steps)
        states = breakout.fill_buffer(Path(folder) / "states", num_steps, stores_frames=False)
        yield from single_frames(stopwatch, buffer, states)
        replay = replay_buffer(buffer)
        yield from transitions(stopwatch, buffer, replay, Path(folder) / "torchrl")
        yield from bytes_per_step(buffer, states, replay)
        yield from batches_on_device(stopwatch, buffer)


def single_frames(stopwatch: Stopwatch, buffer: FrameBuffer, states: FrameBuffer) -> Iterator[Row]:
    """Single frames, against taking them out of one contiguous array in memory; and those that are
    generated from memory, against stored ones.
    """
    rng = np.random.default_rng(0)
    frames = buffer.values_at("frames", np.arange(len(buffer)))
    replay = GeneratedReplay(states, breakout.state_generator(stopwatch.device))
    limit, stored = "np.take on a contiguous array", f"FrameBuffer.sample({BATCH_SIZE})"
    generated = f"GeneratedReplay.sample({BATCH_SIZE}), {breakout.STATE_RECIPE}"

    def take() -> None:
        np.take(frames, rng.integers(len(frames), size=BATCH_SIZE), axis=0)

    def sample() -> None:
        buffer.sample(BATCH_SIZE, rng)

    def generate() -> None:
        replay.sample(BATCH_SIZE, rng)

    cases = [
        Case(stored, BATCH_SIZE, sample, against=(limit,)),
        Case(limit, BATCH_SIZE, take),
        *(
            Case(f"{generated}, {threads}", BATCH_SIZE, threads.running(generate), (stored,))
            for threads in thread_choices(stopwatch.device)
        ),
    ]
    yield from rate_rows("buffer", "frames/s", cases, stopwatch.timings(cases))


def transitions(
    stopwatch: Stopwatch, buffer: FrameBuffer, replay: ReplayBuffer, folder: Path
) -> Iterator[Row]:
    """Stacks of four with the next stack; all sides give 256 × 2 × 4 frames."""
    rng = np.random.default_rng(0)
    theirs = {f"{PEER}.sample({BATCH_SIZE})": lambda: replay.sample(BATCH_SIZE)}
    torchrl = peers.torchrl_buffer(buffer, BATCH_SIZE, NUM_STACK, folder)
    if torchrl is not None:
        theirs[f"{peers.TORCHRL}.sample()"] = torchrl.sample

    def sample() -> None:
        buffer.sample_transitions(BATCH_SIZE, NUM_STACK, rng)

    ours = f"FrameBuffer.sample_transitions({BATCH_SIZE}, {NUM_STACK})"
    cases = [
        Case(ours, BATCH_SIZE, sample, against=tuple(theirs)),
        *(Case(name, BATCH_SIZE, work) for name, work in theirs.items()),
    ]
    yield from rate_rows("buffer", "transitions/s", cases, stopwatch.timings(cases))


def bytes_per_step(buffer: FrameBuffer, states: FrameBuffer, replay: ReplayBuffer) -> Iterator[Row]:
    """What a stored step takes: ours on disk with RAM, theirs in memory with both stacks."""
    arrays = [value for value in vars(replay).values() if isinstance(value, np.ndarray)]
    theirs = sum(array.nbytes for array in arrays) / (replay.buffer_size * replay.n_envs)
    peer = f"{PEER}, stacks of {NUM_STACK} in memory"
    for name, held in (("84x84 gray with RAM", buffer), ("RAM without frames", states)):
        files = [path for path in held.path.rglob("*") if path.is_file()]
        ours = sum(path.stat().st_blocks * 512 for path in files) / len(held)
        case = f"FrameBuffer, {name} on disk"
        yield Row("buffer", case, ours, "bytes/step", peer, theirs / ours)
    yield Row("buffer", peer, theirs, "bytes/step")


def batches_on_device(stopwatch: Stopwatch, buffer: FrameBuffer) -> Iterator[Row]:
    """Batches as a training takes them, floats on the device: on a GPU read ahead into page-locked
    memory and copied meanwhile. Against batches read when they are asked for, and the copy alone.
    """
    config = RunConfig(data=str(buffer.path), device=stopwatch.device)
    source, plan = SOURCES["frames"](config), plan_for(config)
    for size in stopwatch.sized(full=(256, 4096), quick=(16,)):
        ahead = plan.on_device(source.batches(size, seed=0))
        asked = source.batches(size, seed=0)
        host = torch.from_numpy(next(asked).samples)
        host = host.pin_memory() if plan.is_cuda else host
        target = torch.empty_like(host, device=plan.device)

        def read(batches: Iterator[Batch] = asked) -> None:
            plan.samples(next(batches).samples)

        def copy(target: Tensor = target, host: Tensor = host) -> None:
            target.copy_(host, non_blocking=True)

        ours, peer, limit = (
            f"{name}, batch {size}"
            for name in ("batches on the device", "batches read when asked for", "the copy alone")
        )
        cases = [
            Case(ours, size, functools.partial(next, ahead), (peer, limit)),
            Case(peer, size, read),
            Case(limit, size, copy),
        ]
        yield from rate_rows("buffer", "frames/s", cases, stopwatch.timings(cases))


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
