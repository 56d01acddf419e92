"""Frames of a game as transitions that a model learns."""

from collections.abc import Sequence

import numpy as np

from atarigan.data.collection.replayed_frames import GameFrames
from atarigan.models.dynamics.transitions import Transitions


def transitions_of(game: GameFrames, meanings: Sequence[str]) -> Transitions:
    """Return the frames of a game as transitions.

    The inputs of a frame are the joystick's direction across (1 to the right, -1 to the left) and
    along (1 up, -1 down), and whether the button is pressed; in a game with a paddle also its
    resistance in ohms before and after the frame.

    Args:
        game: of one or more frames.
        meanings: name of each action, such as "UPRIGHTFIRE".
    """
    ways = np.array([_joystick(meaning) for meaning in meanings], np.int32)
    inputs = ways[game.actions]
    if (game.paddles >= 0).all():
        inputs = np.column_stack([inputs, game.paddles[:-1], game.paddles[1:]])
    ends = np.zeros(len(game), bool)
    ends[-1] = game.has_ended
    return Transitions(
        game.states[:-1],
        game.states[1:],
        np.ascontiguousarray(inputs, np.int32),
        game.rewards,
        ends,
        game.lives[1:].astype(np.uint8),
    )


def _joystick(meaning: str) -> tuple[int, int, int]:
    across = ("RIGHT" in meaning) - ("LEFT" in meaning)
    along = ("UP" in meaning) - ("DOWN" in meaning)
    return across, along, int("FIRE" in meaning)
