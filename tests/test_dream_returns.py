"""The same policies in a dream and in the real game, and what their returns say."""

import contextlib
import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.held_actions import ActionShares, HeldActions
from atarigan.data.collection.screen import Screen
from atarigan.errors import InputError
from atarigan.evaluation.dream.played_games import (
    NamedPolicy,
    PlayedGames,
    evaluation_policies,
    play_dream,
    play_real,
)
from atarigan.evaluation.dream.return_scores import return_scores, spearman, unseen_score
from atarigan.models.dynamics.seen_states import SeenStates
from tests.learned_games import ACTIONS, counting_dream


class Presses:
    """Always presses the same button, and looks at RAM."""

    def __init__(self, action: int) -> None:
        self._action = action

    def begin_episode(self) -> None:
        self.counts: list[int] = []

    def act(self, screen: Screen) -> int:
        ram = screen.ram()
        assert ram is not None
        self.counts.append(int(ram[0]))
        return self._action


def games(returns: list[list[float]]) -> PlayedGames:
    """Games whose returns only rise or only fall."""
    array = np.array(returns, float)
    extremes = np.minimum(array, 0), np.maximum(array, 0)
    return PlayedGames(array, *extremes, np.ones_like(array), np.zeros_like(array))


def test_games_of_a_dream_end_when_they_do_and_add_up() -> None:
    """30 frames at 4 a step: pressing earns 2 a frame, moving left -3 a frame."""
    policies = [
        NamedPolicy(name, lambda rng, name=name: Presses(ACTIONS.index(name)))
        for name in ("FIRE", "LEFT", "NOOP")
    ]
    told: list[int] = []
    found = play_dream(counting_dream(), policies, 2, 100, seed=0, progress=told.append)
    assert found.returns.tolist() == [[60, 60], [-90, -90], [0, 0]]
    assert found.lowest.tolist() == [[0, 0], [-90, -90], [0, 0]]
    assert found.highest.tolist() == [[60, 60], [0, 0], [0, 0]]
    assert sum(told) == 6
    short = play_dream(counting_dream(), policies, 2, 3, seed=0)
    assert short.returns.tolist() == [[24, 24], [-36, -36], [0, 0]]


def test_a_policy_sees_the_dream_s_ram() -> None:
    player = Presses(0)
    play_dream(counting_dream(), [NamedPolicy("", lambda rng: player)], 1, 100, seed=0)
    assert player.counts == [*range(0, 30, 4)]


def test_running_returns_remember_their_extremes() -> None:
    played = PlayedGames.begun(1, 2)
    for rewards in ([1, -1], [-3, 4]):
        played.add(([0, 0], [0, 1]), rewards)
    assert played.returns.tolist() == [[-2, 3]]
    assert (played.lowest.tolist(), played.highest.tolist()) == ([[-2, -1]], [[1, 3]])


def test_policies_draw_the_same_in_both_games() -> None:
    """Without sticky actions, a dream and a real game see the same actions."""
    drawn: list[list[int]] = []

    class Recorded(HeldActions):
        def begin_episode(self) -> None:
            super().begin_episode()
            self.actions: list[int] = []
            drawn.append(self.actions)

        def act(self, screen: Screen) -> int:
            self.actions.append(super().act(screen))
            return self.actions[-1]

    shares = ActionShares(np.full(4, 0.25), 2)
    policies = [NamedPolicy("held", lambda rng: Recorded(4, rng, shares))] * 2
    with contextlib.closing(AgentSteps("ALE/Breakout-v5", sticky=0.0)) as env:
        real = play_real(env, counting_dream(), policies, 2, 7, seed=3)
        again = play_real(env, counting_dream(), policies, 2, 7, seed=3)
    play_dream(counting_dream(), policies, 2, 7, seed=3)
    played = [each for each in drawn if each]
    assert len({tuple(each) for each in played[:4]}) == 4
    assert played[:4] == played[4:8] == played[8:]
    assert np.array_equal(real.returns, again.returns)


def test_scripted_players_play_where_they_can() -> None:
    with contextlib.closing(AgentSteps("ALE/Breakout-v5", sticky=0.25)) as env:
        names = [policy.name for policy in evaluation_policies(env, 5, seed=0)]
        assert names[:2] == ["scripted, 0% random", "scripted, 60% random"]
        assert names[2:] == [f"held actions {number}" for number in (1, 2, 3)]
        [scripted, *_, held] = evaluation_policies(env, 5, seed=0)
        returns = play_real(env, counting_dream(), [scripted, held], 1, 400, seed=0).returns[:, 0]
        assert returns[0] > 10 > returns[1]
    with contextlib.closing(AgentSteps("ALE/Freeway-v5", sticky=0.25)) as env:
        names = [policy.name for policy in evaluation_policies(env, 2, seed=0)]
        assert names == ["held actions 1", "held actions 2"]


def test_a_policy_that_looks_at_frames_is_refused_in_a_dream() -> None:
    class Looks(Presses):
        def act(self, screen: Screen) -> int:
            return int(screen.rgb()[0, 0, 0])

    with pytest.raises(InputError, match="must read RAM, not frames"):
        play_dream(counting_dream(), [NamedPolicy("", lambda rng: Looks(0))], 1, 1, seed=0)


def test_spearman_correlates_ranks_and_equal_values_share_theirs() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 20, 9))
    ranks = [values.argsort(-1).argsort(-1) for values in (first, second)]
    expected = [np.corrcoef(*both)[0, 1] for both in zip(*ranks, strict=True)]
    np.testing.assert_allclose(spearman(first, second), expected)
    tied = spearman(np.array([1.0, 2, 2, 7]), np.array([3.0, 3, 5, 4]))
    assert tied == pytest.approx(np.corrcoef([0, 1.5, 1.5, 3], [0.5, 0.5, 3, 2])[0, 1])
    assert np.isnan(spearman(np.ones(3), np.arange(3.0)))
    assert spearman(np.arange(3.0), np.ones(3)) == 0


def test_a_dream_that_plays_alike_scores_like_the_real_game() -> None:
    rng = np.random.default_rng(0)
    means = np.arange(6.0)[:, None] * 10
    real, dream = (games((means + rng.normal(size=(6, 20))).tolist()) for _ in range(2))
    scores = return_scores(real, dream)
    assert scores["return_rank_correlation"]["value"] == pytest.approx(1)
    assert scores["return_error"]["value"] < 2 * scores["return_error"]["floor"] < 0.02
    for score in scores.values():
        low, high = score["interval"]
        assert low <= score["value"] <= high
    assert return_scores(real, dream) == scores
    assert return_scores(real, dream, seed=1) != scores


def test_errors_are_relative_to_the_range_of_real_returns() -> None:
    real = games([[0, 0], [10, 10], [20, 20]])
    scores = return_scores(real, games([[20, 20], [10, 10], [0, 0]]))
    assert scores["return_error"]["value"] == pytest.approx((20 + 0 + 20) / 3 / 20)
    assert scores["return_error"]["floor"] == 0
    assert scores["return_rank_correlation"]["value"] == pytest.approx(-1)
    assert scores["return_rank_correlation"]["interval"] == pytest.approx((-1, -1))


def test_a_dream_in_which_nothing_scores_says_nothing_of_the_order() -> None:
    scores = return_scores(games([[0, 1], [5, 6]]), games([[0, 0], [0, 0]]))
    assert scores["return_rank_correlation"]["value"] == 0


def test_returns_that_no_real_game_had_are_counted_at_any_time() -> None:
    real = games([[0, 3], [0, -2]])
    dream = dataclasses.replace(
        real,
        returns=np.array([[3.0, -2.0], [0.0, 1.0]]),
        lowest=np.array([[0.0, -2.0], [-3.0, 0.0]]),
        highest=np.array([[3.0, 0.0], [0.0, 4.0]]),
    )
    score = return_scores(real, dream)["returns_out_of_range"]
    assert score["value"] == 0.5  # the second policy's: one was at -3, the other at 4
    assert score["floor"] == 0.5  # the real games that were alone at 3 and at -2


def test_what_is_undefined_is_left_out() -> None:
    scores = return_scores(games([[1, 1], [1, 1]]), games([[0, 2], [5, 6]]))
    assert scores.keys() == {"returns_out_of_range"}


def test_steps_to_unseen_states_are_counted() -> None:
    """Of counts 4, 8, … to 30, those above 12 are unseen; of the real game, none is."""
    is_seen = np.ones((2, 256), np.bool_)
    is_seen[0, 13:] = False
    dream = dataclasses.replace(counting_dream(), seen_states=SeenStates(is_seen))
    policies = [NamedPolicy(name, lambda rng: Presses(0)) for name in "ab"]
    dreamt = play_dream(dream, policies, 2, 100, seed=0)
    assert dreamt.num_steps.tolist() == [[8, 8], [8, 8]]
    assert dreamt.num_unseen.tolist() == [[5, 5], [5, 5]]
    score = unseen_score(games([[0, 1], [2, 3]]), dreamt)["unseen_states"]
    assert (score["value"], score["floor"], score["interval"]) == (5 / 8, 0, (5 / 8, 5 / 8))


def test_unseen_states_of_the_real_game_are_its_floor() -> None:
    with contextlib.closing(AgentSteps("ALE/Breakout-v5", sticky=0.0)) as env:
        env.reset(0)
        ram = env.screen.ram()
        assert ram is not None
        is_seen = np.ones((128, 256), np.bool_)
        is_seen[76, 0] = False  # the score's byte, which is 0 for as long as nothing is hit
        flags = SeenStates(is_seen)
        assert flags.is_unseen(ram[None]).all()
        dream: Any = SimpleNamespace(is_unseen=flags.is_unseen)
        real = play_real(env, dream, [NamedPolicy("", lambda rng: Presses(0))] * 2, 2, 5, seed=0)
    assert real.num_steps.tolist() == real.num_unseen.tolist() == [[5, 5], [5, 5]]
    half = dataclasses.replace(real, num_unseen=real.num_unseen * [0.2, 0.8])
    score = unseen_score(real, half)["unseen_states"]
    assert (score["value"], score["floor"]) == (pytest.approx(0.5), 1)
    assert score["interval"][0] < 0.4 < 0.6 < score["interval"][1]
