"""Run the training of a dream of vectors by its configuration, and record it in a folder.

```
runs/cartpole-dream/
  training.json        the settings
  dream.json, network.safetensors, vectors.safetensors, generator/
                       the dream (see atarigan.models.network_dreams.network_dream)
  exactness.json       how exact it is on episodes that it has not learned
  trajectories.png     such episodes, real and dreamt
```
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch

from atarigan.cli import command_line
from atarigan.cli.progress import ProgressDisplay
from atarigan.cli.stop_request import StopRequest
from atarigan.config.clock import clock_of
from atarigan.config.extras import imported
from atarigan.config.network_dream_config import NetworkDreamConfig
from atarigan.data.buffer.episodes import whole_episodes
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.provenance import check_same_game
from atarigan.errors import InputError
from atarigan.evaluation.network_dream.network_dream_evaluation import trajectory
from atarigan.evaluation.network_dream.vector_exactness import VectorExactness
from atarigan.files import atomic, typed_json
from atarigan.files.writer_lock import take_lock
from atarigan.images.pixels import Frames
from atarigan.models.checkpoint import write_packed_run
from atarigan.models.dynamics.dream import GENERATOR_FOLDER
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.model_source import resolved
from atarigan.models.network_dreams.network_dream import NetworkDream, StateRanges
from atarigan.models.network_dreams.vector_transitions import Vectors, VectorTransitions
from atarigan.pictures import grids
from atarigan.training.network_dream.learned_env import LearnedEnv
from atarigan.training.network_dream.network_trainer import NetworkTrainer

TRAINING_FILE = "training.json"
EXACTNESS_FILE = "exactness.json"
PICTURE = "trajectories.png"
_LEAST_EPISODES = 4
_MOST_STARTS = 1000
_UPDATES_APART = 20  # between looks at clock and signals


@dataclasses.dataclass(frozen=True)
class EpisodeSplit:
    """Whole episodes of a collection.

    Attributes:
        learned: episodes to learn.
        unseen: episodes that are held out.
        starts: first states of all of them, float32 (N, size).
    """

    learned: list[VectorTransitions]
    unseen: list[VectorTransitions]
    starts: Vectors

    @classmethod
    def of(cls, buffer: FrameBuffer, env: LearnedEnv, share: float, seed: int) -> "EpisodeSplit":
        """Hold out a share of the episodes, at least one.

        Raises:
            InputError: there are too few episodes, or all are of one step.
        """
        found = whole_episodes(buffer)
        if found.num_episodes < _LEAST_EPISODES:
            raise InputError(
                f"{buffer.path} must hold at least {_LEAST_EPISODES} whole episodes for a dream, "
                f"not {found.num_episodes}"
            )
        episodes = [VectorTransitions.of_episode(each, env.actions) for each in found.episodes]
        order = np.random.default_rng(seed).permutation(len(episodes)).tolist()
        num_unseen = max(1, round(share * len(order)))
        unseen, learned = (
            [episodes[number] for number in numbers]
            for numbers in (order[:num_unseen], order[num_unseen:])
        )
        if not any(len(each) > 1 for each in learned):
            raise InputError(f"{buffer.path} must hold episodes of at least 2 steps, not of 1")
        starts = np.stack([each.states[0] for each in episodes[:_MOST_STARTS]])
        return cls(learned, unseen, starts)


def train_network_dream(out: Path, config: NetworkDreamConfig) -> int:
    """Train a dream, write everything into `out`, and return the exit status.

    Raises:
        InputError: the folder holds something else, or the data cannot be learned.
    """
    imported("numba", "dream")  # which is needed when the training is over
    if config.data is None:
        raise InputError("--data must name a folder that atarigan.collect wrote: a dream needs it")
    buffer = FrameBuffer.open(config.data)
    env = LearnedEnv.of(buffer)
    split = EpisodeSplit.of(buffer, env, config.test_share, config.seed)
    if config.generator is not None:
        _check_generator(config.generator, env)
    out.mkdir(parents=True, exist_ok=True)
    with take_lock(out), StopRequest() as stop:
        kept = dataclasses.replace(config, data=str(Path(config.data).absolute()))
        with atomic.new_file(out / TRAINING_FILE) as temporary:
            typed_json.write_json(temporary, kept)
        if config.generator is not None:
            write_packed_run(resolved(config.generator), out / GENERATOR_FOLDER)
        data = VectorTransitions.concatenate(split.learned)
        ranges = _ranges(env, data.states, split.starts)
        low, high = _bounds(ranges)
        trainer = NetworkTrainer(data, low, high, config)
        _fit(trainer, config, stop)
        dynamics = trainer.dynamics()
        NetworkDream(env.settings, dynamics, ranges, env.actions).save(out)
        exactness = VectorExactness.of(dynamics, split.unseen, dynamics.tables.scales)
        _record(out, exactness, trajectory(dynamics, split.unseen))
    what = "interrupted" if stop.is_set else "done"
    print(
        f"{what} after {trainer.num_updates:,} updates with {len(data):,} steps of "
        f"{len(split.learned):,} episodes. On {exactness.num_steps:,} steps of "
        f"{exactness.num_episodes:,} other episodes:\n{exactness.table()}\nsee {out}"
    )
    return command_line.EXIT_INTERRUPTED if stop.is_set else command_line.EXIT_OK


def _fit(trainer: NetworkTrainer, config: NetworkDreamConfig, stop: StopRequest) -> None:
    """Update until the time or the updates are over, or a signal asks to stop."""
    now, limit_s = clock_of(config.clock), 60 * config.max_minutes
    began, num_threads = now(), torch.get_num_threads()
    torch.set_num_threads(1)  # layers are so small that threads would wait for each other
    try:
        with ProgressDisplay(
            "fitting", "updates", config.max_updates, max_seconds=limit_s, clock=now
        ) as display:
            progress = 0.0
            while progress < 1 and not stop.is_set:
                for _ in range(_UPDATES_APART):
                    loss = trainer.update(progress)
                display.update(trainer.num_updates, f"loss {loss:.2g}")
                progress = (now() - began) / limit_s
                if config.max_updates:
                    progress = max(progress, trainer.num_updates / config.max_updates)
    finally:
        torch.set_num_threads(num_threads)


def _ranges(env: LearnedEnv, states: Vectors, starts: Vectors) -> StateRanges:
    everything = np.concatenate([states, starts])
    return StateRanges(
        starts=starts,
        space_low=env.low,
        space_high=env.high,
        seen_low=everything.min(0),
        seen_high=everything.max(0),
    )


def _bounds(ranges: StateRanges) -> tuple[Vectors, Vectors]:
    """Return the bounds of next states: those of the environment, but not further from what was
    seen than its range is wide, so that a dream that goes wrong stays finite.
    """
    width = ranges.seen_high - ranges.seen_low
    low = np.maximum(ranges.space_low, ranges.seen_low - width)
    high = np.minimum(ranges.space_high, ranges.seen_high + width)
    return np.minimum(low, ranges.seen_low), np.maximum(high, ranges.seen_high)


def _check_generator(source: str, env: LearnedEnv) -> None:
    """Raise InputError if a generator cannot draw the states of an environment."""
    generator, settings = FrameGenerator.load(source, device="cpu"), env.settings
    if generator.state != settings.state:
        raise InputError(
            f"--generator must draw {settings.state}, as the data has it, and {source} draws "
            f"{generator.state or 'no states'}"
        )
    check_same_game(
        generator.provenance, settings.provenance, "the data", reads_state=True, allow="no flag"
    )


def _record(out: Path, exactness: VectorExactness, picture: Frames) -> None:
    with atomic.new_file(out / EXACTNESS_FILE) as temporary:
        text = json.dumps(exactness.record(), indent=2) + "\n"
        temporary.write_text(text, encoding="utf-8")
    grids.save_picture(out / PICTURE, picture)
