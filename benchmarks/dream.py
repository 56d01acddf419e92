"""`dream`: agent steps a second of a learned game, without an emulator."""

from collections.abc import Iterator

from ale_py.vector_env import AtariVectorEnv

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.envs import DreamEnv, DreamVectorEnv
from atarigan.models.dynamics.dream import Dream, DreamSettings, Starts
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.training.dream.frame_games import FrameGames
from benchmarks import breakout, peers
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, latency_rows, rate_rows

GAME = "pong"
ENV_ID = "ALE/Pong-v5"
STICKY = 0.25


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """One game, and vectors of them, as RAM and as pixels, against ALE's vector on one core; on
    CUDA also games that are played there.
    """
    dream = quickly_learned(stopwatch.sized(full=60_000, quick=1_000))
    yield from one_game(stopwatch, dream)
    for num_envs in stopwatch.sized(full=(64, 1024), quick=(2,)):
        yield from vector(stopwatch, dream, num_envs)
    if stopwatch.device == "cuda":
        for num_envs in stopwatch.sized(full=(1024, 8192), quick=(2,)):
            yield from on_device(stopwatch, dream, num_envs)


def quickly_learned(num_frames: int) -> Dream:
    """A dream of few frames: its trees are about as large as those of a long training."""
    env = AgentSteps(ENV_ID, sticky=STICKY)
    games = FrameGames(env, "scripted", STICKY, seed=0)
    frames = games.play(num_frames).frames
    settings = DreamSettings(ENV_ID, {}, env.action_meanings, has_paddle=True, generator=GAME)
    starts = Starts(frames.states[:1], frames.lives[:1])
    env.close()
    return Dream(settings, TreeDynamics.fit(frames), starts)


def one_game(stopwatch: Stopwatch, dream: Dream) -> Iterator[Row]:
    """Steps a second, and what an agent waits for each of them."""
    cases = [Case("bare environment, 84x84 gray", 1, breakout.stepping(breakout.bare_env()))]
    for obs_type in ("ram", "pixels"):
        env = DreamEnv(dream, obs_type=obs_type, device=stopwatch.device)
        name = f"DreamEnv, {obs_type}"
        cases.append(Case(name, 1, breakout.stepping(env), (cases[0].name,)))
    timings = stopwatch.timings(cases)
    yield from rate_rows("dream", "agent steps/s", cases, timings)
    yield from latency_rows("dream", cases, timings)


def vector(stopwatch: Stopwatch, dream: Dream, num_envs: int) -> Iterator[Row]:
    """All games in one call a step; peers have one thread."""
    size = f"{num_envs} environments"
    peer = f"AtariVectorEnv, 1 thread, {size}"
    emulators = AtariVectorEnv(GAME, num_envs, num_threads=1)
    cases = [Case(peer, num_envs, breakout.vector_stepping(emulators))]
    for obs_type in ("ram", "pixels"):
        envs = DreamVectorEnv(dream, num_envs, obs_type=obs_type, device=stopwatch.device)
        name = f"DreamVectorEnv, {obs_type}, {size}"
        cases.append(Case(name, num_envs, breakout.vector_stepping(envs), (peer,)))
    cases += peers.one_thread_cases(num_envs)
    yield from rate_rows("dream", "agent steps/s", cases, stopwatch.timings(cases))


def on_device(stopwatch: Stopwatch, dream: Dream, num_envs: int) -> Iterator[Row]:
    """Games whose RAM and pixels stay on the device, against those that compiled code plays on a
    core of the CPU.
    """
    cases = []
    for obs_type in ("ram", "pixels"):
        peer = f"DreamVectorEnv, {obs_type}, {num_envs} environments, games on the CPU"
        name = f"DreamVectorEnv, {obs_type}, {num_envs} environments, games on the device"
        for case, output, against in ((peer, "numpy", ()), (name, "torch", (peer,))):
            envs = DreamVectorEnv(
                dream, num_envs, obs_type=obs_type, output=output, device=stopwatch.device
            )
            cases.append(Case(case, num_envs, breakout.vector_stepping(envs), against))
    yield from rate_rows("dream", "agent steps/s", cases, stopwatch.timings(cases))
