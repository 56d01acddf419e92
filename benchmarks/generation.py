"""`generate`: frames a second of FrameGenerator.sample."""

import functools
from collections.abc import Iterator

from benchmarks import breakout
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows
from benchmarks.threads import thread_choices

NETWORKS = ("codebook", "subpixel", "dcgan")
BATCH_SIZES = (1, 16, 64, 256)
EMULATOR = breakout.VECTOR_ENV


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Every family of networks and batch size, against the emulator's observations a second."""
    envs = breakout.vector_env()
    for network in NETWORKS:
        generator = breakout.untrained_generator(network, stopwatch.device)
        cases = [
            Case(
                f"{network}, batch {batch_size}, {threads}",
                batch_size,
                threads.running(functools.partial(generator.sample, batch_size)),
            )
            for batch_size in BATCH_SIZES
            for threads in thread_choices(stopwatch.device)
        ]
        emulator = Case(EMULATOR, envs.num_envs, breakout.vector_stepping(envs))
        timings = stopwatch.timings([*cases, emulator])
        yield from rate_rows("generate", "frames/s", timings, [EMULATOR])
    envs.close()
