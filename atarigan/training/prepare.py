"""Between building a trainer and running it: memory, CPU threads, and the state to go on from."""

import contextlib
import ctypes
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from atarigan.config.machine import free_memory, kilobytes
from atarigan.errors import InputError, one_line, shown
from atarigan.models.checkpoint import load_training_state
from atarigan.training.trainer import Trainer

MAX_THREADS = 1024
_MEASURED_S = 0.3
_TRIED_ELEMENTS = 1 << 20
_LARGE_PART = 4 * _TRIED_ELEMENTS


def restore(trainer: Trainer, checkpoint: Path) -> None:
    """Go on from a checkpoint.

    Raises:
        InputError: it is damaged, or was written for other networks.
    """
    state = load_training_state(checkpoint)
    try:
        _check_counts(state)
        trainer.load_state_dict(state)
        was_saved_here = trainer.was_saved_here(state)
    except Exception as error:  # the file may hold anything
        raise InputError(
            f"{checkpoint} does not fit this configuration: {one_line(error)}"
        ) from None
    if not was_saved_here:
        choose_num_threads(trainer)
        print(
            f"{checkpoint.name} was saved on another kind of device than {trainer.plan.kind}: "
            "training continues with new random numbers",
            file=sys.stderr,
        )


def _check_counts(state: dict[str, Any]) -> None:
    """Raise ValueError where a training state's counts are out of range."""
    for name in ("num_steps", "num_images", "num_rollbacks", "num_threads"):
        if type(state[name]) is not int or state[name] < 0:
            raise ValueError(f"{name} must be a count, not {shown(state[name])}")
    if not 1 <= state["num_threads"] <= MAX_THREADS:
        raise ValueError(f"num_threads must be 1 to {MAX_THREADS}, not {state['num_threads']}")
    if type(state["elapsed_s"]) not in (int, float) or not 0 <= state["elapsed_s"] < math.inf:
        raise ValueError(f"elapsed_s must be seconds, not {shown(state['elapsed_s'])}")


def choose_num_threads(trainer: Trainer) -> int:
    """Train for a moment with one CPU thread and with one per core, keep the faster number, and
    undo the training.

    No rule fits: two threads can be half as fast again as one, or five times slower where other
    programs keep the cores busy, because waiting threads spin. A number in OMP_NUM_THREADS, which
    torchrun sets, is kept without a trial.

    Returns:
        The number of threads, which torch and the trainer now use.
    """
    num_cores = torch.get_num_threads()
    is_given = "OMP_NUM_THREADS" in os.environ or trainer.group.size > 1
    if trainer.plan.is_cuda or num_cores == 1 or is_given:
        return num_cores
    batches = trainer.open_batches()
    seconds = {}
    with trainer.undone():
        trainer.train_step(batches)  # the first step is slower
        for num_threads in (1, num_cores):
            trainer.use_threads(num_threads)
            seconds[num_threads] = _seconds_per_step(lambda: trainer.train_step(batches))
    fastest = min(seconds, key=lambda num_threads: seconds[num_threads])
    trainer.use_threads(fastest)
    return fastest


def _seconds_per_step(step: Callable[[], None]) -> float:
    """Mean seconds of the steps that fit into a moment, of at least one."""
    began, num_steps = time.perf_counter(), 0
    while num_steps == 0 or time.perf_counter() - began < _MEASURED_S:
        step()
        num_steps += 1
    return (time.perf_counter() - began) / num_steps


def check_memory(trainer: Trainer) -> None:
    """Raise InputError, with an `--accumulate` that would do, where memory does not hold a step.

    On CUDA a step is tried and undone. On a CPU, where a process that takes too much is killed, a
    part of a large batch is measured, and compared with what is free. Several processes are not
    checked.
    """
    if trainer.group.size > 1:
        return
    if trainer.plan.is_cuda:
        _check_cuda_memory(trainer)
    else:
        _check_cpu_memory(trainer)


def _check_cuda_memory(trainer: Trainer) -> None:
    batch_size, accumulate = trainer.config.batch_size, trainer.config.accumulate
    for parts in _divisors(batch_size, at_least=accumulate):
        trainer.updates.num_parts = parts
        try:
            with trainer.undone():
                trainer.train_step(trainer.open_batches())
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            continue
        trainer.updates.num_parts = accumulate
        if parts == accumulate:
            return
        raise InputError(
            f"--batch-size {batch_size} with --accumulate {accumulate} takes more memory than "
            f"{torch.cuda.get_device_name()} has free: --accumulate {parts} fits"
        )
    raise InputError(f"--batch-size {batch_size} takes more memory than the device has free")


def _check_cpu_memory(trainer: Trainer) -> None:
    config = trainer.config
    size = math.prod(trainer.model.sample.shape)
    part = config.batch_size // config.accumulate
    num_tried = max(1, _TRIED_ELEMENTS // size)
    if part * size <= _LARGE_PART or part <= num_tried:
        return
    free = free_memory()
    per_sample = memory_per_sample(trainer, num_tried)
    needed = part * per_sample
    if needed <= free:
        return
    fits = max(1, int(free / per_sample))
    least = math.ceil(config.batch_size / fits)
    parts = next(_divisors(config.batch_size, at_least=least))
    raise InputError(
        f"--batch-size {config.batch_size} needs about {needed / 1e9:,.1f} GB of memory here, and "
        f"{free / 1e9:,.1f} GB are free: about {fits * config.accumulate:,} fits, or "
        f"--accumulate {parts}"
    )


def memory_per_sample(trainer: Trainer, num: int) -> float:
    """Bytes that a sample of a part adds to a training step on a CPU, measured as the growth of the
    process's peak memory from parts of `num` to parts of 3 * `num` samples. The trainer is left as
    it was. 0 where the system does not tell, which is anywhere but on Linux.
    """
    accumulate, trainer.updates.num_parts = trainer.updates.num_parts, 1
    peaks = []
    try:
        with trainer.undone():
            for num_samples in (num, 3 * num):
                batches = trainer.open_batches(num_samples)
                peaks.append(_peak_bytes(partial(trainer.train_step, batches)))
    finally:
        trainer.updates.num_parts = accumulate
    return max(0, peaks[1] - peaks[0]) / (2 * num)


def _peak_bytes(work: Callable[[], object]) -> int:
    """The process's peak memory during some work; 0 where the system does not tell."""
    try:
        _release_free_memory()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
        work()
        return kilobytes("/proc/self/status", "VmHWM") * 1024
    except (OSError, KeyError, ValueError):
        return 0


def _release_free_memory() -> None:
    """Return freed memory to the system. Work that reuses it would not raise the peak."""
    with contextlib.suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _divisors(number: int, *, at_least: int) -> Iterator[int]:
    return (n for n in range(at_least, number + 1) if number % n == 0)
