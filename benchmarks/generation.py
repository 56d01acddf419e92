"""`generate`: frames a second of a generator."""

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from atarigan.models import onnx_file
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.onnx_generator import OnnxGenerator
from benchmarks import breakout, peers
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows
from benchmarks.threads import thread_choices

NETWORKS = ("codebook", "subpixel", "dcgan")


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Every family of networks and batch size, against emulators' observations a second."""
    emulators = peers.vector_cases(stopwatch.num_envs)
    against = tuple(case.name for case in emulators)
    cases = [*generator_cases(stopwatch, against), *emulators]
    yield from rate_rows("generate", "frames/s", cases, stopwatch.timings(cases))


def generator_cases(stopwatch: Stopwatch, against: tuple[str, ...]) -> Iterator[Case]:
    """A case for each generator, batch size and number of threads."""
    for name, make in samplers(stopwatch).items():
        for batch_size in stopwatch.sized(full=(1, 16, 64, 256), quick=(1, 16)):
            work = make(batch_size)
            for threads in thread_choices(stopwatch.device):
                label = f"{name}, batch {batch_size}, {threads}"
                yield Case(label, batch_size, threads.running(work), against=against)


def samplers(stopwatch: Stopwatch) -> dict[str, Callable[[int], Callable[[], object]]]:
    """By name, what makes a call that generates a batch of a size."""
    shipped = breakout.state_generator(stopwatch.device)
    found: dict[str, Callable[[int], Callable[[], object]]] = {
        f"{breakout.STATE_RECIPE}, drawn states": functools.partial(_sampling, shipped),
        f"{breakout.STATE_RECIPE}, given states": functools.partial(_decoding, shipped),
    }
    if stopwatch.device == "cpu" and all(peers.installed(name) for name in onnx_file.MODULES):
        exported = _exported(shipped)
        found[f"{breakout.STATE_RECIPE}, given states, ONNX Runtime"] = functools.partial(
            _decoding, exported
        )
    for network in NETWORKS:
        generator = breakout.untrained_generator(network, stopwatch.device)
        found[network] = functools.partial(_sampling, generator)
    return found


def _sampling(generator: FrameGenerator, batch_size: int) -> Callable[[], object]:
    return functools.partial(generator.sample, batch_size)


def _decoding(generator: FrameGenerator | OnnxGenerator, batch_size: int) -> Callable[[], object]:
    rams = np.stack([step["ram"] for step in breakout.play(batch_size)])
    return functools.partial(generator.decode, generator.latents(batch_size, 0), rams)


def _exported(generator: FrameGenerator) -> OnnxGenerator:
    """The same generator for ONNX Runtime, with a thread a core."""
    most = thread_choices("cpu")[-1].num
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "generator.onnx"
        onnx_file.write_onnx(generator, file)
        return OnnxGenerator.load(file, num_threads=most)
