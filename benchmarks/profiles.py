"""Where the time of a case goes: functions by their own time, Python's and compiled ones."""

import cProfile
import pstats
import time
from pathlib import Path

from benchmarks.measurement import Case

PROFILED_S = 1.0
NUM_SHOWN = 6


def print_profile(case: Case) -> None:
    """Print the functions that take most of a case, which is warmed up; nothing of what computes in
    other processes.
    """
    if case.times_itself:
        return
    profiler, ends = cProfile.Profile(), time.perf_counter() + PROFILED_S
    profiler.enable()
    while time.perf_counter() < ends:
        case.work()
    profiler.disable()
    stats = pstats.Stats(profiler)
    own_s = {where: entry[2] for where, entry in stats.stats.items()}  # type: ignore[attr-defined]
    whole_s = sum(own_s.values())
    shown = sorted(own_s, key=lambda where: -own_s[where])[:NUM_SHOWN]
    parts = [f"{_named(where)} {own_s[where] / whole_s:.0%}" for where in shown]
    print(f"{case.name}: {', '.join(parts)}")


def _named(where: tuple[str, int, str]) -> str:
    """A function as its file and name, a compiled one as its name."""
    file, _, name = where
    return (
        name.strip("<>{}").removeprefix("built-in method ")
        if file == "~"
        else (f"{Path(file).stem}.{name}")
    )
