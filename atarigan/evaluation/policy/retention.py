"""How much of a policy's score is left when it sees something else than real frames."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Interval = tuple[float, float]
NUM_RESAMPLES = 10_000
_ENDS = (0.025, 0.975)


def mean(values: Values) -> Values:
    """Over the last axis, (..., N) to (...)."""
    return np.asarray(np.mean(values, axis=-1, dtype=np.float64))


def retention(seen: Values, real: Values, random: Values) -> Values:
    """(mean return seeing something else - random) / (mean return seeing real frames - random).

    1 means that nothing is lost, 0 that acting at random would do as well.

    Args:
        seen, real, random: returns of episodes, (..., N) each, not necessarily as many.

    Returns:
        (...); not a number where real frames bring no more than random actions.
    """
    gained = mean(real) - mean(random)
    is_more = gained > 0
    kept = (mean(seen) - mean(random)) / np.where(is_more, gained, 1.0)
    return np.where(is_more, kept, np.nan)


def share(hits: Values, asked: Values) -> Values:
    """Hits of all that was asked, over episodes (..., N)."""
    return np.asarray(hits.sum(-1) / asked.sum(-1))


def bootstrap_interval(
    statistic: Callable[..., Values],
    groups: Sequence[Values],
    seed: int = 0,
    *,
    paired: bool = False,
) -> Interval:
    """Low and high end of a statistic's 95 % interval by the percentile bootstrap (Efron and
    Tibshirani 1993, An Introduction to the Bootstrap, chapter 13): 10,000 times, episodes are drawn
    anew with replacement, in each group by itself.

    Args:
        statistic: of the groups, in order, over their last axis.
        groups: (N,) values an episode.
        seed: of the draws.
        paired: the groups are different values of the same episodes, and drawn together.

    Returns:
        of the draws in which the statistic is a number; not numbers where there is none.
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
