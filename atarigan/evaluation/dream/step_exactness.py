"""How many frames and agent steps of real play a dream predicts exactly."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.dream.episode_bootstrap import episode_weights, share
from atarigan.evaluation.dream.unseen_steps import UnseenSteps
from atarigan.evaluation.metrics.score import METRICS, Score
from atarigan.models.dynamics.dynamics import Dynamics
from atarigan.models.dynamics.exactness import PredictedFrames, read_bytes

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
    true, begins = unseen.frames, unseen.begins[steps]
    lengths = unseen.begins[steps + 1] - begins
    last = begins + lengths - 1
    places = np.arange(lengths.max(initial=1))
    numbers = np.minimum(begins[:, None] + places, last[:, None])  # further ones are not played
    played = dynamics.play(states, np.zeros(len(steps), np.uint8), true.inputs[numbers], lengths)
    rewards = np.where(places < lengths[:, None], true.rewards[numbers], np.float32(0))
    is_read = read_bytes(states.shape[1], unread)
    is_exact = (played.states == true.next_states[last])[:, is_read].all(1)
    is_exact &= (played.num_frames == lengths) & (played.ends == true.ends[last])
    is_exact &= played.rewards == rewards.cumsum(1)[:, -1]  # in the order of the frames, as played
    is_exact &= played.lives == true.lives[last]
    return PlayedSteps(played.states, is_exact)


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
    found = {"exact_steps": share(played.is_exact, unseen.episodes, weights)}
    episodes = unseen.episodes_of_frames
    for name, (hits, asked) in _frame_hits(dynamics, unseen, unread).items():
        found[name] = share(hits[asked], episodes[asked], weights)
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
    predicted = PredictedFrames.of(dynamics, frames, unread)
    every = np.ones(len(frames), bool)
    is_reward = predicted.rewards == frames.rewards
    return {
        "exact_frames": (predicted.is_exact_read, every),
        "exact_frames_all_bytes": (predicted.is_exact, every),
        "end_precision": (frames.ends, predicted.ends),
        "end_recall": (predicted.ends, frames.ends),
        "reward_precision": (is_reward, predicted.rewards != 0),
        "reward_recall": (is_reward, frames.rewards != 0),
    }
