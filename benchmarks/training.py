"""`train`: images a second of the trainer."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atarigan.frames.frame_buffer import FrameBuffer
from atarigan.run_config import RunConfig
from atarigan.train import build_trainer, recipe
from benchmarks import breakout
from benchmarks.eager_loop import EagerLoop
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows

NETWORKS = ("codebook", "subpixel", "dcgan")
EMULATOR = breakout.VECTOR_ENV


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """The default recipe, and Wasserstein with gradient penalty on each family of networks."""
    batch_size = stopwatch.sized(full=64, quick=4)
    named = {"recipe atari": recipe("atari")} | {
        f"{network}, wasserstein + gradient": RunConfig(network=network, batch_size=batch_size)
        for network in NETWORKS
    }
    with tempfile.TemporaryDirectory() as folder:
        buffer = breakout.fill_buffer(Path(folder) / "buffer", stopwatch.sized(2000, 100))
        for name, config in named.items():
            config = dataclasses.replace(config, data=str(buffer.path), max_minutes=0.0)
            yield from beside_eager_loop(stopwatch, name, config, buffer)


def beside_eager_loop(
    stopwatch: Stopwatch, name: str, config: RunConfig, buffer: FrameBuffer
) -> Iterator[Row]:
    """One configuration: the trainer, the same in plain PyTorch, and the emulator."""
    config = dataclasses.replace(config, device=stopwatch.device)
    trainer = build_trainer(config)
    batches = trainer.source.batches(config.batch_size, config.seed)
    frames = buffer.values_at("frames", np.arange(len(buffer)))
    eager_loop = EagerLoop(trainer.model, frames, stopwatch.device)
    num_steps = config.penalty_every  # a call of which each has one penalty

    def train() -> None:
        for _ in range(num_steps):
            trainer.train_step(batches)

    def train_eagerly() -> None:
        for _ in range(num_steps):
            eager_loop.train_step()

    num_images = num_steps * config.critic_steps * config.batch_size
    envs = breakout.vector_env()
    ours = f"{name}, batch {config.batch_size} ({trainer.plan})"
    peer = f"eager PyTorch loop, {name}"
    cases = [
        Case(ours, num_images, train),
        Case(peer, num_images, train_eagerly),
        Case(EMULATOR, envs.num_envs, breakout.vector_stepping(envs)),
    ]
    yield from rate_rows("train", "images/s", stopwatch.timings(cases), [peer, EMULATOR])
    envs.close()
