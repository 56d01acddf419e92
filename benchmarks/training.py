"""`train`: images a second of the trainer."""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from atarigan.config.recipes import load_recipe
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.models.device import choose_device
from atarigan.training.build import build_trainer
from atarigan.training.device_plan import DeviceBatch
from atarigan.training.prepare import choose_num_threads
from atarigan.training.trainer import Trainer
from benchmarks import breakout
from benchmarks.eager_loop import EagerLoop, EagerReconstruction
from benchmarks.matrix_work import matrix_work
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows
from benchmarks.threads import Threads

BOUND = "the matrix work alone"
_NUM_IN_MEMORY = 10_000


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Every configuration against the same in plain PyTorch, and against the emulator, which has to
    keep up where frames are learnt as they come.
    """
    emulator = breakout.bare_vector_case(stopwatch.num_envs)
    with tempfile.TemporaryDirectory() as folder:
        buffer = breakout.fill_buffer(Path(folder) / "buffer", stopwatch.sized(2000, 100))
        cases = [
            case
            for name, config in configurations(stopwatch).items()
            for case in training_cases(stopwatch, name, config, buffer, against=emulator.name)
        ]
        cases += reconstruction_cases(stopwatch, buffer, against=emulator.name)
        timings = stopwatch.timings([*cases, emulator])
        yield from rate_rows("train", "images/s", [*cases, emulator], timings)
        if choose_device(stopwatch.device).type == "cuda":
            yield from memory_rows(cases)


def memory_rows(cases: Sequence[Case]) -> Iterator[Row]:
    """Rows of the megabytes of CUDA memory that tensors take at most in a call, beyond what stays
    between calls; the matrix work alone is left out, as it frees nothing.
    """
    steps = {case.name: case for case in cases if not case.name.startswith(BOUND)}
    peaks = {name: _peak_bytes(case.work) / 1e6 for name, case in steps.items()}
    for name, case in steps.items():
        other = next((each for each in case.against if each in steps), None)
        ratio = peaks[other] / peaks[name] if other else None
        yield Row(
            "train",
            f"peak memory of {name}",
            peaks[name],
            "MB",
            other and f"peak memory of {other}",
            ratio,
        )


def _peak_bytes(work: Callable[[], object]) -> int:
    torch.cuda.reset_peak_memory_stats()
    start = torch.cuda.memory_allocated()
    work()
    return torch.cuda.max_memory_allocated() - start


def configurations(stopwatch: Stopwatch) -> dict[str, RunConfig]:
    """Recipes of frames alone and of images, where MNIST is at hand, and Wasserstein with gradient
    penalty on each network family.
    """
    networks = stopwatch.sized(full=("codebook", "subpixel", "dcgan"), quick=("subpixel",))
    names = stopwatch.sized(full=("atari-frames", "atari-wgan-gp"), quick=("atari-frames",))
    recipes = [*names, *(["images"] if has_mnist() else [])]
    configs = {
        f"recipe {name}": dataclasses.replace(load_recipe(name), max_minutes=0.0)
        for name in recipes
    } | {
        f"{network}, wasserstein + gradient": RunConfig(network=network, batch_size=64)
        for network in networks
    }
    if stopwatch.is_quick:
        small: dict[str, Any] = {"batch_size": 2, "generator_width": 8, "critic_width": 4}
        configs = {name: dataclasses.replace(config, **small) for name, config in configs.items()}
    return {
        f"{name}, batch {config.batch_size}": dataclasses.replace(config, device=stopwatch.device)
        for name, config in configs.items()
    }


def has_mnist() -> bool:
    """Whether MNIST is at hand, so that nothing has to be downloaded."""
    folder = os.environ.get("ATARIGAN_DATA")
    return folder is not None and (Path(folder) / "mnist").is_dir()


def reconstruction_cases(stopwatch: Stopwatch, buffer: FrameBuffer, against: str) -> Iterator[Case]:
    """Updates of the recipe atari towards the frames of states, and their peer."""
    config = dataclasses.replace(
        load_recipe("atari"),
        condition="ram",
        data=str(buffer.path),
        device=stopwatch.device,
        max_minutes=0.0,
    )
    trainer = build_trainer(config)
    threads = Threads(stopwatch.device, choose_num_threads(trainer))
    frames, states = (buffer.values_at(name, np.arange(len(buffer))) for name in ("frames", "ram"))
    eager = EagerReconstruction(trainer.averaged_generator, config, frames, states)
    for size in stopwatch.sized(full=(64, 512, 2048), quick=(8,)):
        batches = trainer.open_batches(size)
        peer, ours = (
            f"{name}, reconstruction, recipe atari, batch {size}, {threads}"
            for name in ("eager fp32 PyTorch loop", "Trainer in fp32")
        )
        update = partial(_reconstruct, trainer, batches)
        yield Case(ours, size, threads.running(update), (peer, against))
        yield Case(peer, size, threads.running(partial(eager.update, size)))


def _reconstruct(trainer: Trainer, batches: Iterator[DeviceBatch]) -> None:
    trainer.updates.update_reconstruction(*next(batches))


def training_cases(
    stopwatch: Stopwatch, name: str, config: RunConfig, buffer: FrameBuffer, against: str
) -> Iterator[Case]:
    """The trainer in both precisions and its peer, on as many threads; a call is as many steps as
    have one penalty.
    """
    if config.source == "frames":
        config = dataclasses.replace(config, data=str(buffer.path))
    trainers = {
        precision: build_trainer(dataclasses.replace(config, precision=precision))
        for precision in ("fp32", "bf16")
    }
    threads = Threads(stopwatch.device, choose_num_threads(trainers["fp32"]))
    source = trainers["fp32"].source
    frames = source.samples_at(np.arange(min(source.num_samples, _NUM_IN_MEMORY)))
    eager_loop = EagerLoop(trainers["fp32"].model, frames)
    num_images = config.penalty_every * config.critic_steps * config.batch_size

    def repeated(step: Callable[[], None]) -> Callable[[], object]:
        def run() -> None:
            for _ in range(config.penalty_every):
                step()

        return threads.running(run)

    peer = f"eager fp32 PyTorch loop, {name}, {threads}"
    bound = f"{BOUND}, fp32, {name}, {threads}"
    for precision, trainer in trainers.items():
        batches = trainer.open_batches()
        step = repeated(partial(trainer.train_step, batches))
        limits = (bound,) if precision == "fp32" else ()
        ours = f"Trainer in {precision}, {name}, {threads}"
        yield Case(ours, num_images, step, against=(peer, *limits, against))
        if limits:
            trainer.updates.capture(False)  # what is replayed cannot be recorded
            work = matrix_work(step)
            trainer.updates.capture(trainer.plan.is_cuda)
            yield Case(bound, num_images, threads.running(work))
    yield Case(peer, num_images, repeated(eager_loop.train_step))
