"""Dreams for tests: one that learned Breakout from a short collection, and a counter; their
environments, and how these are compared.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from atarigan import FrameGenerator
from atarigan.data.collection.replayed_frames import replayed_games
from atarigan.envs import DreamEnv
from atarigan.models.dynamics.dream import Dream, DreamSettings, Starts
from atarigan.models.dynamics.dynamics import Dynamics, NextStates
from atarigan.models.dynamics.game_transitions import transitions_of
from atarigan.models.dynamics.seen_states import SeenStates
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from tests.test_replayed_frames import collected

LIFE, GAME = 10, 30  # emulator frames until Counting loses a life, and until it is over
ACTIONS = ("NOOP", "FIRE", "RIGHT", "LEFT")


@cache
def learned_breakout() -> Dream:
    """A dream of 150 agent steps of random play, with the generator that comes with the package."""
    with tempfile.TemporaryDirectory() as folder:
        buffer = collected(Path(folder) / "data", 150)
        games = list(replayed_games(buffer))
        meanings = buffer.meta.origin.action_meanings
    known = FrameTransitions.concatenate([transitions_of(game, meanings) for game in games])
    starts = Starts(
        np.array([game.states[0] for game in games]),
        np.array([game.lives[0] for game in games], np.uint8),
    )
    settings = DreamSettings(
        "ALE/Breakout-v5", {}, tuple(meanings), has_paddle=True, generator="breakout"
    )
    seen_states = SeenStates.fit(known, np.arange(len(known)))
    return Dream(settings, TreeDynamics.fit(known), starts, seen_states=seen_states)


class Counting(Dynamics):
    """Dynamics of RAM of two bytes: frames so far, and the joystick's direction across plus 1.

    Pressing the button is worth 2, moving left -3. Three lives last `LIFE` frames each.
    """

    num_bytes = 2
    num_inputs = 3

    def step(self, states: np.ndarray, inputs: np.ndarray) -> NextStates:
        counts = states[:, 0] + np.uint8(1)
        following = np.column_stack([counts, inputs[:, 0] + 1]).astype(np.uint8)
        rewards = 2 * inputs[:, 2] - 3 * (inputs[:, 0] < 0)
        lives = 3 - np.minimum(counts // LIFE, 3)
        return NextStates(
            following,
            rewards.astype(np.float32),
            counts >= GAME,
            lives.astype(np.uint8),
            np.ones(len(states), np.int64),
        )


def counting_dream(num_starts: int = 1, sticky: float = 0.0) -> Dream:
    """A dream whose episodes begin at a count from 0 to `num_starts` - 1."""
    states = np.zeros((num_starts, 2), np.uint8)
    states[:, 0] = np.arange(num_starts)
    starts = Starts(states, np.full(num_starts, 3, np.uint8))
    settings = DreamSettings("Counting-v0", {}, ACTIONS, has_paddle=False, sticky=sticky)
    return Dream(settings, Counting(), starts)


def learned(generator: FrameGenerator, **options: Any) -> DreamEnv:
    return DreamEnv(learned_breakout(), generator, **options)


def counting(num_starts: int = 1, **options: Any) -> DreamEnv:
    return DreamEnv(counting_dream(num_starts), **options)


def assert_equal(one: Any, other: Any) -> None:
    """Equal arrays, numbers, or dictionaries and sequences of them."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_equal(one[name], other[name])
    elif isinstance(one, (tuple, list)):
        assert len(one) == len(other)
        for each, its in zip(one, other, strict=True):
            assert_equal(each, its)
    else:
        np.testing.assert_array_equal(one, other)


def row_of(values: Any, index: int) -> Any:
    """What a vector environment returns for one sub-environment."""
    if isinstance(values, dict):
        return {k: row_of(v, index) for k, v in values.items() if not k.startswith("_")}
    return values[index]


def played(env: DreamEnv, actions: Any) -> list[Any]:
    return [env.step(int(action)) for action in actions]
