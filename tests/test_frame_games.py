"""Play that corrects a model: varied episodes, and frames that go on from what it predicted."""

import numpy as np
import pytest

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.policy import Policy
from atarigan.evaluation.dream.visited_states import StepsFrom
from atarigan.models.dynamics.dynamics import Dynamics, NextStates
from atarigan.training.dream import frame_games
from atarigan.training.dream.byte_roles import ByteRoles
from atarigan.training.dream.frame_games import FrameGames

PADDLE = 72  # in Breakout's RAM: the byte that it shows the paddle at
BALL = 99
SCORE = 77
REWARD = 0.5  # which the game never gives


@pytest.fixture
def env():
    made = AgentSteps("ALE/Breakout-v5", sticky=0.25)
    yield made
    made.close()


class Frozen(Dynamics):
    """Predicts that nothing changes but for a byte, which becomes 7."""

    num_bytes, num_inputs = 128, 5

    def __init__(self, byte):
        self.byte = byte

    def step(self, states, inputs):
        states = states.copy()
        states[:, self.byte] = 7
        num = len(states)
        none = np.zeros(num, np.uint8)
        rewards = np.full(num, REWARD, np.float32)
        return NextStates(states, rewards, none > 0, none, np.ones(num, np.int64))


def test_frames_of_an_episode_follow_one_another(env):
    played = FrameGames(env, "scripted", 0.25, seed=3).play(1200)
    frames = played.frames
    assert not played.branches
    assert len(frames) >= 1200
    follows = (frames.states[1:] == frames.next_states[:-1]).all(1)
    assert (~follows == frames.ends[:-1]).all()
    assert frames.inputs[:, 3:].min() > 0  # the paddle's resistance before and after
    joined = (frames.inputs[1:, 3] == frames.inputs[:-1, 4]) | ~follows
    assert joined.all()


def test_the_same_seed_plays_the_same_frames(env):
    played = [FrameGames(env, "scripted", 0.25, seed).play(400).frames.states for seed in (1, 1, 2)]
    np.testing.assert_array_equal(played[0], played[1])
    assert not np.array_equal(played[0][:400], played[2][:400])


def test_episodes_end_after_some_minutes(env, monkeypatch):
    monkeypatch.setattr(frame_games, "MOST_FRAMES", 100)
    games = FrameGames(env, None, 0.25, seed=0)
    games.play(450)
    assert len(games.starts) == 5
    assert {lives for _, lives in games.starts} == {5}


def test_the_game_also_goes_on_from_what_was_predicted_and_then_from_the_truth(env, monkeypatch):
    monkeypatch.setattr(frame_games, "_BRANCH_FRAMES", 20)
    monkeypatch.setattr(frame_games, "_BRANCHES_APART", 40)
    monkeypatch.setattr(frame_games, "_ALTERED_SHARE", 0)
    monkeypatch.setattr(frame_games, "_DONATED_SHARE", 0)
    games = FrameGames(env, None, 0.25, seed=0)
    played = games.play(60, Frozen(BALL))
    assert [len(branch) for branch in played.branches] == [20, 20]
    for branch in played.branches:
        assert not (played.frames.states == branch.states[0]).all(1).any()
    follows = (played.frames.states[1:] == played.frames.next_states[:-1]).all(1)
    assert follows.all()


def test_the_first_frame_after_a_change_of_the_score_is_left_out(env, monkeypatch):
    """Its reward would be the difference to the score before the change."""
    monkeypatch.setattr(frame_games, "_BRANCH_FRAMES", 20)
    monkeypatch.setattr(frame_games, "_ALTERED_SHARE", 0)
    monkeypatch.setattr(frame_games, "_DONATED_SHARE", 0)
    played = FrameGames(env, None, 0.25, seed=0).play(30, Frozen(SCORE), ByteRoles((), (SCORE,)))
    assert {len(branch) for branch in played.branches} == {19}
    assert not any(branch.rewards.any() for branch in played.branches)
    assert all((branch.states[:, SCORE] == 7).all() for branch in played.branches)


def test_a_few_bytes_take_values_of_other_states(env, monkeypatch):
    monkeypatch.setattr(frame_games, "_ALTERED_SHARE", 1)
    monkeypatch.setattr(frame_games, "_DONATED_SHARE", 1)
    monkeypatch.setattr(frame_games, "_VARIATIONS_APART", 10**6)
    games = FrameGames(env, None, 0.25, seed=0)
    played = games.play(400, Frozen(BALL), ByteRoles((BALL,), (76, SCORE)))
    seen, usual = played.frames.next_states, played.frames.next_states[3::4]
    altered = played.branches[-60:]
    assert {len(branch) for branch in altered if not branch.ends[-1]} <= {7, 8}
    nearest = [(usual != branch.states[0]).sum(1).min() for branch in altered]
    assert max(nearest) > 0
    follows = (played.frames.states[1:] == seen[:-1]).all(1)
    assert follows.all()


@pytest.mark.parametrize("is_last", [False, True])
def test_a_frame_that_is_predicted_wrongly_is_played_again_from_states_like_its_own(
    env, monkeypatch, is_last
):
    monkeypatch.setattr(frame_games, "_ALTERED_SHARE", 0)
    monkeypatch.setattr(frame_games, "_DONATED_SHARE", 1)
    monkeypatch.setattr(frame_games, "_BRANCHES_APART", 10**6)
    monkeypatch.setattr(frame_games, "_VARIATIONS_APART", 10**6 if is_last else 40)
    games = FrameGames(env, None, 0.25, seed=0)
    played = games.play(1600 if is_last else 100, Frozen(BALL), ByteRoles((), (76, SCORE)))
    varied = [branch for branch in played.branches if len(branch) <= 32]
    num_ends = int(played.frames.ends.sum())
    assert len(varied) == (1 + 2 * num_ends if is_last else 3)
    assert num_ends or not is_last
    for branch in varied:
        distances = (played.frames.states[:, None] != branch.states[:8]).sum(2)
        nearest = distances.sum(1).argmin()
        assert 1 <= np.median(distances[nearest]) <= 6
        same = played.frames.inputs[nearest]
        assert (branch.inputs == same).all()
        unscored = branch.states[:, [76, SCORE]] == played.frames.states[nearest, [76, SCORE]]
        assert unscored.all()
    follows = (played.frames.states[1:] == played.frames.next_states[:-1]).all(1)
    assert (~follows == played.frames.ends[:-1]).all()


def test_bytes_that_nothing_reads_need_not_be_predicted(env, monkeypatch):
    monkeypatch.setattr(frame_games, "_ALTERED_SHARE", 0)
    everything = tuple(byte for byte in range(128) if byte != BALL)
    games = FrameGames(env, None, 0.25, seed=0)
    assert not games.play(60, Frozen(BALL), ByteRoles(tuple(range(128)), ())).branches
    assert games.play(60, Frozen(BALL), ByteRoles(everything, ())).branches


def test_the_game_goes_on_from_states_that_a_dream_visits_and_then_from_the_truth(env):
    games = FrameGames(env, None, 0.25, seed=0)
    before = games.play(80).frames
    previous, states, inputs = before.states[40:60], before.next_states[40:60], before.inputs[40:60]
    states = states.copy()
    states[0, PADDLE] += 1  # where no play led to
    visited = StepsFrom(
        previous,
        states,
        inputs[:, None],
        next_states=states,
        ends=np.zeros(20, np.bool_),
        lives=np.full(20, 5, np.uint8),
        groups=np.arange(20),
    )
    parts = games.play_on(visited, (76, SCORE))
    assert [len(part) for part in parts] == [8] * 20
    np.testing.assert_array_equal([part.states[0] for part in parts], states)
    after = games.play(8).frames
    np.testing.assert_array_equal(after.states[0], before.next_states[-1])


def test_a_policy_that_learned_takes_its_turn_and_makes_way_for_the_next(env):
    class Counted(Policy):
        num_acts = 0

        def act(self, screen):
            self.num_acts += 1
            return 1  # FIRE

    games = FrameGames(env, None, 0.25, seed=0)
    first, second = Counted(), Counted()
    for policy in (first, second):
        games.take_policy(policy)
        while not policy.num_acts:
            games.play(200)
    played = first.num_acts, second.num_acts
    games.play(2000)
    assert first.num_acts == played[0]
    assert second.num_acts > played[1]


@pytest.mark.slow
def test_games_that_end_after_five_minutes_are_seen_to_end():
    """Skiing does, which is 27 frames more than five minutes of 60 frames a second."""

    class Right(Policy):
        def act(self, screen):
            return 1

    skiing = AgentSteps("ALE/Skiing-v5", sticky=0.0)
    games = FrameGames(skiing, None, 0.0, seed=0)
    games._policies[:] = [Right()]
    frames = games.play(18_100).frames
    skiing.close()
    assert np.flatnonzero(frames.ends).tolist() == [18_027]
