"""Steps whose every column tells their number, written and read by processes of their own.

`python -m tests.numbered_steps write BUFFER STOP` writes until the file STOP is there;
`… read BUFFER S` samples for so many seconds and fails where a step is torn.
"""

import sys
import time
from pathlib import Path

import numpy as np

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.sampling import Transitions

FRAME_SHAPE = (32, 32, 1)
RAM_SIZE = 16
EPISODE = 50
LEVELS = 251
BATCH = 32


def create(path: Path, capacity: int, num_writers: int = 1) -> FrameBuffer:
    return FrameBuffer.create(
        path, capacity, FRAME_SHAPE, num_writers=num_writers, ram_size=RAM_SIZE
    )


def write(path: Path, stop: Path) -> None:
    writer = FrameBuffer.open(path).new_writer()
    frame, ram = np.empty(FRAME_SHAPE, np.uint8), np.empty(RAM_SIZE, np.uint8)
    number = writer.num_committed
    while not stop.exists():
        for _ in range(500):
            frame[:] = ram[:] = number % LEVELS
            is_last = number % EPISODE == EPISODE - 1
            writer.add(frame, number, number, terminated=is_last, ram=ram)
            number += 1


def check(batch: Transitions) -> None:
    """Raises AssertionError where something in a step, or before or after it, is of another."""
    numbers = batch.actions
    levels = (numbers % LEVELS).astype(np.uint8)
    is_last = numbers % EPISODE == EPISODE - 1
    next_levels = np.where(is_last, levels, (numbers + 1) % LEVELS)
    assert batch.ram is not None
    assert batch.next_ram is not None
    assert (batch.frames[:, -1] == levels[:, None, None, None]).all()
    assert (batch.next_frames[:, -1] == next_levels[:, None, None, None]).all()
    assert (batch.ram == levels[:, None]).all()
    assert (batch.next_ram == next_levels[:, None]).all()
    assert (batch.rewards == numbers).all()
    assert (batch.terminations == is_last).all()
    assert (batch.frames == batch.frames[:, :, :1, :1]).all()
    num_stack = batch.frames.shape[1]
    back = np.minimum((numbers % EPISODE)[:, None], np.arange(num_stack)[::-1])
    assert (batch.frames[:, :, 0, 0, 0] == (numbers[:, None] - back) % LEVELS).all()


def read(path: Path, num_seconds: float, seed: int = 0) -> int:
    """Batches that were sampled and were whole, at least one."""
    buffer, rng = FrameBuffer.open(path), np.random.default_rng(seed)
    end_s, num_batches = time.monotonic() + num_seconds, 0
    while num_batches == 0 or time.monotonic() < end_s:
        buffer.refresh()
        check(buffer.sample_transitions(BATCH, num_stack=3, seed=rng))
        num_batches += 1
    return num_batches


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        print(read(Path(sys.argv[2]), float(sys.argv[3])))
