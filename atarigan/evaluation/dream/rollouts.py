"""Roll-outs: a dream plays on its own, under real actions, until it differs from the real game."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.dream.episode_bootstrap import (
    Values,
    episode_weights,
    percentile_interval,
)
from atarigan.evaluation.dream.step_exactness import play_steps
from atarigan.evaluation.dream.unseen_steps import UnseenSteps
from atarigan.evaluation.metrics.score import METRICS, Score
from atarigan.models.dynamics.dynamics import Dynamics

STEPS_APART = 500  # agent steps between the starts of two roll-outs of an episode
Lengths = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rollouts:
    """How long R roll-outs stayed exact.

    Attributes:
        lengths: agent steps before the first one that is not exact, or until real play ends, int64
            (R,).
        differs: whether there was one; if not, the length is a lower bound (right-censored), bool
            (R,).
        episodes: the episode that each is of, int64 (R,).
    """

    lengths: Lengths
    differs: Mask
    episodes: npt.NDArray[np.int64]

    @property
    def longest(self) -> int:
        return int(self.lengths.max())

    def survival(self) -> tuple[Lengths, Values]:
        """Return the estimated share of roll-outs that are exact for more than so many steps.

        It takes into account that some end without a difference (Kaplan and Meier 1958,
        "Nonparametric Estimation from Incomplete Observations").

        Returns:
            lengths, ascending, int64 (R,), and shares, float64 (R,).
        """
        order = self._order()
        return self.lengths[order], _surviving(self.differs[order], np.ones((1, len(order))))[0]

    def score(self, seed: int = 0) -> dict[str, Score]:
        """Return the score `steps_to_mismatch`: the median length of `survival`.

        If more than half of the roll-outs survive, the value is the length of the longest one,
        which is also the floor: the median is at least that.

        Args:
            seed: of the resamples of whole episodes.
        """
        order = self._order()
        lengths, differs, episodes = self.lengths[order], self.differs[order], self.episodes[order]
        weights = episode_weights(int(self.episodes.max()) + 1, seed)[:, episodes]
        name = "steps_to_mismatch"
        score = Score(
            value=float(_medians(lengths, _surviving(differs, np.ones((1, len(order)))))[0]),
            floor=float(self.longest),
            interval=percentile_interval(_medians(lengths, _surviving(differs, weights))),
            better=METRICS[name].better,
        )
        return {name: score}

    def _order(self) -> npt.NDArray[np.intp]:
        """Sort by length; of equal lengths, those that differ first."""
        return np.lexsort((~self.differs, self.lengths))


def rollout_starts(unseen: UnseenSteps, steps_apart: int = STEPS_APART) -> Lengths:
    """Return numbers of each episode's first agent step, and every so many after it, int64 (R,)."""
    bounds = pairwise(unseen.episode_begins)
    return np.concatenate([np.arange(*each, steps_apart) for each in bounds])


def play_rollouts(
    dynamics: Dynamics,
    unseen: UnseenSteps,
    unread: Sequence[int],
    steps_apart: int = STEPS_APART,
    progress: Callable[[int], None] = lambda _: None,
) -> Rollouts:
    """Roll a model out from each episode's first state, and from states every so many steps.

    Args:
        dynamics: the model.
        unseen: real play.
        unread: addresses of bytes that need not be right.
        steps_apart: agent steps between two starts.
        progress: called with the number of roll-outs that ended.
    """
    starts = rollout_starts(unseen, steps_apart)
    ends, steps = unseen.episode_begins[1:][unseen.episodes[starts]], starts.copy()
    states = unseen.frames.states[unseen.begins[starts]]
    differs = np.zeros(len(starts), bool)
    going = np.arange(len(starts))
    while len(going):
        played = play_steps(dynamics, unseen, steps[going], states[going], unread)
        states[going], differs[going] = played.states, ~played.is_exact
        steps[going] += played.is_exact
        still = going[played.is_exact & (steps[going] < ends[going])]
        progress(len(going) - len(still))
        going = still
    return Rollouts(steps - starts, differs, unseen.episodes[starts])


def _surviving(differs: Mask, weights: Values) -> Values:
    """Return the estimate after each of R sorted roll-outs, (B, R), with weights (B, R)."""
    at_risk = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
    lost = np.divide(weights * differs, at_risk, out=np.zeros_like(weights), where=at_risk > 0)
    return np.cumprod(1 - lost, axis=1)


def _medians(lengths: Lengths, surviving: Values) -> Values:
    """Return the first length at which at most half survive, or the longest one, (B,)."""
    is_reached = surviving <= 0.5 + 1e-12
    first = np.where(is_reached.any(1), is_reached.argmax(1), len(lengths) - 1)
    return lengths[first].astype(np.float64)
