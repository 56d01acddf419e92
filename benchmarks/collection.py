"""`collect`: agent steps a second of the collection engine."""

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.collection import collect
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.images.pixels import FormatName
from benchmarks.emulator import FRAME_SKIP, BareLoops
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows
from benchmarks.sb3_collection import VEC_ENVS, Sb3Collection

NUM_PROCESSES = 2
Size = tuple[int, int] | None
FORMATS: dict[str, tuple[FormatName, Size]] = {
    "84x84 gray": ("gray", (84, 84)),
    "native palette": ("palette", None),
}


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Frame, RAM and action to disk, against emulators whose steps nobody keeps, and against
    stable-baselines3 with its own replay buffer.
    """
    num_steps = stopwatch.sized(full=4000, quick=40)
    formats = stopwatch.sized(full=list(FORMATS), quick=["84x84 gray"])
    with BareLoops(NUM_PROCESSES) as loops, contextlib.ExitStack() as stack:
        bare = Case(
            f"bare ALEInterface loop, {NUM_PROCESSES} processes",
            num_steps,
            lambda: loops.run(num_steps),
            times_itself=True,
        )
        peers = []
        for name in stopwatch.sized(full=list(VEC_ENVS), quick=["SubprocVecEnv"]):
            peer = Sb3Collection(VEC_ENVS[name], NUM_PROCESSES)
            stack.callback(peer.envs.close)
            title = f"stable-baselines3 {name} + VecFrameStack + ReplayBuffer"
            peers.append(Case(title, NUM_PROCESSES, peer.step))
        against = (bare.name, *(peer.name for peer in peers))
        cases = [
            *(engine_case(name, num_steps, against) for name in formats),
            bare,
            *peers,
        ]
        yield from rate_rows("collect", "agent steps/s", cases, stopwatch.timings(cases))


def engine_case(name: str, num_steps: int, against: tuple[str, ...]) -> Case:
    """The collection engine on one of `FORMATS`."""
    return Case(
        f"{name} with RAM, {NUM_PROCESSES} processes",
        num_steps,
        functools.partial(seconds_to_collect, num_steps, *FORMATS[name]),
        against=against,
        times_itself=True,
    )


def seconds_to_collect(num_steps: int, format_name: FormatName, size: Size) -> float:
    """Fill a new buffer; returns the seconds of stepping, as the engine reports them."""
    origin = Origin("ALE/Breakout-v5", policy="random", seed=0, frame_skip=FRAME_SKIP)
    with tempfile.TemporaryDirectory() as folder:
        buffer = create_buffer(
            Path(folder) / "buffer",
            origin,
            format_name=format_name,
            size=size,
            capacity=num_steps,
            num_envs=NUM_PROCESSES,
        )
        return collect(buffer, num_steps, num_envs=NUM_PROCESSES).elapsed_s
