"""Asks the emulator which bytes of RAM decide which: it plays frames again after changing one."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from atarigan.cli.terminal import discarded_stderr
from atarigan.evaluation.dream.visited_states import EmulatedSteps
from atarigan.models.dynamics.transitions import FrameTransitions

_NUM_BYTES = 128  # of the console's RAM
_MOST_OF_A_BYTE = 16  # frames, the rarest changes of a byte first
_FRAMES_FOR_ONE = 100  # at most one in so many frames
_NUM_DONORS = 8  # states of which a byte's other value is one

Progress = Callable[[int, int], None]
Bytes = npt.NDArray[np.uint8]


class Influences:
    """Which bytes decide which, as far as the emulator was asked.

    A byte decides another if another value of it, in the state before a frame or a frame earlier,
    leads to another next value. The frame earlier counts because the console's chips keep which
    objects touched in its picture.

    Args:
        emulated: the game.
        seed: of the choice of frames and values.

    Attributes:
        found: whether the byte of the row decides the byte of the column, bool (bytes, bytes).
    """

    def __init__(self, emulated: EmulatedSteps, seed: int) -> None:
        self._emulated, self._player = emulated, emulated.player
        self._rng = np.random.default_rng(seed)
        self.found = np.zeros((_NUM_BYTES, _NUM_BYTES), np.bool_)

    def ask(self, frames: FrameTransitions, progress: Progress = lambda done, num: None) -> None:
        """Ask about some frames of real play, mostly those that change a byte in a rare way. Then
        the game is where it was.

        Args:
            frames: in the order in which they were played.
            progress: is told how many of how many frames are done.
        """
        rows = _rare_rows(frames, self._rng)
        varying = np.flatnonzero((frames.states != frames.states[0]).any(0)).tolist()
        saved = self._player.saved()
        try:
            for number, row in enumerate(rows.tolist()):
                donors = frames.states[self._rng.integers(len(frames), size=_NUM_DONORS)]
                with discarded_stderr():  # of code that a changed stack leads to
                    self._ask_about(frames[row - 1 : row + 1], varying, donors)
                progress(number + 1, len(rows))
        finally:
            self._player.restore(saved)

    def _ask_about(self, pair: FrameTransitions, addresses: list[int], donors: Bytes) -> None:
        """Ask about the second of two frames, of which it follows the first."""
        player, emulated = self._player, self._emulated
        first, second = (emulated.action_of(inputs) for inputs in pair.inputs)
        after = pair.next_states[1]
        emulated.put(pair.states[0], pair.inputs[0])
        before = player.saved()
        player.play_exactly(first)
        between = player.saved()
        if player.is_over:
            return
        player.play_exactly(second)
        if not np.array_equal(player.ram, after):
            return  # what is not in RAM decides here
        for address in addresses:
            for moment, state, actions in (
                (before, pair.states[0], (first, second)),
                (between, pair.states[1], (second,)),
            ):
                values = donors[donors[:, address] != state[address], address]
                if not len(values):
                    continue
                changed = state.copy()
                changed[address] = values[0]
                player.restore(moment)
                player.write_ram(changed)
                for action in actions:
                    player.play_exactly(action)
                self.found[address] |= player.ram != after


def _rare_rows(frames: FrameTransitions, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return frames that follow others of these, with the rarest changes of each byte."""
    states, following = frames.states, frames.next_states
    follows = np.flatnonzero((states[1:] == following[:-1]).all(1)) + 1
    changing = np.flatnonzero((states != following).any(0)).tolist()
    num = min(len(follows) // _FRAMES_FOR_ONE, _MOST_OF_A_BYTE * len(changing))
    chosen: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for number, address in enumerate(changing):
        changes = following[follows, address] - states[follows, address]
        weights = 1 / np.bincount(changes, minlength=256)[changes]
        share = num // len(changing) + (number < num % len(changing))
        chosen.append(rng.choice(follows, share, replace=False, p=weights / weights.sum()))
    return np.unique(np.concatenate(chosen))
