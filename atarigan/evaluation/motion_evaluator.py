"""Evaluating stacks of consecutive frames against stacks of real play."""

import numpy as np
import numpy.typing as npt

from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.data.sources.source import DataSource
from atarigan.errors import InputError
from atarigan.evaluation.evaluator import (
    EvaluatedSamples,
    Evaluator,
    Samples,
    in_chunks,
)
from atarigan.evaluation.features.feature_space import FeatureSpace
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.images import frechet_distance
from atarigan.evaluation.metrics.motion import describe_motion
from atarigan.evaluation.metrics.objects import misplaced_share
from atarigan.evaluation.metrics.points import wasserstein
from atarigan.evaluation.metrics.real_sets import RealSets, two_real_sets
from atarigan.evaluation.metrics.score import Columns, Progress
from atarigan.images.pixels import Frames

NUM_STACK = 4
MAX_STACKS = 2000
StackIndices = npt.NDArray[np.int64]
"""Indices of the frames of N stacks, (N, K), oldest first."""


def evaluate_motion(
    source: DataSource,
    evaluator: Evaluator,
    stacks: Frames | None,
    progress: Progress = lambda _: None,
) -> EvaluatedSamples | None:
    """Describe stacks in the feature space of the evaluator of single frames.

    Returns:
        None without stacks, or if the source is not a game.

    Raises:
        InputError: the stacks are single frames, too few, or of another shape.
    """
    if stacks is None or evaluator.statistics is None or evaluator.space is None:
        return None
    assert isinstance(source, BufferedFrames)  # only its evaluator has statistics
    num, num_stack = stacks.shape[:2]
    of_motion = motion_evaluator(
        source, evaluator.statistics, evaluator.space, num, num_stack, evaluator.seed, progress
    )
    return of_motion.evaluate(stacks, progress)


def motion_evaluator(
    source: BufferedFrames,
    statistics: GameStatistics,
    space: FeatureSpace,
    num: int,
    num_stack: int = NUM_STACK,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Evaluator:
    """Return an evaluator of stacks of consecutive frames, uint8 (N, num_stack, H, W, C), oldest
    first.

    Args:
        source: real frames.
        statistics: statistics of the game.
        space: feature space in which changes are compared.
        num: stacks to compare with, at most 2,000 and half of all.
        num_stack: frames of a stack, at least 2.
        seed: seed of the choice of real stacks.
        progress: called with the number of stacks processed.

    Raises:
        InputError: the stacks are single frames, or too few.
    """
    indices, sets = two_sets_of_stacks(source, num, num_stack, seed)
    stacks = stacks_at(source, indices[sets.real])

    def describe(samples: Samples) -> Columns:
        return describe_stacks(samples, statistics, space)

    return Evaluator(
        space=space,
        headline="motion_distance",
        describe=describe,
        measure=motion_scores,
        real=stacks,
        reference=in_chunks(describe, stacks, progress),
        held_out=in_chunks(describe, stacks_at(source, indices[sets.others]), progress),
        sets=sets,
        seed=seed,
        statistics=statistics,
    )


def two_sets_of_stacks(
    source: BufferedFrames, num: int, num_stack: int, seed: int = 0
) -> tuple[StackIndices, RealSets]:
    """Draw two sets of real stacks without a common episode: one to compare with, and one that sets
    the floor.

    Returns:
        All stacks of the source, and which of them are in the two sets.

    Raises:
        InputError: the stacks are single frames, or the source has fewer than eight.
    """
    if num_stack < 2:
        raise InputError(f"stacks must have at least 2 frames, not {num_stack}")
    stacks = source.whole_stacks(num_stack)
    episodes = source.episodes()[stacks[:, 0]]
    return stacks, two_real_sets(len(stacks), min(num, MAX_STACKS), seed, episodes)


def stacks_at(source: BufferedFrames, stacks: StackIndices) -> Frames:
    """Return real stacks by their indices (N, K), uint8 (N, K, H, W, C)."""
    frames = source.samples_at(stacks.ravel())
    return frames.reshape(*stacks.shape, *frames.shape[1:])


def describe_stacks(stacks: Samples, statistics: GameStatistics, space: FeatureSpace) -> Columns:
    """Compute the descriptors of stacks uint8 (N, K, H, W, C)."""
    columns = space.describe(stacks.reshape(-1, *stacks.shape[2:]))
    features = columns["features"].reshape(*stacks.shape[:2], -1)
    return {**describe_motion(statistics, stacks), "feature_steps": np.diff(features, axis=1)}


def motion_scores(samples: Columns, real: Columns) -> dict[str, float]:
    """Compute the metrics of what changes from frame to frame."""
    steps = (
        each["feature_steps"].reshape(-1, each["feature_steps"].shape[-1])
        for each in (samples, real)
    )
    found = {"motion_distance": frechet_distance(*steps)}
    for name in ("pixels_changed", "pixels_returned"):
        if name in samples:
            doublings = (np.log2(1 + each[name].ravel()) for each in (samples, real))
            found[name] = float(wasserstein(*doublings))
    found["small_moves"] = misplaced_share(
        samples["small_moves"].sum(0), real["small_moves"].sum(0)
    )
    if "small_kept" in samples:
        found["small_blinks"] = float(
            samples["small_blinked"].sum() / max(1, samples["small_kept"].sum())
        )
    return found
