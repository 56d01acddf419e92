"""How many CPU threads to compute with, decided by a short trial.

No rule fits: two threads can be half as fast again as one, or five times slower where other
programs keep the cores busy, because threads that wait for one another spin.
"""

import os
import time
from collections.abc import Callable

import torch

from atarigan.training.trainer import Trainer

_MEASURED_S = 0.3


def choose_num_threads(trainer: Trainer) -> int:
    """Train a moment with one thread and with one a core, keep the faster number, and undo the
    training.

    A number in OMP_NUM_THREADS is kept without a trial, as torchrun sets it, and so is anything but
    the CPU.

    Returns:
        The number of threads, which torch and the trainer are set to.
    """
    num_cores = torch.get_num_threads()
    is_given = "OMP_NUM_THREADS" in os.environ or trainer.group.size > 1
    if trainer.plan.device.type != "cpu" or num_cores == 1 or is_given:
        return num_cores
    batches = trainer.source.batches(trainer.config.batch_size, trainer.config.seed)
    seconds = {}
    with trainer.undone():
        trainer.train_step(batches)  # the first is slower
        for num_threads in (1, num_cores):
            trainer.use_threads(num_threads)
            seconds[num_threads] = _seconds_a_step(lambda: trainer.train_step(batches))
    fastest = min(seconds, key=lambda num_threads: seconds[num_threads])
    trainer.use_threads(fastest)
    return fastest


def _seconds_a_step(step: Callable[[], None]) -> float:
    """Mean seconds of the steps that a moment has room for, or of one."""
    began, num_steps = time.perf_counter(), 0
    while num_steps == 0 or time.perf_counter() - began < _MEASURED_S:
        step()
        num_steps += 1
    return (time.perf_counter() - began) / num_steps
