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
from benchmarks.threads import Threads


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Every configuration against the same in plain PyTorch, and against the emulator, which has to
    keep up where frames are learnt as they come.
    """
    envs = breakout.vector_env()
    emulator = Case(breakout.VECTOR_ENV, envs.num_envs, breakout.vector_stepping(envs))
    with tempfile.TemporaryDirectory() as folder:
        buffer = breakout.fill_buffer(Path(folder) / "buffer", stopwatch.sized(2000, 100))
        cases = [
            case
            for name, config in configurations(stopwatch).items()
            for case in training_cases(stopwatch, name, config, buffer, against=emulator.name)
        ]
        cases.append(emulator)
        yield from rate_rows("train", "images/s", cases, stopwatch.timings(cases))
    envs.close()


def configurations(stopwatch: Stopwatch) -> dict[str, RunConfig]:
    """The default recipe, and Wasserstein with gradient penalty on each family of networks."""
    networks = stopwatch.sized(full=("codebook", "subpixel", "dcgan"), quick=("subpixel",))
    configs = {"recipe atari": dataclasses.replace(recipe("atari"), max_minutes=0.0)} | {
        f"{network}, wasserstein + gradient": RunConfig(network=network, batch_size=64)
        for network in networks
    }
    named = {}
    for name, config in configs.items():
        batch_size = stopwatch.sized(full=config.batch_size, quick=2)
        named[f"{name}, batch {batch_size}"] = dataclasses.replace(
            config, batch_size=batch_size, device=stopwatch.device
        )
    return named


def training_cases(
    stopwatch: Stopwatch, name: str, config: RunConfig, buffer: FrameBuffer, against: str
) -> Iterator[Case]:
    """The trainer and its peer; a call is as many steps as have one penalty."""
    trainer = build_trainer(dataclasses.replace(config, data=str(buffer.path)))
    batches = trainer.source.batches(config.batch_size, config.seed)
    frames = buffer.values_at("frames", np.arange(len(buffer)))
    eager_loop = EagerLoop(trainer.model, frames)

    def train() -> None:
        for _ in range(config.penalty_every):
            trainer.train_step(batches)

    def train_eagerly() -> None:
        for _ in range(config.penalty_every):
            eager_loop.train_step()

    num_images = config.penalty_every * config.critic_steps * config.batch_size
    threads = Threads(stopwatch.device, trainer.plan.num_threads)
    ours, peer = f"Trainer, {name}, {threads}", f"eager PyTorch loop, {name}, {threads}"
    yield Case(ours, num_images, train, against=(peer, against))
    yield Case(peer, num_images, train_eagerly)
