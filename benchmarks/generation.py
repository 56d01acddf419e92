"""`generate`: frames a second of FrameGenerator.sample."""

import functools
from collections.abc import Iterator

from benchmarks import breakout
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows
from benchmarks.threads import thread_choices

NETWORKS = ("codebook", "subpixel", "dcgan")


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Every family of networks and batch size, against the emulator's observations a second."""
    emulator = breakout.bare_vector_case(stopwatch.num_envs)
    cases = [*generator_cases(stopwatch, against=emulator.name), emulator]
    yield from rate_rows("generate", "frames/s", cases, stopwatch.timings(cases))


def generator_cases(stopwatch: Stopwatch, against: str) -> Iterator[Case]:
    """A case for each network, batch size and number of threads."""
    for network in NETWORKS:
        generator = breakout.untrained_generator(network, stopwatch.device)
        for batch_size in stopwatch.sized(full=(1, 16, 64, 256), quick=(1, 16)):
            for threads in thread_choices(stopwatch.device):
                sample = functools.partial(generator.sample, batch_size)
                name = f"{network}, batch {batch_size}, {threads}"
                yield Case(name, batch_size, threads.running(sample), against=(against,))
