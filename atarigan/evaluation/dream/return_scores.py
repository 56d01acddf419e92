"""How well games in a dream tell games in the real game: their returns and their states."""

from functools import partial

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.dream.played_games import PlayedGames
from atarigan.evaluation.metrics.score import METRICS, Score, interval

_NUM_RESAMPLES = 1000
Values = npt.NDArray[np.float64]


def return_scores(real: PlayedGames, dream: PlayedGames, seed: int = 0) -> dict[str, Score]:
    """Score a dream by the games of P policies, at least 2, G each in the dream and in reality.

    - `return_error`: |mean return in the dream - in the real game|, averaged over policies,
      relative to the range of all real returns.
    - `return_rank_correlation`: Spearman's, of the policies' mean returns.
    - `returns_out_of_range`: share of the dream's games whose running return at any time leaves the
      range of the running returns of all real games.

    The floor of the first two is what real games, drawn with replacement, score against others; of
    the third, the share of real games that leave the range of all other real games. Intervals are
    1.96 standard errors to both sides, by resampling the games of each policy. What is undefined,
    because all real returns or mean returns are the same, is left out.

    Args:
        real: games of each policy in the real game.
        dream: games of the same policies in the dream.
        seed: of the resamples.
    """
    rng = np.random.default_rng(seed)
    span = float(np.ptp(real.returns))
    outside = _outside(dream, real.lowest.min(), real.highest.max())
    means = real.returns.mean(1), dream.returns.mean(1)
    real_means, other_real_means, dream_means = (
        _resampled(returns, rng).mean(2) for returns in (real.returns, real.returns, dream.returns)
    )
    found = {}
    for name, statistic in (
        ("return_error", partial(_mean_error, span)),
        ("return_rank_correlation", spearman),
    ):
        floors = statistic(real_means, other_real_means)
        found[name] = statistic(*means), floors, statistic(real_means, dream_means)
    found["returns_out_of_range"] = (
        outside.mean(),
        _outside_others(real).mean(),
        _resampled(outside, rng).mean((1, 2)),
    )
    return {
        name: Score(
            value=float(value),
            floor=float(np.nanmean(floors)),
            interval=interval(name, float(value), float(np.nanstd(resampled))),
            better=METRICS[name].better,
        )
        for name, (value, floors, resampled) in found.items()
        if not any(np.isnan(each).all() for each in (value, floors, resampled))
    }


def unseen_score(real: PlayedGames, dream: PlayedGames, seed: int = 0) -> dict[str, Score]:
    """Return the score `unseen_states`: the share of a dream's agent steps that lead to a state
    which no real play of its training reaches, over the games of P policies, G each.

    The floor is the share of such steps in the real game: false alarms. The interval is 1.96
    standard errors to both sides, by resampling the games of each policy.

    Args:
        real: games of each policy in the real game.
        dream: games of the same policies in the dream.
        seed: of the resamples.
    """
    name = "unseen_states"
    drawn = [
        _resampled(numbers, np.random.default_rng(seed))  # the same games of both
        for numbers in (dream.num_unseen, dream.num_steps)
    ]
    resampled = drawn[0].sum((1, 2)) / drawn[1].sum((1, 2))
    value = float(dream.num_unseen.sum() / dream.num_steps.sum())
    score = Score(
        value=value,
        floor=float(real.num_unseen.sum() / real.num_steps.sum()),
        interval=interval(name, value, float(resampled.std())),
        better=METRICS[name].better,
    )
    return {name: score}


def _mean_error(span: float, first: Values, second: Values) -> Values:
    """Return the mean error relative to a span, (..., P) to (...); NaN if the span is 0."""
    return np.asarray(np.abs(first - second).mean(-1) / (span or np.nan))


def spearman(first: Values, second: Values) -> Values:
    """Return Spearman's rank correlation over the last axis, (..., P) to (...).

    Equal values share their mean rank. NaN where all first values are equal, so that there is no
    order; 0 where only the second ones are, which tell nothing of it.
    """
    ranks = [_ranks(values) for values in (first, second)]
    a, b = (each - each.mean(-1, keepdims=True) for each in ranks)
    lengths = [np.sqrt((each**2).sum(-1)) for each in (a, b)]
    size = np.where(lengths[0] > 0, lengths[0] * np.maximum(lengths[1], 0.5), np.nan)
    return np.asarray(np.clip((a * b).sum(-1) / size, -1, 1))


def _ranks(values: Values) -> Values:
    """Return ranks from 0 over the last axis, as deviations: below minus above, halved."""
    one, other = values[..., :, None], values[..., None, :]
    return np.asarray(((one > other).sum(-1) - (one < other).sum(-1)) / 2)


def _resampled(values: npt.NDArray[np.generic], rng: np.random.Generator) -> Values:
    """Draw the games of each policy (P, G) with replacement, (1000, P, G)."""
    drawn = rng.integers(values.shape[1], size=(_NUM_RESAMPLES, *values.shape))
    return np.take_along_axis(values[None].astype(np.float64), drawn, axis=2)


def _outside(games: PlayedGames, lowest: float, highest: float) -> npt.NDArray[np.bool_]:
    """Return which games leave a range at any time, bool (P, G)."""
    return (games.lowest < lowest) | (games.highest > highest)


def _outside_others(games: PlayedGames) -> npt.NDArray[np.bool_]:
    """Return which of two or more games leave the range of all others, bool (P, G)."""
    second_lowest = np.sort(games.lowest, axis=None)[1]
    second_highest = np.sort(games.highest, axis=None)[-2]
    return np.asarray((games.lowest < second_lowest) | (games.highest > second_highest))
