"""Evaluating game frames: features, colors, background, objects, and the RAM that a probe reads."""

import numpy as np

from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.evaluation.evaluator import Evaluator, Samples, in_chunks
from atarigan.evaluation.features.feature_space import FeatureSpace
from atarigan.evaluation.features.ram_probe import probe_space
from atarigan.evaluation.image_evaluator import feature_scores
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.objects import (
    describe_objects,
    misplaced_share,
    presence,
    visited_share,
)
from atarigan.evaluation.metrics.points import wasserstein
from atarigan.evaluation.metrics.real_sets import two_real_sets
from atarigan.evaluation.metrics.score import Columns, Progress

USUAL_SHARE = 0.99


def frame_evaluator(
    source: BufferedFrames,
    num: int,
    space: FeatureSpace | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Evaluator:
    """Return an evaluator of a game's frames.

    The real frames that samples are compared with also provide the game's statistics and train the
    default feature space: a probe that reads RAM (the console's 128 bytes of memory) from frames.
    Without stored RAM that varies, the default is thumbnails.

    Args:
        source: real frames.
        num: frames to compare with, at most half of all; as many others, of other episodes, set
            the floor.
        space: feature space of the distances; None takes the default.
        seed: seed of the choice of frames and of the probe.
        progress: called with the number of frames processed.

    Raises:
        InputError: there are fewer than 8 frames, or they do not fit the feature space.
    """
    sets = two_real_sets(source.num_samples, num, seed, source.episodes())
    frames = source.samples_at(sets.real)
    statistics = GameStatistics.of(frames)
    ram = source.ram_at(sets.real)
    space = space or probe_space(frames, ram, sets.episodes, seed, progress)

    def describe(samples: Samples) -> Columns:
        return describe_frames(samples, statistics, space)

    reference = in_chunks(describe, frames, progress)
    held_out = in_chunks(describe, source.samples_at(sets.others), progress)

    def measure(samples: Columns, real_samples: Columns) -> dict[str, float]:
        in_features = feature_scores(samples, real_samples, held_out["features"])
        return in_features | frame_scores(samples, real_samples)

    return Evaluator(
        space=space,
        headline="frechet_distance",
        describe=describe,
        measure=measure,
        real=frames,
        reference=reference,
        held_out=held_out,
        sets=sets,
        seed=seed,
        statistics=statistics,
    )


def describe_frames(samples: Samples, statistics: GameStatistics, space: FeatureSpace) -> Columns:
    """Compute the descriptors of frames uint8 (N, H, W, C)."""
    return {
        "valid_share": statistics.valid_share(samples),
        "exact_share": statistics.exact_share(samples),
        **describe_objects(statistics, samples),
        **space.describe(samples),
    }


def frame_scores(samples: Columns, real: Columns) -> dict[str, float]:
    """Compute the metrics of pixels, of objects, and of the RAM that the probe reads."""
    small, usual = samples["num_small"], real["num_small"]
    found = {
        "valid_colors": float(samples["valid_share"].mean()),
        "exact_background": float(samples["exact_share"].mean()),
        "small_presence": presence(small, usual),
        "small_extra": float((small > np.quantile(usual, USUAL_SHARE)).mean()),
        "object_counts": float(
            wasserstein(samples["num_objects"].astype(float), real["num_objects"].astype(float))
        ),
    }
    for name in ("object_sizes", "object_places", "object_colors"):
        found[name] = misplaced_share(samples[name].sum(0), real[name].sum(0))
    found["places_visited"] = visited_share(
        samples["object_places"].sum(0), real["object_places"].sum(0)
    )
    if "claims" in samples and samples["claims"].shape[1]:
        found["ram_claims"] = float(wasserstein(samples["claims"].T, real["claims"].T).mean())
    return found
