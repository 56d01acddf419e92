"""`render`: frames a second of generators that take the place of renderers."""

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atarigan.config.recipes import load_recipe
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.worker import Share, Signals, collect_share
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.data.states import State
from atarigan.errors import InputError
from atarigan.models.frame_generator import FrameGenerator
from atarigan.training.build import build_trainer
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows

ENV_IDS = ("CartPole-v1", "LunarLander-v3", "InvertedPendulum-v5")


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Every environment whose packages are installed: its own `render()`, and 84x84 gray frames."""
    cases: list[Case] = []
    with contextlib.ExitStack() as stack:
        for env_id in ENV_IDS:
            try:
                env = stack.enter_context(contextlib.closing(AgentSteps(env_id)))
                env.reset(0)
            except InputError:  # its packages are missing, or nothing renders here
                continue
            own = Case(f"{env_id}, its own render()", 1, env.env.render)
            generator, states = _learned(env_id, stopwatch.sized(full=2000, quick=100))
            cases.append(own)
            for batch_size in stopwatch.sized(full=(1, 16, 64), quick=(1, 8)):
                given = generator.latents(batch_size, 0), states[:batch_size]
                work = functools.partial(generator.decode, *given)
                label = f"{env_id}, generator, batch {batch_size}"
                cases.append(Case(label, batch_size, work, against=(own.name,)))
        yield from rate_rows("render", "frames/s", cases, stopwatch.timings(cases))


def _learned(env_id: str, num_steps: int) -> tuple[FrameGenerator, State]:
    """Return a generator fitted to random play, as training begins with, and states of it. Its speed
    is that of a trained one.
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
