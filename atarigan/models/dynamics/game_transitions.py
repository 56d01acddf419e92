"""Frames of a game as transitions that a model learns."""

from collections.abc import Sequence

import numpy as np

from atarigan.data.collection.replayed_frames import GameFrames
from atarigan.errors import InputError
from atarigan.models.dynamics.controls import Controls
from atarigan.models.dynamics.transitions import FrameTransitions


def transitions_of(game: GameFrames, meanings: Sequence[str]) -> FrameTransitions:
    """Return the frames of a game as transitions.

    The inputs of a frame are those of `Controls`.

    Args:
        game: of one or more frames.
        meanings: name of each action, such as "UPRIGHTFIRE".

    Raises:
        InputError: an action without a name.
    """
    if game.actions.max() >= len(meanings):
        raise InputError(f"action {game.actions.max()} must have one of {len(meanings)} names")
    controls = Controls(meanings, has_paddle=bool((game.paddles >= 0).all()))
    inputs = controls.inputs(game.actions, game.paddles[:-1], game.paddles[1:])
    ends = np.zeros(len(game), bool)
    ends[-1] = game.has_ended
    return FrameTransitions(
        game.states[:-1],
        game.states[1:],
        inputs,
        game.rewards,
        ends,
        game.lives[1:].astype(np.uint8),
    )
