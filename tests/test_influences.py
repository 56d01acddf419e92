"""Which bytes the emulator says decide which."""

import pytest

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.training.dream.frame_games import FrameGames
from atarigan.training.dream.influences import Influences

# Of Breakout's RAM.
PADDLE, BALL_X, BALL_Y = 72, 99, 101
SPEED_X, SPEED_Y = 105, 103


@pytest.fixture(scope="module")
def influences():
    env = AgentSteps("ALE/Breakout-v5", sticky=0.25)
    games = FrameGames(env, "scripted", 0.25, seed=0)
    found = Influences(games.emulated, seed=0)
    frames = games.play(4000).frames
    found.ask(frames)
    after = games.play(4).frames
    assert after.states[0].tolist() == frames.next_states[-1].tolist()  # the game goes on
    env.close()
    return found.found


def test_a_speed_decides_the_place(influences):
    assert influences[SPEED_X, BALL_X]
    assert influences[SPEED_Y, BALL_Y]
    assert not influences[BALL_X, PADDLE]
    assert not influences[BALL_Y, PADDLE]


def test_what_touched_in_the_picture_of_the_frame_before_decides(influences):
    """The ball's place does not change its own speed in the same frame, but the picture does."""
    assert influences[BALL_X, SPEED_Y]
    assert influences[PADDLE, SPEED_Y]


def test_few_bytes_decide_a_byte(influences):
    decided = influences[:, influences.any(0)]
    assert decided.sum(0).mean() < 10


def test_too_few_frames_tell_nothing():
    env = AgentSteps("ALE/Breakout-v5", sticky=0.25)
    games = FrameGames(env, None, 0.25, seed=0)
    found = Influences(games.emulated, seed=0)
    found.ask(games.play(1).frames)
    env.close()
    assert found.found.shape == (128, 128)
    assert not found.found.any()
