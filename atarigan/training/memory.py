"""Whether a batch fits into the device's memory, found out before training."""

import contextlib
import itertools
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from atarigan.errors import InputError
from atarigan.training.trainer import Trainer

_TRIAL_NUMBERS = 1 << 22
_LEAST_TRIAL, _LARGEST_TRIAL = 8, 128


def refuse_too_large_batch(trainer: Trainer) -> None:
    """Raises InputError where an update of the run's batch would take more memory than is free,
    with the batch size that fits.

    A batch is only looked into if it holds more than `_TRIAL_NUMBERS` numbers for each part that it
    is computed in. A batch of small parts is then tried, of a quarter of that if possible, and the
    training undone: what an update takes grows in proportion. Several processes are not looked at.
    """
    config = trainer.config
    part = config.batch_size // config.accumulate
    size = math.prod(trainer.model.sample.shape)
    num_tried = min(_LARGEST_TRIAL, max(_LEAST_TRIAL, _TRIAL_NUMBERS // 4 // size))
    if part * size <= _TRIAL_NUMBERS or part <= num_tried or trainer.group.size > 1:
        return
    free = free_memory(trainer.plan.device)
    a_sample = peak_memory(trainer, num_tried * config.accumulate) / num_tried  # of a part
    needed = part * a_sample
    if needed <= free:
        return
    fits = max(1, int(free / a_sample))
    least = math.ceil(config.batch_size / fits)
    parts = next(n for n in range(least, config.batch_size + 1) if config.batch_size % n == 0)
    raise InputError(
        f"--batch-size {config.batch_size} needs about {needed / 1e9:,.1f} GB of memory here, and "
        f"{free / 1e9:,.1f} GB are free: about {fits * config.accumulate:,} fits, or "
        f"--accumulate {parts}"
    )


def free_memory(device: torch.device) -> int:
    """Bytes that are free on the device; of a CPU, what Linux says is available, or all if it says
    nothing.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {name: size for name, _, size in (line.partition(":") for line in lines)}
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 1 << 62


def peak_memory(trainer: Trainer, batch_size: int) -> int:
    """Bytes that tensors take at most in a step of such a batch, beyond what they take before it.
    The trainer is left as it was.
    """
    batches = trainer.source.batches(batch_size, trainer.config.seed)
    with trainer.undone():
        trainer.train_step(batches)  # the first one takes what stays
        trainer.generator.zero_grad(set_to_none=True)
        trainer.critic.zero_grad(set_to_none=True)
        return peak_of(lambda: trainer.train_step(batches), trainer.plan.device)


def peak_of(work: Callable[[], object], device: torch.device) -> int:
    """Bytes that tensors take at most during some work, beyond what they take before it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        start = torch.cuda.memory_allocated()
        work()
        return torch.cuda.max_memory_allocated() - start
    with _quiet(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    return _highest(profiler)


def _highest(profiler: profile) -> int:
    """The most that was taken at once, by the profiler's record."""
    assert profiler.profiler is not None
    results: Any = profiler.profiler.kineto_results
    changes = [event.nbytes() for event in results.events() if event.name() == "[memory]"]
    return max(itertools.accumulate(changes), default=0)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on stderr, where the profiler, in C++, announces itself."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
