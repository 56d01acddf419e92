"""A judge: knows real samples of one source, and scores others beside them."""

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
    num_rows,
    scores,
)

Samples = npt.NDArray[Any]
_CHUNK = 250


@dataclass(frozen=True)
class Evaluator:
    """Scores samples of one source.

    Attributes:
        space: in which features distances are taken; None where samples are compared as they are.
        headline: the measurement by which one generator is better than another.
        describe: what is known of some samples, as columns; chunk by chunk it gives the same.
        measure: measurements of described samples against real ones.
        real: real samples that are compared with, (N, …).
        reference: what is known of those.
        stand_in: what is known of as many other real ones, which set the floor.
        accepted: shape of a sample.
        seed: of the choice of real samples and of the downsampled_sizes.
        scene: of the game, where the samples are its frames.
    """

    space: FeatureSpace | None
    headline: str
    describe: Callable[[Samples], Columns]
    measure: Measure
    real: Samples
    reference: Columns
    stand_in: Columns
    accepted: tuple[int, ...]
    seed: int = 0
    scene: GameStatistics | None = None

    @property
    def features(self) -> str | None:
        """In which features distances are taken, as figures name them."""
        return self.space.name if self.space else None

    @property
    def num(self) -> int:
        """Real samples that are compared with."""
        return num_rows(self.reference)

    def scores(self, samples: Samples, progress: Progress = lambda _: None) -> dict[str, Score]:
        """Every measurement of samples (N, …), by name; the first `num` are looked at.

        Raises:
            InputError: there are fewer than four, or they are of another shape or not finite.
        """
        return self.judged(samples, progress).scores(progress)

    def judged(self, samples: Samples, progress: Progress = lambda _: None) -> "EvaluatedSamples":
        """The first `num` samples, described. Raises InputError as `scores` does."""
        samples = samples[: self.num]
        return EvaluatedSamples(self, samples, self.described(samples, progress))

    def described(self, samples: Samples, progress: Progress = lambda _: None) -> Columns:
        """What is known of samples. Raises InputError as `scores` does."""
        if len(samples) < 4 or samples.shape[1:] != self.accepted:
            raise InputError(
                f"samples must be (N, {', '.join(map(str, self.accepted))}) with N at least 4, "
                f"not {samples.shape}"
            )
        if samples.dtype != np.uint8 and not np.isfinite(samples).all():
            num_finite = int(np.isfinite(samples).all(1).sum())
            raise InputError(f"all {len(samples):,} samples must be finite, not {num_finite:,}")
        return in_chunks(self.describe, samples, progress)


@dataclass(frozen=True)
class EvaluatedSamples:
    """Samples and who judges them.

    Attributes:
        judge: of samples like these.
        samples: (N, …).
        described: what is known of them.
    """

    judge: Evaluator
    samples: Samples
    described: Columns

    @property
    def num(self) -> int:
        return len(self.samples)

    def scores(self, progress: Progress = lambda _: None) -> dict[str, Score]:
        """Every measurement of the samples, by name."""
        judge = self.judge
        return scores(
            judge.measure, self.described, judge.reference, judge.stand_in, judge.seed, progress
        )


def in_chunks(
    describe: Callable[[Samples], Columns], samples: Samples, progress: Progress = lambda _: None
) -> Columns:
    """What is known of samples, found a few at a time, so that memory holds it."""

    def parts() -> Iterator[Columns]:
        for start in range(0, len(samples), _CHUNK):
            chunk = samples[start : start + _CHUNK]
            yield describe(chunk)
            progress(len(chunk))

    return joined_rows(list(parts()))


def two_real_sets(
    num_samples: int, num: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers of `num` real samples, or half of all where there are fewer, and of as many others;
    both in order.

    Raises:
        InputError: there are fewer than eight.
    """
    num = min(num, num_samples // 2)
    if num < 4:
        raise InputError(f"measurements need at least 8 real samples, not {num_samples}")
    order = np.random.default_rng(seed).permutation(num_samples)
    return np.sort(order[:num]), np.sort(order[num : 2 * num])
