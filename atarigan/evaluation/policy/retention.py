"""Retention: how much of its score a policy keeps when it does not see real frames."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Interval = tuple[float, float]
NUM_RESAMPLES = 10_000
_ENDS = (0.025, 0.975)


def mean(values: Values) -> Values:
    """Average over the last axis, (..., N) to (...)."""
    return np.asarray(np.mean(values, axis=-1, dtype=np.float64))


def retention(seen: Values, real: Values, random: Values) -> Values:
    """Compute (mean return with a view - random) / (mean return with real frames - random).

    1 means that the policy keeps its score, 0 that it does no better than random actions.

    Args:
        seen: returns of episodes in which the policy sees the view, (..., N).
        real: returns of episodes in which it sees real frames, (..., M).
        random: returns of episodes of random actions, (..., L).

    Returns:
        (...); NaN where the return with real frames is not above that of random actions.
    """
    gained = mean(real) - mean(random)
    is_more = gained > 0
    kept = (mean(seen) - mean(random)) / np.where(is_more, gained, 1.0)
    return np.where(is_more, kept, np.nan)


def share(hits: Values, asked: Values) -> Values:
    """Compute the share of hits among all queries, over episodes (..., N)."""
    return np.asarray(hits.sum(-1) / asked.sum(-1))


def bootstrap_interval(
    statistic: Callable[..., Values],
    groups: Sequence[Values],
    seed: int = 0,
    *,
    paired: bool = False,
) -> Interval:
    """Compute a 95 % confidence interval by the percentile bootstrap.

    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13, with 10,000 resamples
    of the episodes of each group.

    Args:
        statistic: function of the groups, in order, over their last axis.
        groups: values per episode, (N,) each.
        seed: seed of the resamples.
        paired: whether the groups are values of the same episodes, which are resampled together.

    Returns:
        The lower and upper end, over the resamples in which the statistic is not NaN; NaN if it
        always is.
    """
    rng = np.random.default_rng(seed)
    if paired:
        num = len(groups[0])
        drawn = rng.integers(num, size=(NUM_RESAMPLES, num))
        resamples = [group[drawn] for group in groups]
    else:
        resamples = [
            group[rng.integers(len(group), size=(NUM_RESAMPLES, len(group)))] for group in groups
        ]
    found = statistic(*resamples)
    if np.isnan(found).all():
        return math.nan, math.nan
    low, high = np.nanquantile(found, _ENDS)
    return float(low), float(high)
