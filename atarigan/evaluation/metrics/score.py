"""Scores: the value of a metric with its confidence interval and its floor.

The floor is what real samples score against other real samples: the best value to expect. For
frames of a game these are frames of other episodes.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.metrics.real_sets import half_of_rows
from atarigan.images.subset import drawn

Better = Literal["lower", "higher"]
Columns = Mapping[str, npt.NDArray[Any]]
"""Descriptors of N samples by name; every array is (N, …)."""
Measure = Callable[[Columns, Columns], dict[str, float]]
"""Computes metrics by name from descriptors of samples and of real samples."""
Progress = Callable[[int], None]
"""Called with the number of samples processed since the last call."""
NUM_HALVES = 16
_NORMAL_95 = 1.96


class Score(TypedDict):
    """The score of samples by one metric.

    Attributes:
        value: value of the samples.
        floor: value of as many real samples, of other episodes where there are episodes.
        interval: lower and upper end of the 95 % confidence interval of the value.
        better: whether "lower" or "higher" values are better.
    """

    value: float
    floor: float
    interval: tuple[float, float]
    better: Better


class Metric(NamedTuple):
    """A metric.

    Attributes:
        better: whether "lower" or "higher" values are better.
        meaning: explanation in a few words.
        max: largest possible value.
        min: smallest possible value.
    """

    better: Better
    meaning: str
    max: float = math.inf
    min: float = 0.0


METRICS: dict[str, Metric] = {
    "sliced_wasserstein": Metric("lower", "mean 1-Wasserstein distance of random projections"),
    "energy_distance": Metric("lower", "energy distance over all pairs of points"),
    "maximum_mean_discrepancy": Metric("lower", "MMD with a Gaussian kernel"),
    "cells_covered": Metric("higher", "share of arcs of the curve, or of modes, covered", 1),
    "on_manifold": Metric("higher", "share of points on the curve, or near a mode", 1),
    "frechet_distance": Metric("lower", "squared Fréchet distance of features (as FID)"),
    "kernel_distance": Metric(
        "lower", "unbiased squared MMD of features, cubic kernel (as KID)", min=-math.inf
    ),
    "precision": Metric("higher", "share of samples within real neighborhoods", 1),
    "recall": Metric("higher", "share of real samples within sample neighborhoods", 1),
    "density": Metric("higher", "samples in real neighborhoods, relative to expectation"),
    "coverage": Metric("higher", "share of real neighborhoods that hold a sample", 1),
    "copied": Metric("lower", "share nearer to training samples than 95 % of other real ones", 1),
    "class_entropy": Metric("higher", "relative entropy of the class distribution", 1),
    "mean_confidence": Metric("higher", "mean probability of the most probable class", 1),
    "valid_colors": Metric("higher", "share of pixels in a color of the game", 1),
    "exact_background": Metric("higher", "share of static pixels that show the background", 1),
    "object_counts": Metric("lower", "Wasserstein distance of the number of objects per frame"),
    "object_sizes": Metric("lower", "share of objects of a wrong size", 1),
    "object_places": Metric("lower", "share of objects in a wrong place", 1),
    "object_colors": Metric("lower", "share of object pixels in a wrong color", 1),
    "places_visited": Metric("higher", "share of cells with real objects that samples fill too", 1),
    "small_presence": Metric("higher", "share of frames with a small object, relative to real", 1),
    "small_extra": Metric("lower", "share of frames with more small objects than real ones", 1),
    "pixel_accuracy": Metric("higher", "share of pixels within 8 levels of the true frame", 1),
    "foreground_accuracy": Metric("higher", "the same over foreground pixels", 1),
    "small_found": Metric("higher", "share of small objects of the true frame found", 1),
    "small_offset": Metric("lower", "their distance from the true position, in pixels"),
    "variance_explained": Metric(
        "higher", "share of the variance of pixels that the state explains", 1, -math.inf
    ),
    "episode_variance": Metric("lower", "share that differs between episodes, at equal states", 1),
    "motion_distance": Metric("lower", "squared Fréchet distance of feature changes per step"),
    "pixels_changed": Metric("lower", "Wasserstein distance of log2(1 + changed pixels)"),
    "pixels_returned": Metric("lower", "the same for pixels that change and change back"),
    "small_moves": Metric("lower", "share of small objects that move a wrong distance", 1),
    "small_blinks": Metric("lower", "share of small objects that vanish for one frame", 1),
    "ram_claims": Metric("lower", "Wasserstein distance of the RAM that a probe reads"),
    "exact_steps": Metric("higher", "share of agent steps whose next state is exact", 1),
    "exact_frames": Metric("higher", "the same for emulator frames", 1),
    "exact_frames_all_bytes": Metric("higher", "the same, bytes that nothing reads included", 1),
    "steps_to_mismatch": Metric("higher", "median agent steps that roll-outs stay exact"),
    "end_precision": Metric("higher", "share of predicted ends that are real", 1),
    "end_recall": Metric("higher", "share of real ends that are predicted", 1),
    "reward_precision": Metric("higher", "share of predicted rewards that are right", 1),
    "reward_recall": Metric("higher", "share of real rewards that are predicted", 1),
    "return_error": Metric("lower", "error of policies' mean returns, relative to their range"),
    "return_rank_correlation": Metric("higher", "Spearman, mean returns of policies", 1, -1),
    "exact_visited": Metric("higher", "share of agent steps that are exact in its own games", 1),
    "unseen_states": Metric("lower", "share of agent steps to states unlike all real play", 1),
    "returns_out_of_range": Metric("lower", "share of games whose return no real game had", 1),
}


def scores(
    measure: Measure,
    samples: Columns,
    reference: Columns,
    held_out: Columns,
    seed: int = 0,
    progress: Progress = lambda _: None,
    episodes: npt.NDArray[np.int64] | None = None,
) -> dict[str, Score]:
    """Score samples by every metric that `measure` computes.

    As many samples as the shortest of the three sets has are drawn from each, because many
    distances depend on their number. The interval is 1.96 standard errors to both sides of the
    value, by the delete-half jackknife (Shao and Wu 1989, "A general theory for jackknife variance
    estimation") with 16 random halves of samples and of real samples, the latter of whole episodes
    where there are episodes.

    Args:
        measure: computes the metrics.
        samples: descriptors of the samples to score.
        reference: descriptors of the real samples to compare with.
        held_out: descriptors of other real samples, which set the floor.
        seed: seed of the halves, and of the choice among longer sets.
        progress: called with the number of samples after each computation of the metrics.
        episodes: episode of each row of `reference`, int64 (N,), ascending; None if they are
            independent.
    """
    num = min(map(num_rows, (samples, reference, held_out)))
    if episodes is not None:
        episodes = episodes[drawn(num_rows(reference), num, seed)]
    samples, reference, held_out = (
        rows(each, drawn(num_rows(each), num, seed)) for each in (samples, reference, held_out)
    )

    def measured(first: Columns, second: Columns) -> dict[str, float]:
        found = measure(first, second)
        progress(num_rows(first))
        return found

    values, floors = measured(samples, reference), measured(held_out, reference)
    errors = _standard_errors(measured, samples, reference, seed, episodes)
    return {
        name: Score(
            value=value,
            floor=floors[name],
            interval=interval(name, value, errors[name]),
            better=METRICS[name].better,
        )
        for name, value in values.items()
    }


def _standard_errors(
    measure: Measure,
    samples: Columns,
    reference: Columns,
    seed: int,
    episodes: npt.NDArray[np.int64] | None,
) -> dict[str, float]:
    """Return the standard error of each metric by the jackknife that `scores` describes."""
    rng = np.random.default_rng(seed)
    num = num_rows(samples)
    halves = [
        measure(
            rows(samples, half_of_rows(num, None, rng)),
            rows(reference, half_of_rows(num, episodes, rng)),
        )
        for _ in range(NUM_HALVES)
    ]
    return {name: float(np.std([each[name] for each in halves], ddof=1)) for name in halves[0]}


def interval(name: str, value: float, standard_error: float) -> tuple[float, float]:
    """Return the ends of a 95 % confidence interval, clipped to the metric's range."""
    margin = _NORMAL_95 * standard_error
    metric = METRICS[name]
    return max(metric.min, value - margin), min(metric.max, value + margin)


def num_rows(columns: Columns) -> int:
    """Return the number of samples."""
    return len(next(iter(columns.values())))


def rows(columns: Columns, which: slice | npt.NDArray[np.int64]) -> Columns:
    """Return the descriptors of some of the samples."""
    return {name: column[which] for name, column in columns.items()}


def joined_rows(parts: list[Columns]) -> Columns:
    """Concatenate the descriptors of several parts."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
