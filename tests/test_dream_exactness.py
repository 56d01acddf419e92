"""How exact a dream is on play that it has not learned: frames, agent steps, roll-outs."""

from typing import Any

import numpy as np
import pytest

from atarigan.evaluation.dream.rollouts import Rollouts, play_rollouts
from atarigan.evaluation.dream.step_exactness import exactness_scores, play_steps
from atarigan.evaluation.dream.unseen_steps import UnseenSteps
from atarigan.models.dynamics.dynamics import NextStates
from atarigan.models.dynamics.transitions import FrameTransitions
from tests.learned_games import GAME, LIFE, Counting

SKIP = 4


def game(num_frames: int, first: int = 0) -> FrameTransitions:
    """A game of `Counting` in which the button is pressed in every fifth frame."""
    counts = (first + np.arange(num_frames)).astype(np.uint8)
    states = np.column_stack([counts, np.ones(num_frames, np.uint8)])
    inputs = np.zeros((num_frames, 3), np.int32)
    inputs[::5, 2] = 1
    following = Counting().step(states, inputs)
    return FrameTransitions(
        states,
        following.states,
        inputs,
        following.rewards,
        following.ends,
        following.lives,
    )


class Damaged(Counting):
    """Predicts a field wrongly in the frame that leads to a count."""

    def __init__(self, count: int, field: str = "states", change: Any = (0, 1)) -> None:
        self._count, self._field, self._change = count, field, change

    def step(self, states: np.ndarray, inputs: np.ndarray) -> NextStates:
        found = super().step(states, inputs)
        is_hit = states[:, 0] + 1 == self._count
        values = getattr(found, self._field).copy()
        values[is_hit] = (values[is_hit] + np.array(self._change)).astype(values.dtype)
        return found._replace(**{self._field: values})


def values_of(dynamics: Counting, unseen: UnseenSteps, unread: tuple[int, ...] = ()) -> Any:
    scores = exactness_scores(dynamics, unseen, unread)
    return {name: score["value"] for name, score in scores.items()}


@pytest.fixture(scope="module")
def two_games() -> UnseenSteps:
    """A whole game of 8 agent steps, the last of 2 frames, and one that is cut off after 5."""
    return UnseenSteps.of([game(GAME), game(20)], SKIP)


def test_frames_are_divided_into_agent_steps_of_an_episode(two_games: UnseenSteps) -> None:
    assert two_games.begins.tolist() == [0, 4, 8, 12, 16, 20, 24, 28, 30, 34, 38, 42, 46, 50]
    assert two_games.episodes.tolist() == [0] * 8 + [1] * 5
    assert two_games.episode_begins.tolist() == [0, 8, 13]
    assert np.bincount(two_games.episodes_of_frames).tolist() == [30, 20]


def test_a_dream_that_is_right_scores_1_and_never_differs(two_games: UnseenSteps) -> None:
    scores = exactness_scores(Counting(), two_games, ())
    assert len(scores) == 7
    for score in scores.values():
        assert (score["value"], score["interval"], score["floor"]) == (1, (1, 1), 1)
    found = play_rollouts(Counting(), two_games, (), steps_apart=3)
    assert found.lengths.tolist() == [8, 5, 2, 5, 2]  # to the end of the episodes
    assert not found.differs.any()
    median = found.score()["steps_to_mismatch"]
    assert median["value"] == median["floor"] == 8


def test_a_wrong_byte_counts_once_as_a_frame_and_once_as_a_step(two_games: UnseenSteps) -> None:
    found = values_of(Damaged(8), two_games)  # the last frame of step 1 of both games
    assert found["exact_frames"] == found["exact_frames_all_bytes"] == 1 - 2 / 50
    assert found["exact_steps"] == pytest.approx(1 - 2 / 13)
    assert found["end_recall"] == found["reward_recall"] == 1


def test_a_byte_that_nothing_reads_may_be_wrong(two_games: UnseenSteps) -> None:
    found = values_of(Damaged(8), two_games, unread=(1,))
    assert found["exact_steps"] == found["exact_frames"] == 1
    assert found["exact_frames_all_bytes"] == 1 - 2 / 50
    assert not play_rollouts(Damaged(8), two_games, (1,)).differs.any()


def test_within_a_step_a_frame_begins_with_what_was_predicted(two_games: UnseenSteps) -> None:
    """A wrong count in the middle of a step makes the step's last state wrong too."""
    off_by_one = Damaged(6, change=(1, 0))
    played = play_steps(
        off_by_one, two_games, np.array([0, 1]), two_games.frames.states[[0, 4]], ()
    )
    assert played.is_exact.tolist() == [True, False]
    assert played.states[:, 0].tolist() == [4, 9]


@pytest.mark.parametrize(
    ("damaged", "exact_steps", "others"),
    [
        (Damaged(6, "rewards", 2), 11 / 13, {"reward_recall": 0.8, "reward_precision": 0.8}),
        (Damaged(7, "rewards", 2), 11 / 13, {"reward_recall": 1, "reward_precision": 10 / 12}),
        (Damaged(GAME, "ends", -1), 12 / 13, {"end_recall": 0}),
        (Damaged(15, "ends", 1), 11 / 13, {"end_recall": 1, "end_precision": 1 / 3}),
        (Damaged(LIFE, "lives", 1), 1, {}),  # right again at the end of the step
        (Damaged(12, "lives", 1), 11 / 13, {}),
    ],
)
def test_rewards_ends_and_lives_have_to_be_right(
    damaged: Damaged, exact_steps: float, others: dict[str, float], two_games: UnseenSteps
) -> None:
    found = values_of(damaged, two_games)
    assert found["exact_steps"] == pytest.approx(exact_steps)
    assert {name: found[name] for name in others} == pytest.approx(others)
    assert ("end_precision" in found) == (damaged._field != "ends" or "end_precision" in others)


def test_a_rollout_ends_with_the_step_that_differs(two_games: UnseenSteps) -> None:
    """The last frame of step 4 of each game, which is step 1 after a start at step 3."""
    found = play_rollouts(Damaged(20), two_games, (), steps_apart=3)
    assert found.lengths.tolist() == [4, 1, 2, 4, 1]
    assert found.differs.tolist() == [True, True, False, True, True]
    assert found.episodes.tolist() == [0, 0, 0, 1, 1]


def test_the_progress_counts_every_rollout(two_games: UnseenSteps) -> None:
    told: list[int] = []
    play_rollouts(Damaged(20), two_games, (), steps_apart=3, progress=told.append)
    assert sum(told) == 5


def test_survival_takes_into_account_rollouts_that_end_too_early() -> None:
    """The estimate of Kaplan and Meier by hand: 1 - 1/5, times 1 - 1/3, times 1 - 1/1."""
    found = Rollouts(
        np.array([6, 2, 4, 4, 9]),
        np.array([False, True, False, True, True]),
        np.arange(5),
    )
    lengths, shares = found.survival()
    assert lengths.tolist() == [2, 4, 4, 6, 9]
    np.testing.assert_allclose(shares, [0.8, 0.6, 0.6, 0.6, 0.0])
    assert found.score()["steps_to_mismatch"]["value"] == 9


def test_the_median_without_early_ends_is_the_usual_one() -> None:
    lengths = np.random.default_rng(0).permutation(101)
    found = Rollouts(lengths, np.ones(101, bool), np.arange(101))
    score = found.score()["steps_to_mismatch"]
    assert score["value"] == np.median(lengths)
    low, high = score["interval"]
    assert 30 < low < 45 < 55 < high < 70
    assert score["floor"] == 100


def test_the_interval_resamples_episodes_and_not_rollouts() -> None:
    lengths = np.repeat([5, 50], 50)
    of_two = Rollouts(lengths, np.ones(100, bool), np.repeat([0, 1], 50))
    assert of_two.score()["steps_to_mismatch"]["interval"] == (5, 50)
    of_many = Rollouts(np.tile([5, 5, 50], 40), np.ones(120, bool), np.arange(120))
    assert of_many.score()["steps_to_mismatch"]["interval"] == (5, 5)
