"""`env`: agent steps a second seen through a generator, and how long one step takes."""

from collections.abc import Callable, Iterator

from atarigan.envs import GeneratedObservation, GeneratedVectorObservation, WalkingVectorEnv
from atarigan.envs.walking_vector_env import Output
from benchmarks import breakout, peers
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, added_rows, latency_rows, rate_rows
from benchmarks.threads import thread_choices

NETWORK = "codebook"
OUTPUTS: tuple[Output, ...] = ("numpy", "torch")


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """One environment and vectors of them, wrapped and bare."""
    yield from one_environment(stopwatch)
    yield from vector_with_memory(stopwatch)
    for num_envs in stopwatch.sized(full=(1, 4, 16, 64), quick=(2, 3)):
        yield from vector(stopwatch, num_envs)


def one_environment(stopwatch: Stopwatch) -> Iterator[Row]:
    """Steps a second, and what an agent waits for each of them."""
    generators = {
        NETWORK: breakout.untrained_generator(NETWORK, stopwatch.device),
        breakout.STATE_RECIPE: breakout.state_generator(stopwatch.device),
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


def vector(stopwatch: Stopwatch, num_envs: int) -> Iterator[Row]:
    """Emulators on all cores; all frames of ALE's vector generated in one call a step; and frames
    of walking latents without an emulator.
    """
    emulators = peers.vector_cases(num_envs)
    size = f"{num_envs} environments"
    generator = breakout.untrained_generator(NETWORK, stopwatch.device)
    wrapped = GeneratedVectorObservation(breakout.vector_env(num_envs), generator)
    name = f"GeneratedVectorObservation, {NETWORK}, {size}"
    cases = [
        *emulators,
        *wrapped_cases(stopwatch, name, breakout.vector_stepping(wrapped), *emulators[:1]),
    ]
    shipped = breakout.state_generator(stopwatch.device)
    for output in OUTPUTS:
        work = breakout.vector_stepping(WalkingVectorEnv(shipped, num_envs, output=output))
        name = f"WalkingVectorEnv, {breakout.STATE_RECIPE}, {output}, {size}"
        cases += wrapped_cases(stopwatch, name, work, *emulators)
    yield from rate_rows("env", "agent steps/s", cases, stopwatch.timings(cases))


def vector_with_memory(stopwatch: Stopwatch) -> Iterator[Row]:
    """All environments of a vector whose memory can be read, generated in one call a step."""
    num_envs, recipe = stopwatch.num_envs, breakout.STATE_RECIPE
    generator = breakout.state_generator(stopwatch.device)
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
    stopwatch: Stopwatch, name: str, work: Callable[[], None], *others: Case
) -> Iterator[Case]:
    """The same work for each number of threads, against others."""
    against = tuple(case.name for case in others)
    for threads in thread_choices(stopwatch.device):
        yield Case(f"{name}, {threads}", others[0].num_units, threads.running(work), against)
