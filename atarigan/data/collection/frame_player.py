"""Plays the frames of an emulator one by one, and knows all that determines the next one."""

import pickle
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ale_py import Action, ALEInterface, ALEState

from atarigan.data.collection import paddles

NO_OP = -1  # as the number of an action: what ALE plays next to a game's own actions


class EmulatorState(NamedTuple):
    """What determines the next frame, in addition to RAM, the action and the last one.

    Attributes:
        lives: lives left, which decide whether a game over is shown; 0 in games without lives.
        paddle: resistance of the first player's paddle in ohms; -1 in games of joysticks.
    """

    lives: int
    paddle: int


class SavedGame(NamedTuple):
    """A moment of a game, to go on from later.

    Attributes:
        ale: the emulator's state.
        paddle: resistance of the first player's paddle in ohms.
        last_action: number of the last frame's action.
    """

    ale: ALEState
    paddle: int
    last_action: int


class FramePlayer:
    """Plays the frames of agent steps, each with the step's action or the one before it.

    With a probability, a frame repeats the action of the frame before it ("sticky actions"; Machado
    et al. 2018, arXiv:1709.06009, section 5.2). So an old action persists for the first few frames
    of a step. ALE does the same, but does not report how many frames these were.

    Args:
        ale: the emulator, whose own probability must be 0.
        meanings: name of each action.
        sticky: the probability, 0 to 1.

    Attributes:
        num_persisted: frames of this agent step that got the action before it.
        last_action: the number of the last frame's action; `NO_OP` after a reset.
    """

    def __init__(self, ale: ALEInterface, meanings: tuple[str, ...], sticky: float) -> None:
        self._ale = ale
        names = (*meanings, "NOOP")
        self._actions = [getattr(Action, name) for name in names]
        self._directions = [paddles.direction_of(name) for name in names]
        self._sticky = sticky
        self._has_paddle = _has_paddle(ale, self._actions, self._directions)
        self.begin_episode()

    @property
    def state(self) -> EmulatorState:
        return EmulatorState(self._ale.lives(), self._paddle if self._has_paddle else -1)

    @property
    def ram(self) -> npt.NDArray[np.uint8]:
        memory: npt.NDArray[np.uint8] = self._ale.getRAM()
        return memory

    @property
    def screen(self) -> npt.NDArray[np.uint8]:
        """The screen as indices of ALE's palette, uint8 (210, 160) in most games."""
        indices: npt.NDArray[np.uint8] = self._ale.getScreen()
        return indices

    @property
    def is_over(self) -> bool:
        """Whether the game is over; a truncated one is not."""
        return bool(self._ale.game_over(with_truncation=False))

    @property
    def is_truncated(self) -> bool:
        """Whether ALE's limit of frames is reached, after which it plays nothing."""
        return bool(self._ale.game_truncated())

    def begin_episode(self) -> None:
        self.last_action, self._paddle = NO_OP, paddles.FIRST_RESISTANCE
        self.begin_step()

    def begin_step(self) -> None:
        self.num_persisted, self._persists = 0, True

    def play(self, action: int, rng: np.random.Generator) -> tuple[float, bool, bool]:
        """Play a frame; return its reward, terminated and truncated."""
        self._persists = self._persists and rng.random() < self._sticky
        if self._persists:
            self.num_persisted += 1
        reward = self.play_exactly(self.last_action if self._persists else int(action))
        return reward, self.is_over, self.is_truncated

    def play_exactly(self, action: int) -> float:
        """Play a frame with this action, whatever was played before; return its reward."""
        self.last_action = action
        if self._has_paddle:
            self._paddle = int(paddles.moved(self._paddle, self._directions[action]))
        return float(self._ale.act(self._actions[action]))

    def saved(self) -> SavedGame:
        """Return where the game is."""
        return SavedGame(self._ale.cloneState(), self._paddle, self.last_action)

    def restore(self, saved: SavedGame) -> None:
        """Go back to where the game was."""
        self._ale.restoreState(saved.ale)
        self._paddle, self.last_action = saved.paddle, saved.last_action

    def write_ram(self, ram: npt.NDArray[np.uint8]) -> None:
        """Change RAM to uint8 (bytes,). What the console's other chips hold stays as it is."""
        for address in np.flatnonzero(ram != self.ram).tolist():
            self._ale.setRAM(address, int(ram[address]))


def _has_paddle(ale: ALEInterface, actions: Sequence[Action], directions: Sequence[int]) -> bool:
    """Return whether the game reads a paddle, which ALE does not tell. Only then does the
    resistance in its state change with an action to a side.
    """
    before = ale.cloneSystemState()
    for action, direction in zip(actions, directions, strict=True):
        if direction:
            ale.reset_game()
            ale.act(action)
            resistance = struct.pack("<i", paddles.moved(paddles.FIRST_RESISTANCE, direction))
            is_moved = resistance in pickle.dumps(ale.cloneState())
            ale.restoreSystemState(before)
            return is_moved
    return False
