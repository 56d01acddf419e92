"""How many frames and agent steps of real play a dream predicts exactly."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.dream.episode_bootstrap import (
    Values,
    episode_weights,
    percentile_interval,
)
from atarigan.evaluation.dream.unseen_steps import UnseenSteps
from atarigan.evaluation.metrics.score import METRICS, Score
from atarigan.models.dynamics.dynamics import Dynamics

_CHUNK = 65_536
Mask = npt.NDArray[np.bool_]
Steps = npt.NDArray[np.int64]
States = npt.NDArray[np.uint8]


class PlayedSteps(NamedTuple):
    """What a model predicts for n agent steps.

    Attributes:
        states: RAM after each step, uint8 (n, bytes).
        is_exact: whether bytes that are read, reward, end and lives are right, bool (n,).
    """

    states: States
    is_exact: Mask


def play_steps(
    dynamics: Dynamics, unseen: UnseenSteps, steps: Steps, states: States, unread: Sequence[int]
) -> PlayedSteps:
    """Play agent steps from given states, under the frame actions of real play.

    Each frame begins with the state that is predicted for the frame before it.

    Args:
        dynamics: the model.
        unseen: real play.
        steps: numbers of the steps (n,).
        states: RAM before them, uint8 (n, bytes).
        unread: addresses of bytes that need not be right.
    """
    true, begins, last = unseen.frames, unseen.begins[steps], unseen.begins[steps + 1] - 1
    states, lives = states.copy(), np.zeros(len(steps), np.uint8)
    rewards, true_rewards = np.zeros((2, len(steps)))
    is_exact = np.ones(len(steps), bool)
    for frame in range(int((last - begins).max(initial=-1)) + 1):
        rows = np.flatnonzero(begins + frame <= last)
        now = begins[rows] + frame
        following = dynamics.step(states[rows], true.inputs[now])
        states[rows], lives[rows] = following.states, following.lives
        rewards[rows] += following.rewards
        true_rewards[rows] += true.rewards[now]
        is_exact[rows] &= following.ends == true.ends[now]
    counts = np.ones(states.shape[1], bool)
    counts[list(unread)] = False
    is_exact &= (states == true.next_states[last])[:, counts].all(1)
    is_exact &= (rewards == true_rewards) & (lives == true.lives[last])
    return PlayedSteps(states, is_exact)


def exactness_scores(
    dynamics: Dynamics, unseen: UnseenSteps, unread: Sequence[int], seed: int = 0
) -> dict[str, Score]:
    """Score a model on real play, one frame or agent step from each real state.

    An agent step or a frame is exact if all bytes that the game reads are right in the next state,
    and so are the reward, the end of the episode, and the lives. For `exact_frames_all_bytes`
    bytes that nothing reads count too. Of frames for which an end or a reward is predicted, the
    precision is the share that is right; of frames that have one, the recall is the share that is
    predicted. A reward is right if its value is. Metrics of what never occurs are left out.

    Args:
        dynamics: the model.
        unseen: real play.
        unread: addresses of bytes that nothing reads.
        seed: of the resamples of whole episodes.

    Returns:
        scores by metric; the floor is 1.
    """
    frames = unseen.frames
    played = play_steps(
        dynamics, unseen, np.arange(len(unseen)), frames.states[unseen.begins[:-1]], unread
    )
    weights = episode_weights(unseen.num_episodes, seed)
    found = {"exact_steps": _share(played.is_exact, unseen.episodes, weights)}
    episodes = unseen.episodes_of_frames
    for name, (hits, asked) in _frame_hits(dynamics, unseen, unread).items():
        found[name] = _share(hits[asked], episodes[asked], weights)
    return {
        name: Score(value=value, floor=1.0, interval=interval, better=METRICS[name].better)
        for name, (value, interval) in found.items()
        if not np.isnan(value)
    }


def _frame_hits(
    dynamics: Dynamics, unseen: UnseenSteps, unread: Sequence[int]
) -> dict[str, tuple[Mask, Mask]]:
    """Return, by metric, which frames are right and which count, bool (N,) each."""
    frames = unseen.frames
    counts = np.ones(frames.states.shape[1], bool)
    counts[list(unread)] = False
    columns: list[list[npt.NDArray[Any]]] = []
    for begin in range(0, len(frames), _CHUNK):
        true = frames[begin : begin + _CHUNK]
        now = dynamics.step(true.states, true.inputs)
        is_right = now.states == true.next_states
        others = (now.rewards == true.rewards) & (now.ends == true.ends) & (now.lives == true.lives)
        exact = [others & is_right[:, bytes_].all(1) for bytes_ in (counts, slice(None))]
        columns.append([*exact, now.ends, now.rewards])
    read, all_bytes, ends, rewards = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    every = np.ones(len(frames), bool)
    is_reward = rewards == frames.rewards
    return {
        "exact_frames": (read, every),
        "exact_frames_all_bytes": (all_bytes, every),
        "end_precision": (frames.ends, ends),
        "end_recall": (ends, frames.ends),
        "reward_precision": (is_reward, rewards != 0),
        "reward_recall": (is_reward, frames.rewards != 0),
    }


def _share(hits: Mask, episodes: Steps, weights: Values) -> tuple[float, tuple[float, float]]:
    """Return the share of hits (n,) and its interval; NaN without any rows."""
    num_hits, num = (
        np.bincount(rows, minlength=weights.shape[1]) for rows in (episodes[hits], episodes)
    )
    with np.errstate(invalid="ignore"):
        resampled = (weights @ num_hits) / (weights @ num)
        value = num_hits.sum() / np.float64(num.sum())
    return float(value), percentile_interval(resampled)
