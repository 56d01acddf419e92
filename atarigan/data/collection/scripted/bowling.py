"""A player of Bowling, which reads bowler, ball and pins from RAM."""

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.screen import Screen

# Addresses by the bytes that change as bowler, ball and pins do.
_BOWLER = 40  # row, from 1 at the bottom
_RUN_UP = 29  # column of the bowler, _WAITING before a throw and _THROWN after it
_BALL = 30  # column
_PINS = slice(57, 67)
_WAITING, _THROWN, _IS_DOWN = 8, 24, 255
_PIN_ROWS = (12, 16, 9, 20, 12, 6, 23, 16, 9, 2)  # from where the bowler hits each
# The throw of the first ball, by trial of all rows and columns without sticky actions.
_ROW, _STEERED_FROM, _STEERED_TO = 4, 84, 112


class BowlingTeacher:
    """Steers the first ball of a frame upwards between two columns, so that it meets the first pin
    from the side, and rolls the second one straight at the first pin that is left.

    Args:
        meanings: name of each action.

    Attributes:
        features: see `Teacher`: the bowler's row and column, the ball's column, whether all pins
            stand, and the distance to the row from which it throws.
    """

    num_features = 5
    features: npt.NDArray[np.float32]

    def __init__(self, meanings: tuple[str, ...]) -> None:
        self._wait, self._throw, self._up, self._down = (
            meanings.index(name) for name in ("NOOP", "FIRE", "UP", "DOWN")
        )

    def begin_episode(self) -> None:
        return

    def act(self, screen: Screen) -> int:
        ram = screen.ram()
        assert ram is not None
        row, run_up, ball = (int(ram[each]) for each in (_BOWLER, _RUN_UP, _BALL))
        standing = np.flatnonzero(ram[_PINS] != _IS_DOWN)
        is_first = len(standing) in (0, len(_PIN_ROWS))
        target = _ROW if is_first else _PIN_ROWS[standing[0]]
        gap = target - row
        self.features = np.array(
            [row / 8 - 1, run_up / 8 - 2, ball / 40 - 2, is_first, np.clip(gap / 8, -2, 2)],
            np.float32,
        )
        if run_up == _WAITING:
            return self._up if gap > 0 else self._down if gap < 0 else self._throw
        is_steered = is_first and run_up == _THROWN and _STEERED_FROM <= ball < _STEERED_TO
        return self._up if is_steered else self._wait
