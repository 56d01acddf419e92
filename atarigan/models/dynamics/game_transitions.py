"""Frames of a game as transitions that a model learns."""

from collections.abc import Sequence

import numpy as np

from atarigan.data.collection.replayed_frames import GameFrames
from atarigan.errors import InputError
from atarigan.models.dynamics.transitions import FrameTransitions


def transitions_of(game: GameFrames, meanings: Sequence[str]) -> FrameTransitions:
    """Return the frames of a game as transitions.

    The inputs of a frame are the joystick's direction across (1 to the right, -1 to the left) and
    along (1 up, -1 down), and whether the button is pressed; in a game with a paddle also its
    resistance in ohms before and after the frame.

    Args:
        game: of one or more frames.
        meanings: name of each action, such as "UPRIGHTFIRE".

    Raises:
        InputError: an action without a name.
    """
    if game.actions.max() >= len(meanings):
        raise InputError(f"action {game.actions.max()} must have one of {len(meanings)} names")
    positions = [_joystick(meaning) for meaning in (*meanings, "NOOP")]
    inputs = np.array(positions, np.int32)[game.actions]  # `NO_OP` is the last one
    if (game.paddles >= 0).all():
        inputs = np.column_stack([inputs, game.paddles[:-1], game.paddles[1:]])
    ends = np.zeros(len(game), bool)
    ends[-1] = game.has_ended
    return FrameTransitions(
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
