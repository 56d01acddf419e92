"""Controls: what a frame is played with, as the inputs of a model of dynamics."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from atarigan.data.collection import paddles
from atarigan.data.collection.frame_player import NO_OP
from atarigan.data.joysticks import Bytes

Actions = npt.NDArray[np.int64]
Resistances = npt.NDArray[np.int32]
Inputs = npt.NDArray[np.int32]
NO_PADDLE = -1


class Controls:
    """Translates actions to inputs of a frame.

    The inputs are the joystick's direction across (1 to the right, -1 to the left) and along (1 up,
    -1 down), and whether the button is pressed; in a game with a paddle also its resistance in ohms
    before and after the frame. The number of an action may be `NO_OP`, -1: ALE's no-op.

    Args:
        meanings: name of each action, such as "UPRIGHTFIRE".
        has_paddle: whether the game reads a paddle.

    Attributes:
        joysticks: direction across, along, and the button of each action, then of the no-op, int32
            (num_actions + 1, 3).
        directions: where each of them moves the paddle's resistance, as `paddles.direction_of`,
            int32 (num_actions + 1,).
        num_actions: number of actions.
        has_paddle: as given.
        num_inputs: length of a frame's inputs.
        first_resistance: of the paddle at an episode's begin, in ohms; -1 without a paddle.
    """

    def __init__(self, meanings: Sequence[str], has_paddle: bool) -> None:
        names = (*meanings, "NOOP")  # the last one, so that it is also number -1
        self.joysticks = np.array([_joystick(name) for name in names], np.int32)
        self.directions = np.array([paddles.direction_of(name) for name in names], np.int32)
        self.num_actions = len(meanings)
        self.has_paddle = has_paddle
        self.num_inputs = self.joysticks.shape[1] + (2 if has_paddle else 0)
        self.first_resistance = paddles.FIRST_RESISTANCE if has_paddle else NO_PADDLE

    def frames(self, resistances: Resistances, actions: Actions) -> tuple[Resistances, Inputs]:
        """Move the paddles of games over some frames.

        Args:
            resistances: of the paddles before the first frame, int32 (N,); -1 without a paddle.
            actions: of each frame, int64 (N, frames).

        Returns:
            Resistances before each frame and after the last one, int32 (N, frames + 1), and inputs,
            int32 (N, frames, num_inputs).
        """
        num, num_frames = actions.shape
        moved = np.empty((num, num_frames + 1), np.int32)
        moved[:] = resistances[:, None]
        if self.has_paddle:
            directions = self.directions[actions]
            for frame in range(num_frames):
                moved[:, frame + 1] = paddles.moved(moved[:, frame], directions[:, frame])
        return moved, self.inputs(actions, moved[:, :-1], moved[:, 1:])

    def idle(self, num: int) -> Inputs:
        """Return the inputs of a frame without an action, its paddle at the first resistance, int32
        (num, num_inputs).
        """
        resistances = np.full(num, self.first_resistance, np.int32)
        return self.frames(resistances, np.full((num, 1), NO_OP))[1][:, 0]

    def inputs(self, actions: Actions, before: Resistances, after: Resistances) -> Inputs:
        """Return the inputs of frames, int32 (..., num_inputs).

        Args:
            actions: int64 of any shape, from -1 to num_actions - 1.
            before: resistance of the paddle before each frame, of that shape; -1 without a paddle.
            after: the same after each frame.
        """
        joysticks: Inputs = self.joysticks[actions]
        if not self.has_paddle:
            return joysticks
        inputs: Inputs = np.empty((*actions.shape, self.num_inputs), np.int32)
        inputs[..., :-2], inputs[..., -2], inputs[..., -1] = joysticks, before, after
        return inputs


def joysticks_of(inputs: Inputs) -> Bytes:
    """Return the joysticks of frames' inputs, int32 (N, num_inputs), as bytes with the bits of
    `atarigan.data.joysticks.PARTS`, uint8 (N,).
    """
    across, along, button = inputs[:, :3].T
    parts = (button > 0, along > 0, across > 0, across < 0, along < 0)
    return np.packbits(np.stack(parts, 1), axis=1, bitorder="little")[:, 0]


def _joystick(meaning: str) -> tuple[int, int, int]:
    across = ("RIGHT" in meaning) - ("LEFT" in meaning)
    along = ("UP" in meaning) - ("DOWN" in meaning)
    return across, along, int("FIRE" in meaning)
