"""Single frames of an emulator, played so that everything is known that decides the next one."""

import pickle
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ale_py import Action, ALEInterface

_LEAST_RESISTANCE, _MOST_RESISTANCE = 27_450, 790_196  # ALE's PADDLE_MIN and PADDLE_MAX
_FIRST_RESISTANCE = (_MOST_RESISTANCE - _LEAST_RESISTANCE) // 2 + _LEAST_RESISTANCE
_RESISTANCE_STEP = 23_000  # in a frame to the left; the same down in one to the right


class EmulatorState(NamedTuple):
    """What else than RAM and the next actions decides the next frame.

    Attributes:
        lives: lives left, which decide whether a game over is shown; 0 in games without lives.
        paddle: resistance of the first player's paddle in ohms; -1 in games of joysticks.
    """

    lives: int
    paddle: int


class PlayedFrames:
    """Plays the frames of agent steps, each with the step's action or the one before it.

    With a probability, a frame repeats the action of the frame before it, as in ALE, whose own
    repetitions nobody can tell afterwards ("sticky actions"; Machado et al. 2018,
    arXiv:1709.06009, section 5.2). So an old action persists for the first few frames of a step.

    Args:
        ale: the emulator, whose own probability must be 0.
        meanings: name of each action; a reset leaves the first one, the no-op, as played.
        sticky: the probability, 0 to 1.

    Attributes:
        num_persisted: frames of this agent step that got the action before it.
        played: the action of the last frame.
    """

    def __init__(self, ale: ALEInterface, meanings: tuple[str, ...], sticky: float) -> None:
        self._ale = ale
        self._actions = [getattr(Action, meaning) for meaning in meanings]
        self._ways = [("LEFT" in each) - ("RIGHT" in each) for each in meanings]
        self._sticky = sticky
        self._has_paddle = _has_paddle(ale, self._actions, self._ways)
        self.begin_episode()

    @property
    def state(self) -> EmulatorState:
        return EmulatorState(self._ale.lives(), self._paddle if self._has_paddle else -1)

    @property
    def ram(self) -> npt.NDArray[np.uint8]:
        memory: npt.NDArray[np.uint8] = self._ale.getRAM()
        return memory

    @property
    def is_over(self) -> bool:
        """Whether the game is over, without the truncation that ALE may be set to."""
        return bool(self._ale.game_over(with_truncation=False))

    def begin_episode(self) -> None:
        self.played, self._paddle = 0, _FIRST_RESISTANCE
        self.begin_step()

    def begin_step(self) -> None:
        self.num_persisted, self._persists = 0, True

    def play(self, action: int, rng: np.random.Generator) -> tuple[float, bool, bool]:
        """Play a frame; return its reward, terminated and truncated."""
        self._persists = self._persists and rng.random() < self._sticky
        if self._persists:
            self.num_persisted += 1
        reward = self.play_exactly(self.played if self._persists else int(action))
        return reward, self.is_over, self._ale.game_truncated()

    def play_exactly(self, action: int) -> float:
        """Play a frame with this action, whatever was played before; return its reward."""
        self.played = action
        resistance = self._paddle + _RESISTANCE_STEP * self._ways[action]
        self._paddle = min(max(resistance, _LEAST_RESISTANCE), _MOST_RESISTANCE)
        return float(self._ale.act(self._actions[action]))


def _has_paddle(ale: ALEInterface, actions: Sequence[Action], ways: Sequence[int]) -> bool:
    """Return whether the game reads a paddle, which ALE does not tell. Only then does the
    resistance in its state change with an action to a side.
    """
    before = ale.cloneSystemState()
    for action, way in zip(actions, ways, strict=True):
        if way:
            ale.reset_game()
            ale.act(action)
            resistance = struct.pack("<i", _FIRST_RESISTANCE + way * _RESISTANCE_STEP)
            is_moved = resistance in pickle.dumps(ale.cloneState())
            ale.restoreSystemState(before)
            return is_moved
    return False
