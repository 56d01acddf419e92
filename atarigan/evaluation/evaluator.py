"""Scoring samples against real samples of one source."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.evaluation.features.feature_space import FeatureSpace
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.real_sets import RealSets
from atarigan.evaluation.metrics.score import (
    Columns,
    Measure,
    Progress,
    Score,
    joined_rows,
    scores,
)
from atarigan.images.subset import drawn

Samples = npt.NDArray[Any]
_CHUNK = 250


@dataclass(frozen=True)
class Evaluator:
    """Scores samples of one source.

    Attributes:
        space: feature space of the distances; None if samples are compared directly.
        headline: name of the metric by which generators are ranked.
        describe: computes the descriptors of samples, each sample by itself.
        measure: computes metrics from descriptors of samples and of real samples.
        real: real samples to compare with, (N, …).
        reference: descriptors of `real`.
        held_out: descriptors of N other real samples, which set the floor.
        sets: which real samples these are.
        seed: seed of the choice of samples and of the subsets behind confidence intervals.
        statistics: statistics of the game, if the samples are its frames.
    """

    space: FeatureSpace | None
    headline: str
    describe: Callable[[Samples], Columns]
    measure: Measure
    real: Samples
    reference: Columns
    held_out: Columns
    sets: RealSets
    seed: int = 0
    statistics: GameStatistics | None = None

    @property
    def features(self) -> str | None:
        """Name of the feature space."""
        return self.space.name if self.space else None

    @property
    def num(self) -> int:
        """Number of real samples to compare with."""
        return len(self.real)

    def scores(self, samples: Samples, progress: Progress = lambda _: None) -> dict[str, Score]:
        """Score samples (N, …) by every metric; of more than `num`, as many are drawn.

        Raises:
            InputError: there are fewer than four samples, their shape differs from the real
                samples', or a value is not finite.
        """
        return self.evaluate(samples, progress).scores(progress)

    def evaluate(self, samples: Samples, progress: Progress = lambda _: None) -> "EvaluatedSamples":
        """Describe samples; of more than `num`, as many are drawn. Raises as `scores` does."""
        check_samples(samples, self.real.shape[1:])
        num_given = len(samples)
        if num_given > self.num:
            samples = samples[drawn(num_given, self.num, self.seed)]
        descriptors = in_chunks(self.describe, samples, progress)
        return EvaluatedSamples(self, samples, descriptors, num_given)


@dataclass(frozen=True)
class EvaluatedSamples:
    """Samples with their descriptors.

    Attributes:
        evaluator: the evaluator that scores them.
        samples: (N, …).
        descriptors: the evaluator's descriptors of the samples.
        num_given: number of samples that these were drawn from.
    """

    evaluator: Evaluator
    samples: Samples
    descriptors: Columns
    num_given: int

    @property
    def num(self) -> int:
        return len(self.samples)

    def scores(self, progress: Progress = lambda _: None) -> dict[str, Score]:
        """Score the samples by every metric."""
        by = self.evaluator
        return scores(
            by.measure,
            self.descriptors,
            by.reference,
            by.held_out,
            by.seed,
            progress,
            by.sets.episodes,
        )


def check_samples(samples: Samples, shape: tuple[int, ...]) -> None:
    """Raise InputError if samples are not at least four finite ones of a shape."""
    if len(samples) < 4 or samples.shape[1:] != shape:
        raise InputError(
            f"samples must be (N, {', '.join(map(str, shape))}) with N at least 4, "
            f"not {samples.shape}"
        )
    if samples.dtype != np.uint8 and not np.isfinite(samples).all():
        num_finite = int(np.isfinite(samples).all(1).sum())
        raise InputError(f"all {len(samples):,} samples must be finite, not {num_finite:,}")


def in_chunks(
    describe: Callable[[Samples], Columns], samples: Samples, progress: Progress = lambda _: None
) -> Columns:
    """Describe samples 250 at a time, which bounds memory use."""

    def parts() -> Iterator[Columns]:
        for start in range(0, len(samples), _CHUNK):
            chunk = samples[start : start + _CHUNK]
            yield describe(chunk)
            progress(len(chunk))

    return joined_rows(list(parts()))
