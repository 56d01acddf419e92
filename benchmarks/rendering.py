"""`render`: frames a second of generators that take the place of renderers."""

import contextlib
import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from atarigan.config.recipes import load_recipe
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.worker import Share, Signals, collect_share
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.data.states import State
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import FrameFormat
from atarigan.models.frame_generator import FrameGenerator
from atarigan.training.build import build_trainer
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows

ENV_IDS = ("CartPole-v1", "LunarLander-v3", "InvertedPendulum-v5")


NUM_RENDERED = 20
FRAME_FORMAT = FrameFormat("gray", 84, 84)


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Every environment whose packages are installed: its own pictures, and 84x84 gray frames."""
    cases: list[Case] = []
    with contextlib.ExitStack() as stack:
        for env_id in ENV_IDS:
            try:
                env = stack.enter_context(contextlib.closing(AgentSteps(env_id)))
                env.reset(0)
            except InputError:  # its packages are missing, or nothing renders here
                continue
            own = [
                _renderer(f"{env_id}, render()", env, lambda picture: None),
                _renderer(f"{env_id}, render(), resized and gray", env, _resized),
            ]
            generator, states = _learned(env_id, stopwatch.sized(full=2000, quick=100))
            cases += own
            for batch_size in stopwatch.sized(full=(1, 16, 64), quick=(1, 8)):
                given = generator.latents(batch_size, 0), states[:batch_size]
                work = functools.partial(generator.decode, *given)
                label, against = (
                    f"{env_id}, generator, batch {batch_size}",
                    [each.name for each in own],
                )
                cases.append(Case(label, batch_size, work, against=tuple(against)))
        yield from rate_rows("render", "frames/s", cases, stopwatch.timings(cases))


def _renderer(name: str, env: AgentSteps, use: Callable[[Any], object]) -> Case:
    """A case that renders after each step, without the time of the steps, which render nothing:
    MuJoCo renders a state again much faster than for the first time.
    """

    def seconds() -> float:
        spent = 0.0
        for _ in range(NUM_RENDERED):
            _, _, terminated, truncated, _ = env.env.step(env.action_space.sample())
            if terminated or truncated:
                env.env.reset()
            began = time.perf_counter()
            use(env.env.render())
            spent += time.perf_counter() - began
        return spent

    return Case(name, NUM_RENDERED, seconds, times_itself=True)


def _resized(picture: Any) -> object:
    source = FrameFormat("rgb", *picture.shape[:2])
    return pixels.convert(picture[None], source, FRAME_FORMAT)


def _learned(env_id: str, num_steps: int) -> tuple[FrameGenerator, State]:
    """Return a generator fitted to random play, as training begins with, and states of it. It is as
    fast as a trained one.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        buffer = create_buffer(path, Origin(env_id=env_id), capacity=num_steps)
        collect_share(Share(path, 0, num_steps, seed=0), Signals(1))
        buffer.refresh()
        source = BufferedFrames(buffer, load_recipe("vector-frames"))
        trainer = build_trainer(load_recipe("vector-frames"), source=source)
        states = source.states_at(np.arange(64) % source.num_samples)
    return FrameGenerator(trainer.model, trainer.updates.generator, trainer.plan.device), states
