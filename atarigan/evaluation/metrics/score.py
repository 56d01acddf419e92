"""Scores: what is measured of samples, beside what real ones get in their place."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

Better = Literal["lower", "higher"]
Columns = Mapping[str, npt.NDArray[Any]]
"""What is known of N samples, by name; every array is (N, …)."""
Measure = Callable[[Columns, Columns], dict[str, float]]
"""Measurements by name, of samples against real ones."""
Progress = Callable[[int], None]
"""Is told how many more samples were looked at."""
NUM_HALVES = 16
_NORMAL_95 = 1.96


class Score(TypedDict):
    """One measurement.

    Attributes:
        value: of the samples.
        floor: what as many real samples score in the samples' place: the best one can expect.
        interval: low and high end of the value's 95 % confidence interval.
        better: whether "lower" or "higher" values are better.
    """

    value: float
    floor: float
    interval: tuple[float, float]
    better: Better


class Metric(NamedTuple):
    """What a measurement is called for.

    Attributes:
        better: whether "lower" or "higher" values are better.
        meaning: in a few words.
        most: the largest value there can be, 1 for shares.
        least: the smallest value there can be.
    """

    better: Better
    meaning: str
    most: float = math.inf
    least: float = 0.0


METRICS: dict[str, Metric] = {
    "sliced_wasserstein": Metric("lower", "distance on random lines"),
    "energy_distance": Metric("lower", "distance over all pairs of points"),
    "maximum_mean_discrepancy": Metric("lower", "distance by a Gaussian kernel"),
    "cells_covered": Metric("higher", "equal parts of the curve, or modes, that are reached", 1),
    "on_manifold": Metric("higher", "points on the curve, or near a mode", 1),
    "frechet_distance": Metric("lower", "distance of the features' Gaussians"),
    "kernel_distance": Metric(
        "lower", "distance of the features by a cubic kernel", least=-math.inf
    ),
    "precision": Metric("higher", "samples that lie where real ones do", 1),
    "recall": Metric("higher", "real ones that lie where samples do", 1),
    "density": Metric("higher", "how many real neighborhoods hold a sample, against expected"),
    "coverage": Metric("higher", "real neighborhoods that hold a sample", 1),
    "copied": Metric("lower", "samples nearer to a training sample than 95 % of real ones are", 1),
    "class_entropy": Metric("higher", "how evenly classes occur", 1),
    "mean_confidence": Metric("higher", "how sure the classifier is", 1),
    "valid_colors": Metric("higher", "pixels in a color that the game shows", 1),
    "exact_background": Metric("higher", "pixels that never change, and are as they must be", 1),
    "object_counts": Metric("lower", "Wasserstein distance of the number of objects"),
    "object_sizes": Metric("lower", "share of objects of a wrong size", 1),
    "object_places": Metric("lower", "share of objects in a wrong place", 1),
    "object_colors": Metric("lower", "share of object pixels in a wrong color", 1),
    "places_visited": Metric("higher", "places of real objects where samples have some", 1),
    "small_presence": Metric("higher", "frames with a small object, against real ones", 1),
    "small_extra": Metric("lower", "frames with more small objects than real ones show", 1),
    "pixel_accuracy": Metric("higher", "pixels within 8 levels of the true frame's", 1),
    "foreground_accuracy": Metric("higher", "the same, of pixels that are not background", 1),
    "small_found": Metric("higher", "small objects of the true frame that are there", 1),
    "small_offset": Metric("lower", "how far those are from their place, in pixels"),
    "motion_distance": Metric(
        "lower", "distance of the Gaussians of how features change in a step"
    ),
    "pixels_changed": Metric("lower", "distance of how many pixels change in a step, in doublings"),
    "pixels_returned": Metric("lower", "the same of pixels that change and at once change back"),
    "small_moves": Metric("lower", "share of small objects that go too far, or not far enough", 1),
    "small_blinks": Metric("lower", "small objects that vanish for one frame", 1),
    "ram_claims": Metric("lower", "distance of what a probe reads as RAM, in standard deviations"),
}


def scores(
    measure: Measure,
    samples: Columns,
    reference: Columns,
    stand_in: Columns,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> dict[str, Score]:
    """Everything that is measured of samples against real ones, by name.

    All three sets are cut to the length of the shortest, since many distances depend on it. The
    interval is 1.96 standard errors to both sides of the value, by the delete-half jackknife (Shao
    and Wu 1989, "A general theory for jackknife variance estimation"): samples and real ones are
    halved at random 16 times; a half's variance about the whole is the whole's own, to first order.

    Args:
        measure: takes samples and real ones.
        samples: what is judged.
        reference: real ones that it is compared with.
        stand_in: other real ones, that stand in the samples' place for the floor.
        seed: of the downsampled_sizes.
        progress: called with the number of samples after each measuring.
    """
    num = min(map(num_rows, (samples, reference, stand_in)))
    samples, reference, stand_in = (
        rows(each, slice(num)) for each in (samples, reference, stand_in)
    )

    def measured(first: Columns, second: Columns) -> dict[str, float]:
        found = measure(first, second)
        progress(num_rows(first))
        return found

    values, floors = measured(samples, reference), measured(stand_in, reference)
    rng = np.random.default_rng(seed)
    halves = [
        measured(rows(samples, half(num, rng)), rows(reference, half(num, rng)))
        for _ in range(NUM_HALVES)
    ]
    return {
        name: Score(
            value=values[name],
            floor=floors[name],
            interval=interval(
                name, values[name], float(np.std([found[name] for found in halves], ddof=1))
            ),
            better=METRICS[name].better,
        )
        for name in values
    }


def interval(name: str, value: float, standard_error: float) -> tuple[float, float]:
    """Low and high end of a measurement's 95 % confidence interval, within what it can be."""
    margin = _NORMAL_95 * standard_error
    metric = METRICS[name]
    return max(metric.least, value - margin), min(metric.most, value + margin)


def half(num: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Half of the numbers below `num`, and at least two where there are so many, in order."""
    chosen: npt.NDArray[np.int64] = np.sort(rng.permutation(num)[: max(min(num, 2), num // 2)])
    return chosen


def num_rows(columns: Columns) -> int:
    """How many samples columns tell of."""
    return len(next(iter(columns.values())))


def rows(columns: Columns, which: slice | npt.NDArray[np.int64]) -> Columns:
    """Columns of some of the samples."""
    return {name: column[which] for name, column in columns.items()}


def joined_rows(parts: list[Columns]) -> Columns:
    """Columns of all samples of several parts, in order."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
