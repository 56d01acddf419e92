"""Judging how generated frames follow one another, beside stacks of real play."""

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
    two_real_sets,
)
from atarigan.evaluation.features.feature_space import FeatureSpace
from atarigan.evaluation.frame_evaluator import misplaced_share
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.images import frechet_distance
from atarigan.evaluation.metrics.motion import describe_motion
from atarigan.evaluation.metrics.points import wasserstein
from atarigan.evaluation.metrics.score import Columns, Progress
from atarigan.images.pixels import Frames

NUM_STACK = 4
MOST_STACKS = 2000
Stacks = npt.NDArray[np.int64]


def evaluated_motion(
    source: DataSource,
    judge: Evaluator,
    stacks: Frames | None,
    progress: Progress = lambda _: None,
) -> EvaluatedSamples | None:
    """Stacks of a game's frames beside real ones, in the features of the judge of its frames; None
    where there are no stacks, or the source is no game.

    Raises:
        InputError: the stacks are single frames, too few, or of another shape.
    """
    if stacks is None or judge.scene is None or judge.space is None:
        return None
    assert isinstance(source, BufferedFrames)  # whose frames have a scene
    num, num_stack = stacks.shape[:2]
    of_motion = motion_evaluator(
        source, judge.scene, judge.space, num, num_stack, judge.seed, progress
    )
    return of_motion.judged(stacks, progress)


def motion_evaluator(
    source: BufferedFrames,
    scene: GameStatistics,
    space: FeatureSpace,
    num: int,
    num_stack: int = NUM_STACK,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Evaluator:
    """A judge of stacks of consecutive frames, uint8 (N, num_stack, H, W, C), oldest first.

    Args:
        source: real frames.
        scene: of the game.
        space: in which features changes are compared.
        num: stacks to compare with, at most 2,000 and half of all.
        num_stack: frames of a stack, at least 2.
        seed: of the choice of real stacks.
        progress: called with how many stacks were looked at.

    Raises:
        InputError: the stacks are single frames, or too few.
    """
    real, others = two_sets_of_stacks(source, num, num_stack, seed)
    stacks = stacks_at(source, real)

    def describe(samples: Samples) -> Columns:
        return describe_stacks(samples, scene, space)

    return Evaluator(
        space=space,
        headline="motion_distance",
        describe=describe,
        measure=motion_scores,
        real=stacks,
        reference=in_chunks(describe, stacks, progress),
        stand_in=in_chunks(describe, stacks_at(source, others), progress),
        accepted=stacks.shape[1:],
        seed=seed,
        scene=scene,
    )


def two_sets_of_stacks(
    source: BufferedFrames, num: int, num_stack: int, seed: int = 0
) -> tuple[Stacks, Stacks]:
    """Numbers of the frames of real stacks (N, num_stack) that samples are compared with, and of as
    many others, which have no frame in common with them.

    Raises:
        InputError: the stacks are single frames, or the source has fewer than eight.
    """
    if num_stack < 2:
        raise InputError(f"stacks must have at least 2 frames, not {num_stack}")
    stacks = source.whole_stacks(num_stack)
    first, second = two_real_sets(len(stacks), min(num, MOST_STACKS), seed)
    return stacks[first], stacks[second]


def stacks_at(source: BufferedFrames, stacks: Stacks) -> Frames:
    """Numbered stacks (N, K) of real frames, uint8 (N, K, H, W, C)."""
    frames = source.samples_at(stacks.ravel())
    return frames.reshape(*stacks.shape, *frames.shape[1:])


def describe_stacks(stacks: Samples, scene: GameStatistics, space: FeatureSpace) -> Columns:
    """What is known of stacks uint8 (N, K, H, W, C)."""
    described = space.describe(stacks.reshape(-1, *stacks.shape[2:]))
    features = described["features"].reshape(*stacks.shape[:2], -1)
    return {**describe_motion(scene, stacks), "feature_steps": np.diff(features, axis=1)}


def motion_scores(samples: Columns, real: Columns) -> dict[str, float]:
    """What steps from frame to frame tell."""
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
