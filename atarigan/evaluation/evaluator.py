"""Scoring samples against real samples of one source."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.evaluation.features.feature_space import FeatureSpace
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.score import (
    Columns,
    Measure,
    Progress,
    Score,
    joined_rows,
    scores,
)

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
        seed: seed of the choice of real samples and of the subsets behind confidence intervals.
        statistics: statistics of the game, if the samples are its frames.
    """

    space: FeatureSpace | None
    headline: str
    describe: Callable[[Samples], Columns]
    measure: Measure
    real: Samples
    reference: Columns
    held_out: Columns
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
        """Score the first `num` of samples (N, …) by every metric.

        Raises:
            InputError: there are fewer than four samples, their shape differs from the real
                samples', or a value is not finite.
        """
        return self.evaluate(samples, progress).scores(progress)

    def evaluate(self, samples: Samples, progress: Progress = lambda _: None) -> "EvaluatedSamples":
        """Describe the first `num` samples. Raises InputError as `scores` does."""
        samples = samples[: self.num]
        self._check(samples)
        return EvaluatedSamples(self, samples, in_chunks(self.describe, samples, progress))

    def _check(self, samples: Samples) -> None:
        shape = self.real.shape[1:]
        if len(samples) < 4 or samples.shape[1:] != shape:
            raise InputError(
                f"samples must be (N, {', '.join(map(str, shape))}) with N at least 4, "
                f"not {samples.shape}"
            )
        if samples.dtype != np.uint8 and not np.isfinite(samples).all():
            num_finite = int(np.isfinite(samples).all(1).sum())
            raise InputError(f"all {len(samples):,} samples must be finite, not {num_finite:,}")


@dataclass(frozen=True)
class EvaluatedSamples:
    """Samples with their descriptors.

    Attributes:
        evaluator: the evaluator that scores them.
        samples: (N, …).
        descriptors: the evaluator's descriptors of the samples.
    """

    evaluator: Evaluator
    samples: Samples
    descriptors: Columns

    @property
    def num(self) -> int:
        return len(self.samples)

    def scores(self, progress: Progress = lambda _: None) -> dict[str, Score]:
        """Score the samples by every metric."""
        by = self.evaluator
        return scores(by.measure, self.descriptors, by.reference, by.held_out, by.seed, progress)


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


def two_real_sets(
    num_samples: int, num: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Draw indices of two disjoint sets of `num` real samples, at most half of all each.

    Both are sorted. The first set is compared with, the second one sets the floor.

    Raises:
        InputError: there are fewer than eight real samples.
    """
    num = min(num, num_samples // 2)
    if num < 4:
        raise InputError(f"measurements need at least 8 real samples, not {num_samples}")
    order = np.random.default_rng(seed).permutation(num_samples)
    return np.sort(order[:num]), np.sort(order[num : 2 * num])
