"""`env`: agent steps a second seen through a generator, and how long one step takes."""

from collections.abc import Iterator

from atarigan.envs import GeneratedObservation, GeneratedVectorObservation
from benchmarks import breakout
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, latency_rows, rate_rows
from benchmarks.threads import thread_choices

NETWORK = "codebook"


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """One environment and a vector of them, wrapped and bare."""
    yield from one_environment(stopwatch)
    yield from vector(stopwatch)


def one_environment(stopwatch: Stopwatch) -> Iterator[Row]:
    """Steps a second, and what an agent waits for each of them."""
    generator = breakout.untrained_generator(NETWORK, stopwatch.device)
    wrapped = breakout.stepping(GeneratedObservation(breakout.bare_env(), generator))
    bare = Case("bare environment, 84x84 gray", 1, breakout.stepping(breakout.bare_env()))
    cases = [
        *(
            Case(
                f"GeneratedObservation, {NETWORK}, {threads}",
                1,
                threads.running(wrapped),
                against=(bare.name,),
            )
            for threads in thread_choices(stopwatch.device)
        ),
        bare,
    ]
    timings = stopwatch.timings(cases)
    yield from rate_rows("env", "agent steps/s", cases, timings)
    yield from latency_rows("env", cases, timings)


def vector(stopwatch: Stopwatch) -> Iterator[Row]:
    """All environments of ALE's vector, generated in one call a step."""
    generator = breakout.untrained_generator(NETWORK, stopwatch.device)
    envs = breakout.vector_env(stopwatch.num_envs)
    wrapped = breakout.vector_stepping(GeneratedVectorObservation(envs, generator))
    bare = breakout.bare_vector_case(stopwatch.num_envs)
    cases = [
        *(
            Case(
                f"GeneratedVectorObservation, {NETWORK}, {threads}",
                stopwatch.num_envs,
                threads.running(wrapped),
                against=(bare.name,),
            )
            for threads in thread_choices(stopwatch.device)
        ),
        bare,
    ]
    yield from rate_rows("env", "agent steps/s", cases, stopwatch.timings(cases))
