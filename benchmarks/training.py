"""`train`: images a second of the trainer."""

import dataclasses
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
from atarigan.training.prepare import choose_num_threads
from benchmarks import breakout
from benchmarks.eager_loop import EagerLoop
from benchmarks.matrix_work import matrix_work
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows
from benchmarks.threads import Threads

BOUND = "the matrix work alone"


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
    """The recipe for frames alone, and Wasserstein with gradient penalty on each network family."""
    networks = stopwatch.sized(full=("codebook", "subpixel", "dcgan"), quick=("subpixel",))
    frames = dataclasses.replace(load_recipe("atari-frames"), max_minutes=0.0)
    configs = {"recipe atari-frames": frames} | {
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


def training_cases(
    stopwatch: Stopwatch, name: str, config: RunConfig, buffer: FrameBuffer, against: str
) -> Iterator[Case]:
    """The trainer in both precisions and its peer, on as many threads; a call is as many steps as
    have one penalty.
    """
    config = dataclasses.replace(config, data=str(buffer.path))
    trainers = {
        precision: build_trainer(dataclasses.replace(config, precision=precision))
        for precision in ("fp32", "bf16")
    }
    threads = Threads(stopwatch.device, choose_num_threads(trainers["fp32"]))
    frames = buffer.values_at("frames", np.arange(len(buffer)))
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
            yield Case(bound, num_images, threads.running(matrix_work(step)))
    yield Case(peer, num_images, repeated(eager_loop.train_step))
