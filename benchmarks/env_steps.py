"""`env`: agent steps a second seen through a generator, and how long one step takes."""

from collections.abc import Callable, Iterator

from atarigan.envs import GeneratedObservation, GeneratedVectorObservation
from benchmarks import breakout
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, added_rows, latency_rows, rate_rows
from benchmarks.threads import thread_choices

NETWORK = "codebook"


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """One environment and vectors of them, wrapped and bare."""
    yield from one_environment(stopwatch)
    yield from vector(stopwatch)
    yield from vector_with_memory(stopwatch)


def one_environment(stopwatch: Stopwatch) -> Iterator[Row]:
    """Steps a second, and what an agent waits for each of them."""
    generators = {
        NETWORK: breakout.untrained_generator(NETWORK, stopwatch.device),
        breakout.STATE_RECIPE: breakout.untrained_state_generator(stopwatch.device),
    }
    bare = Case("bare environment, 84x84 gray", 1, breakout.stepping(breakout.bare_env()))
    cases = [bare]
    for name, generator in generators.items():
        wrapped = breakout.stepping(GeneratedObservation(breakout.bare_env(), generator))
        cases += wrapped_cases(stopwatch, f"GeneratedObservation, {name}", wrapped, bare)
    timings = stopwatch.timings(cases)
    yield from rate_rows("env", "agent steps/s", cases, timings)
    yield from latency_rows("env", cases, timings)
    yield from added_rows("env", cases, timings)


def vector(stopwatch: Stopwatch) -> Iterator[Row]:
    """All environments of ALE's vector, generated in one call a step."""
    generator = breakout.untrained_generator(NETWORK, stopwatch.device)
    envs = breakout.vector_env(stopwatch.num_envs)
    wrapped = breakout.vector_stepping(GeneratedVectorObservation(envs, generator))
    bare = breakout.bare_vector_case(stopwatch.num_envs)
    cases = [
        *wrapped_cases(stopwatch, f"GeneratedVectorObservation, {NETWORK}", wrapped, bare),
        bare,
    ]
    yield from rate_rows("env", "agent steps/s", cases, stopwatch.timings(cases))


def vector_with_memory(stopwatch: Stopwatch) -> Iterator[Row]:
    """All environments of a vector whose memory can be read, generated in one call a step."""
    num_envs, recipe = stopwatch.num_envs, breakout.STATE_RECIPE
    generator = breakout.untrained_state_generator(stopwatch.device)
    envs = breakout.sync_vector(num_envs)
    wrapped = breakout.vector_stepping(GeneratedVectorObservation(envs, generator))
    bare = Case(
        f"SyncVectorEnv, {num_envs} environments",
        num_envs,
        breakout.vector_stepping(breakout.sync_vector(num_envs)),
    )
    cases = [
        *wrapped_cases(stopwatch, f"GeneratedVectorObservation, {recipe}", wrapped, bare),
        bare,
    ]
    timings = stopwatch.timings(cases)
    yield from rate_rows("env", "agent steps/s", cases, timings)
    yield from added_rows("env", cases, timings)


def wrapped_cases(
    stopwatch: Stopwatch, name: str, work: Callable[[], None], bare: Case
) -> Iterator[Case]:
    """The same work for each number of threads."""
    for threads in thread_choices(stopwatch.device):
        yield Case(
            f"{name}, {threads}", bare.num_units, threads.running(work), against=(bare.name,)
        )
