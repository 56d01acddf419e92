"""Evaluating points of a known distribution: distances, and coverage of its manifold."""

import numpy as np

from atarigan.data.sources.points import Distribution
from atarigan.evaluation.evaluator import Evaluator, Samples
from atarigan.evaluation.metrics import points as point_metrics
from atarigan.evaluation.metrics.manifold import Manifold, manifold_of
from atarigan.evaluation.metrics.real_sets import RealSets
from atarigan.evaluation.metrics.score import Columns


def point_evaluator(distribution: Distribution, num: int, seed: int = 0) -> Evaluator:
    """Return an evaluator of points (N, 2) against `num` points drawn from the distribution.

    Raises:
        InputError: the distribution's manifold is not known.
    """
    manifold = manifold_of(distribution)
    drawn = distribution.draw(2 * num, seed=seed + 1)
    np.random.default_rng(seed).shuffle(drawn)  # some distributions draw in order

    def measure(samples: Columns, real: Columns) -> dict[str, float]:
        return point_scores(samples["points"], real["points"], manifold)

    return Evaluator(
        space=None,
        headline="sliced_wasserstein",
        describe=_describe,
        measure=measure,
        real=drawn[:num],
        reference=_describe(drawn[:num]),
        held_out=_describe(drawn[num:]),
        sets=RealSets(np.arange(num), np.arange(num, 2 * num), 2 * num),
        seed=seed,
    )


def _describe(points: Samples) -> Columns:
    return {"points": points}


def point_scores(points: Samples, real: Samples, manifold: Manifold) -> dict[str, float]:
    """Compute every metric of points (N, 2) against real points (M, 2)."""
    return {
        "sliced_wasserstein": point_metrics.sliced_wasserstein(points, real),
        "energy_distance": point_metrics.energy_distance(points, real),
        "maximum_mean_discrepancy": point_metrics.maximum_mean_discrepancy(points, real),
        "cells_covered": point_metrics.coverage(points, manifold),
        "on_manifold": point_metrics.on_manifold(points, manifold),
    }
