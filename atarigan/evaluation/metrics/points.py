"""Metrics of points in the plane: distances between two sets, and coverage of a manifold."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.evaluation.metrics.manifold import OFF, Manifold
from atarigan.images.subset import evenly_spaced

Array = npt.NDArray[np.float64]
AnyPoints = npt.NDArray[np.floating[Any]]
NUM_PROJECTIONS = 128
MIN_CELL_SHARE = 0.1
_MAX_FOR_MEDIAN = 1000
_BLOCK = 256


def sliced_wasserstein(
    first: AnyPoints, second: AnyPoints, num_projections: int = NUM_PROJECTIONS, seed: int = 0
) -> float:
    """Compute the mean 1-Wasserstein distance of the projections on random directions.

    ∫ W₁(θ·x, θ·y) dθ over the unit circle, by Monte Carlo (Rabin et al. 2011, "Wasserstein
    barycenter and its application to texture mixing"; Bonneel et al. 2015, "Sliced and Radon
    Wasserstein barycenters of measures"; both use the squared distance W₂²).

    Args:
        first: float (N, 2).
        second: float (M, 2); M need not be N.
        num_projections: number of directions.
        seed: seed of the directions.

    Returns:
        at least 0, in the points' unit; 0 for equal sets.

    Raises:
        InputError: a set is empty, not (N, 2), or not finite.
    """
    first, second = _checked(first), _checked(second)
    angles = np.random.default_rng(seed).uniform(0, np.pi, num_projections)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    return float(np.mean(wasserstein((first @ directions).T, (second @ directions).T)))


def wasserstein(first: Array, second: Array) -> Array:
    """Compute 1-Wasserstein distances (...,) of numbers (..., N) and (..., M).

    In one dimension it is the area between the distribution functions, W₁ = ∫ |F(x) - G(x)| dx
    (Peyré and Cuturi 2019, "Computational optimal transport", remark 2.30).
    """
    values = np.concatenate([first, second], axis=-1)
    jumps = np.full(values.shape[-1], 1 / first.shape[-1])
    jumps[first.shape[-1] :] = -1 / second.shape[-1]
    order = np.argsort(values, axis=-1)
    gaps = np.diff(np.take_along_axis(values, order, axis=-1), axis=-1)
    between = np.cumsum(jumps[order], axis=-1)[..., :-1]
    distances: Array = (np.abs(between) * gaps).sum(-1)
    return distances


def energy_distance(first: AnyPoints, second: AnyPoints) -> float:
    """Compute 2 E|X - Y| - E|X - X'| - E|Y - Y'| over all pairs, including a point with itself.

    The V-statistic of Székely and Rizzo 2013, "Energy statistics: a class of statistics based on
    distances". It is the square of a metric.

    Args:
        first: float (N, 2).
        second: float (M, 2).

    Returns:
        at least 0, in the points' unit; 0 for equal sets.

    Raises:
        InputError: a set is empty, not (N, 2), or not finite.
    """
    first, second = _checked(first), _checked(second)
    across = _mean_across(first, second, np.sqrt)
    within = _mean_within(first, np.sqrt) + _mean_within(second, np.sqrt)
    return max(0.0, 2 * across - within)


def maximum_mean_discrepancy(
    samples: AnyPoints, real: AnyPoints, bandwidth: float | None = None
) -> float:
    """Compute the maximum mean discrepancy with the kernel exp(-|x - y|² / (2 b²)).

    The biased estimate of Gretton et al. 2012, "A kernel two-sample test", equation (5): the square
    root of E k(X, X') - 2 E k(X, Y) + E k(Y, Y') over all pairs, including a point with itself. It
    is insensitive to differences much finer than the bandwidth.

    Args:
        samples: float (N, 2).
        real: float (M, 2).
        bandwidth: b, above 0; None takes `median_distance(real)`.

    Returns:
        0 to √2; 0 for equal sets.

    Raises:
        InputError: a set is empty, not (N, 2), or not finite; or the bandwidth is not above 0.
    """
    samples, real = _checked(samples), _checked(real)
    width = median_distance(real) if bandwidth is None else bandwidth
    if not width > 0:
        raise InputError(f"the bandwidth must be above 0, not {width}")

    def kernel(squared: Array) -> Array:
        values: Array = np.exp(squared / (-2 * width**2))
        return values

    within = _mean_within(samples, kernel) + _mean_within(real, kernel)
    return float(np.sqrt(max(0.0, within - 2 * _mean_across(samples, real, kernel))))


def median_distance(points: AnyPoints) -> float:
    """Compute the median distance between two points of a set, of at most 1,000 evenly spaced ones;
    0 for a single point.
    """
    picked = evenly_spaced(len(points), _MAX_FOR_MEDIAN)
    some = np.asarray(points, np.float64)[picked]
    distances = np.sqrt(_squared_distances(some, some))
    return float(np.median(distances[np.triu_indices(len(some), 1)])) if len(some) > 1 else 0.0


def coverage(points: AnyPoints, manifold: Manifold) -> float:
    """Compute the share of a manifold's cells that points cover, 0 to 1.

    A cell is covered if it holds at least one point, and at least a tenth of its share under a
    uniform distribution over the cells.

    Raises:
        InputError: there are no points, they are not (N, 2), or not finite.
    """
    cells = manifold.cells(_checked(points))
    counts = np.bincount(cells[cells != OFF], minlength=manifold.num_cells)
    least = max(1.0, MIN_CELL_SHARE * len(points) / manifold.num_cells)
    return float((counts >= least).mean())


def on_manifold(points: AnyPoints, manifold: Manifold) -> float:
    """Compute the share of points on a manifold, 0 to 1. Raises InputError as `coverage` does."""
    return float((manifold.cells(_checked(points)) != OFF).mean())


def _checked(points: AnyPoints) -> Array:
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise InputError(f"points must be (N, 2) with N at least 1, not {points.shape}")
    num_finite = int(np.isfinite(points).all(1).sum())
    if num_finite < len(points):
        raise InputError(f"all {len(points):,} points must be finite, not {num_finite:,} of them")
    return np.asarray(points, np.float64)


def _squared_distances(first: Array, second: Array) -> Array:
    x = first[:, :1] - second[:, 0]
    y = first[:, 1:] - second[:, 1]
    squared: Array = x * x + y * y
    return squared


def _mean_across(first: Array, second: Array, function: Callable[[Array], Array]) -> float:
    """Average a function of the squared distance over all pairs of a point of each set, one block
    of rows at a time.
    """
    total = 0.0
    for start in range(0, len(first), _BLOCK):
        total += function(_squared_distances(first[start : start + _BLOCK], second)).sum()
    return total / (len(first) * len(second))


def _mean_within(points: Array, function: Callable[[Array], Array]) -> float:
    """Average over all pairs of one set: each block of rows with itself once, and with the rows
    after it twice, because distances are symmetric.
    """
    total = 0.0
    for start in range(0, len(points), _BLOCK):
        rows = points[start : start + _BLOCK]
        values = function(_squared_distances(rows, points[start:]))
        total += 2 * values.sum() - values[:, : len(rows)].sum()
    return total / len(points) ** 2
