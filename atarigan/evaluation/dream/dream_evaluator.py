"""Evaluation of a dream against a collection of its game and against the game itself."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atarigan.cli.progress import ProgressDisplay
from atarigan.config.dream_config import DreamConfig
from atarigan.config.machine import package_versions
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.errors import InputError
from atarigan.evaluation.dream.dream_evaluation import DreamEvaluation
from atarigan.evaluation.dream.played_games import (
    NamedPolicy,
    PlayedGames,
    evaluation_policies,
    play_dream,
    play_real,
    real_env,
)
from atarigan.evaluation.dream.return_scores import return_scores, unseen_score
from atarigan.evaluation.dream.rollouts import Rollouts, play_rollouts, rollout_starts
from atarigan.evaluation.dream.step_exactness import exactness_scores
from atarigan.evaluation.dream.unseen_steps import MOST_STEPS, UnseenSteps, replayed_steps
from atarigan.evaluation.dream.visited_states import (
    MOST_VISITS,
    real_steps,
    visited_score,
    visited_steps,
)
from atarigan.evaluation.metrics.score import Score
from atarigan.files import typed_json
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.dream_batch import DreamBatch

_SPEED_GAMES, _SPEED_STEPS, _SPEED_REPEATS = 64, 100, 5


@dataclass(frozen=True)
class DreamComparison:
    """What to compare a dream with.

    Attributes:
        data: folder of a collection that it has not learned.
        num_policies: policies that play, at least 2.
        num_games: games of each, in the real game and in the dream, at least 2.
        max_frames: emulator frames after which a game is stopped.
        seed: of policies, games and resamples.
    """

    data: str
    num_policies: int
    num_games: int
    max_frames: int
    seed: int


def evaluate_dream(dream: Dream, name: str, comparison: DreamComparison) -> DreamEvaluation:
    """Evaluate a dream.

    Args:
        dream: the learned game.
        name: what to call it.
        comparison: what to compare it with.

    Raises:
        InputError: the collection is missing, damaged or of another game, the dream's generator is
            missing or of another game, or `max_frames` is less than an agent step.
    """
    settings, unread = dream.settings, dream.settings.unread
    if comparison.max_frames < settings.frame_skip:
        raise InputError(
            f"--max-frames must be at least the frames of an agent step, {settings.frame_skip}, "
            f"not {comparison.max_frames}"
        )
    buffer = FrameBuffer.open(comparison.data)
    is_training_data = _is_training_data(dream, comparison.data)
    generator = _generator(dream)
    num_steps = min(len(buffer), MOST_STEPS)
    with ProgressDisplay("replaying the collection", "agent steps", num_steps) as display:
        unseen = replayed_steps(buffer, settings, progress=display.advance)
    with ProgressDisplay("rolling out", "roll-outs", len(rollout_starts(unseen))) as display:
        rollouts = play_rollouts(dream.dynamics, unseen, unread, progress=display.advance)
    seed = comparison.seed
    with contextlib.closing(real_env(dream)) as env:
        policies = evaluation_policies(env, comparison.num_policies, seed)
        real, dreamt = _played(dream, env, policies, comparison)
        visited = _visited_score(dream, env, policies, unseen, comparison)
    scores = exactness_scores(dream.dynamics, unseen, unread, seed)
    scores |= visited | rollouts.score(seed) | return_scores(real, dreamt, seed)
    if dream.seen_states is not None:
        scores |= unseen_score(real, dreamt, seed)
    film = None
    if generator is not None:
        from atarigan.evaluation.dream.rollout_film import RolloutFilm

        film = RolloutFilm.of(dream, unseen, generator)
    return DreamEvaluation(
        name=name,
        scores=scores,
        rollouts=rollouts,
        policies=[policy.name for policy in policies],
        real=real,
        dreamt=dreamt,
        steps_per_s=steps_per_s(dream),
        facts=_facts(name, dream, comparison, unseen, rollouts, is_training_data=is_training_data),
        is_training_data=is_training_data,
        film=film,
    )


def steps_per_s(dream: Dream) -> float:
    """Return the agent steps per second of 64 games at once, the median of 5 times 100 steps each
    after as many for warm-up.
    """
    batch = DreamBatch(dream, _SPEED_GAMES)
    everyone = np.arange(_SPEED_GAMES)
    batch.seed(everyone, everyone.astype(np.uint64))
    batch.reset(everyone)
    num_actions = len(dream.settings.action_meanings)
    actions = np.random.default_rng(0).integers(num_actions, size=(_SPEED_STEPS, _SPEED_GAMES))
    seconds = []
    for _ in range(1 + _SPEED_REPEATS):
        began = time.perf_counter()
        for each in actions:
            ends = batch.step(each).ends
            if ends.any():
                batch.reset(np.flatnonzero(ends))
        seconds.append(time.perf_counter() - began)
    return float(_SPEED_STEPS * _SPEED_GAMES / np.median(seconds[1:]))


def _generator(dream: Dream) -> Any:
    """Load the dream's generator; None without one. Without one, torch is not imported."""
    if dream.generator_source is None:
        return None
    from atarigan.models.dream_frames import generator_of

    return generator_of(dream)


def _played(
    dream: Dream, env: AgentSteps, policies: Sequence[NamedPolicy], comparison: DreamComparison
) -> tuple[PlayedGames, PlayedGames]:
    """Return the policies' games in the real game and in the dream."""
    num, seed, total = comparison.num_games, comparison.seed, comparison.num_games * len(policies)
    max_steps = comparison.max_frames // dream.settings.frame_skip
    with ProgressDisplay("playing the real game", "games", total) as display:
        real = play_real(env, dream, policies, num, max_steps, seed, display.advance)
    with ProgressDisplay("playing the dream", "games", total) as display:
        dreamt = play_dream(dream, policies, num, max_steps, seed, display.advance)
    return real, dreamt


def _visited_score(
    dream: Dream,
    env: AgentSteps,
    policies: Sequence[NamedPolicy],
    unseen: UnseenSteps,
    comparison: DreamComparison,
) -> dict[str, Score]:
    most = min(MOST_VISITS, comparison.max_frames // dream.settings.frame_skip)
    visited = visited_steps(dream, policies, most, comparison.seed)
    real = real_steps(unseen, dream.settings.frame_skip)
    total = len(visited.states) + len(real.states)
    with ProgressDisplay("asking the emulator", "states", total) as display:
        return visited_score(dream, env, visited, real, comparison.seed, display.advance)


def _is_training_data(dream: Dream, data: str) -> bool:
    """Return whether the settings of the dream's training, if they are there, name this data."""
    path = dream.folder / "training.json" if dream.folder else None
    if path is None or not path.is_file():
        return False
    learned = typed_json.read_json(path, DreamConfig).data
    return learned is not None and Path(learned).resolve() == Path(data).resolve()


def _facts(
    name: str,
    dream: Dream,
    comparison: DreamComparison,
    unseen: UnseenSteps,
    rollouts: Rollouts,
    *,
    is_training_data: bool,
) -> dict[str, Any]:
    return {
        "dream": name,
        "weights_sha256": dream.weights_sha256,
        "game": dream.settings.env_id,
        "data": comparison.data,
        "evaluated_on": "its training data" if is_training_data else "held-out data",
        "agent_steps": len(unseen),
        "emulator_frames": len(unseen.frames),
        "episodes": unseen.num_episodes,
        "unread": list(dream.settings.unread),
        "rollouts": len(rollouts.lengths),
        "rollouts_that_differ": int(rollouts.differs.sum()),
        "policies": comparison.num_policies,
        "games": comparison.num_games,
        "max_frames": comparison.max_frames,
        "seed": comparison.seed,
        "versions": package_versions(),
    }
