"""Confidence intervals by resampling whole episodes."""

import math

import numpy as np
import numpy.typing as npt

NUM_RESAMPLES = 1000
_ENDS = (2.5, 97.5)
Values = npt.NDArray[np.float64]


def episode_weights(num_episodes: int, seed: int) -> Values:
    """Return how often each episode is drawn in each resample, float64 (1000, num_episodes)."""
    rng = np.random.default_rng(seed)
    shares = np.full(num_episodes, 1 / num_episodes)
    return rng.multinomial(num_episodes, shares, NUM_RESAMPLES).astype(np.float64)


def percentile_interval(resampled: Values) -> tuple[float, float]:
    """Return the 95 % interval of a statistic by the percentile bootstrap.

    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.

    Args:
        resampled: the statistic of each resample, (1000,); NaN where it is undefined.

    Returns:
        The lower and upper end; NaN if it always is.
    """
    known = resampled[~np.isnan(resampled)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, _ENDS)
    return float(low), float(high)


def share(
    hits: npt.NDArray[np.bool_], episodes: npt.NDArray[np.int64], weights: Values
) -> tuple[float, tuple[float, float]]:
    """Return the share of hits (n,) and its interval; NaN without any rows.

    Args:
        hits: bool (n,).
        episodes: the episode of each, which is resampled as a whole, int64 (n,).
        weights: as `episode_weights` returns them.
    """
    num_hits, num = (
        np.bincount(rows, minlength=weights.shape[1]) for rows in (episodes[hits], episodes)
    )
    with np.errstate(invalid="ignore"):
        resampled = (weights @ num_hits) / (weights @ num)
        value = num_hits.sum() / np.float64(num.sum())
    return float(value), percentile_interval(resampled)
