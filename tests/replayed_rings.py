"""What the rings of a collection hold is what the emulator does from the recorded seeds."""

import contextlib
from pathlib import Path

import numpy as np

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.writer import recorded_seeds
from atarigan.data.collection.worker import env_of
from tests.killed_collection import check_step


def check_rings(path: Path) -> int:
    """Raises AssertionError unless every committed step is whole; returns how many there are."""
    buffer = FrameBuffer.open(path)
    assert len(buffer) == buffer.num_collected
    begin = 0
    with contextlib.closing(env_of(buffer.meta)) as env:
        for folder, length, _ in buffer.writers:
            rows = np.arange(begin, begin + length)
            stored = {name: buffer.values_at(name, rows) for name in buffer.meta.columns}
            seeds = {
                first: each.env_seed
                for first, each in recorded_seeds(folder).items()
                if first < length
            }
            assert 0 in seeds or length == 0, f"{folder} has no seed"
            for row in range(length):
                if row in seeds:
                    assert row == 0 or is_over(stored, row - 1), "the episode goes on"
                    env.reset(seeds[row])
                check_step(env, buffer, {name: values[row] for name, values in stored.items()})
            begin += length
    return begin


def is_over(stored: dict[str, np.ndarray], row: int) -> bool:
    return bool(stored["terminations"][row] | stored["truncations"][row])
