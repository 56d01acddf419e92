"""Models of a real game's next frame, from a collection."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from atarigan.data.collection.replayed_frames import GameFrames, replayed_games
from atarigan.errors import InputError
from atarigan.models.dynamics.exactness import PredictedFrames
from atarigan.models.dynamics.game_transitions import transitions_of
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from tests.test_replayed_frames import collected

GAME = GameFrames(
    states=np.arange(12, dtype=np.uint8).reshape(4, 3),
    actions=np.array([0, 1, 2]),
    paddles=np.array([5, 5, 3, 4], np.int32),
    rewards=np.array([0, 1, 0], np.float32),
    lives=np.array([3, 3, 2, 2], np.int32),
    has_ended=True,
)


def test_a_frame_is_a_transition_with_the_inputs_of_its_action() -> None:
    found = transitions_of(GAME, ("NOOP", "UPRIGHTFIRE", "DOWNLEFT"))
    assert found.states.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert found.next_states.tolist() == [[3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert found.inputs.tolist() == [[0, 0, 0, 5, 5], [1, 1, 1, 5, 3], [-1, -1, 0, 3, 4]]
    assert found.rewards.tolist() == [0, 1, 0]
    assert found.ends.tolist() == [False, False, True]
    assert found.lives.tolist() == [3, 2, 2]


def test_the_no_op_of_a_reset_presses_nothing() -> None:
    game = dataclasses.replace(GAME, actions=np.array([-1, 0, -1]))
    inputs = transitions_of(game, ("FIRE",)).inputs
    assert inputs[:, :3].tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    with pytest.raises(InputError, match="action 2 must have one of 2 names"):
        transitions_of(GAME, ("NOOP", "FIRE"))


def test_without_a_paddle_there_is_no_resistance() -> None:
    game = dataclasses.replace(GAME, paddles=np.full(4, -1, np.int32))
    assert transitions_of(game, ("NOOP", "LEFT", "FIRE")).inputs.shape == (3, 3)


@pytest.mark.slow
def test_trees_learn_frames_of_freeway(tmp_path: Any) -> None:
    parts = []
    for seed, num_steps in ((0, 2500), (1, 600)):
        buffer = collected(tmp_path / str(seed), num_steps, "ALE/Freeway-v5", seed=seed)
        meanings = buffer.meta.origin.action_meanings
        games = [transitions_of(game, meanings) for game in replayed_games(buffer)]
        parts.append(FrameTransitions.concatenate(games))
    known, unseen = parts
    dynamics = TreeDynamics.fit(known)
    assert (~PredictedFrames.of(dynamics, known).is_exact).mean() < 0.01
    predicted = dynamics.step(unseen.states, unseen.inputs)
    assert (predicted.states == unseen.next_states).mean() > 0.99
    assert (unseen.states == unseen.next_states).mean() < 0.95
