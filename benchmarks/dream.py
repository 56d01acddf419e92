"""`dream`: agent steps a second of a learned game, without an emulator."""

from collections.abc import Iterator

from ale_py.vector_env import AtariVectorEnv

from atarigan.envs import DreamEnv, DreamVectorEnv
from benchmarks import breakout
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, latency_rows, rate_rows

DREAM = "pong"
GAME = "pong"


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """One game, and vectors of them, as RAM and as pixels, against ALE's vector on one core."""
    yield from one_game(stopwatch)
    for num_envs in stopwatch.sized(full=(64, 1024), quick=(2,)):
        yield from vector(stopwatch, num_envs)


def one_game(stopwatch: Stopwatch) -> Iterator[Row]:
    """Steps a second, and what an agent waits for each of them."""
    cases = [Case("bare environment, 84x84 gray", 1, breakout.stepping(breakout.bare_env()))]
    for obs_type in ("ram", "pixels"):
        env = DreamEnv(DREAM, obs_type=obs_type, device=stopwatch.device)
        name = f"DreamEnv, {obs_type}"
        cases.append(Case(name, 1, breakout.stepping(env), (cases[0].name,)))
    timings = stopwatch.timings(cases)
    yield from rate_rows("dream", "agent steps/s", cases, timings)
    yield from latency_rows("dream", cases, timings)


def vector(stopwatch: Stopwatch, num_envs: int) -> Iterator[Row]:
    """All games in one call a step; ALE's vector has one thread."""
    size = f"{num_envs} environments"
    peer = f"AtariVectorEnv, 1 thread, {size}"
    emulators = AtariVectorEnv(GAME, num_envs, num_threads=1)
    cases = [Case(peer, num_envs, breakout.vector_stepping(emulators))]
    for obs_type in ("ram", "pixels"):
        envs = DreamVectorEnv(DREAM, num_envs, obs_type=obs_type, device=stopwatch.device)
        name = f"DreamVectorEnv, {obs_type}, {size}"
        cases.append(Case(name, num_envs, breakout.vector_stepping(envs), (peer,)))
    yield from rate_rows("dream", "agent steps/s", cases, stopwatch.timings(cases))
