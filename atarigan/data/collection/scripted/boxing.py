"""A player of Boxing, which reads the positions of both boxers from RAM."""

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.screen import Screen
from atarigan.data.collection.scripted.direction import direction

# Addresses by regression of RAM bytes on screen positions; one unit is a pixel. The player is white
# and always on the left.
_WHITE, _BLACK = (32, 34), (33, 35)
_PUNCH = 57  # time left of the player's punch; a held button would stop it half-way
_LEFT_OF, _ABOVE_OR_BELOW = 18, 10  # where the player stands and hits more than it is hit
_NEAR = 2
_LEAST_BELOW, _MOST_BELOW = 6, 24
_REACH, _DANGER = 24, 28
_ARM_IS_BACK = 36


class BoxingTeacher:
    """Stands where its fists reach the other's head and are harder to reach: 18 pixels to the left
    of it and 10 above or below. It punches when the arm is back, and steps back from boxers that
    stand further above or below than its fists reach.

    The place and the distances are those of the best of 150 variants.

    Args:
        meanings: name of each action.

    Attributes:
        features: see `Teacher`: columns and rows of both boxers, and the distances from where the
            player wants to stand.
    """

    num_features = 6
    features: npt.NDArray[np.float32]

    def __init__(self, meanings: tuple[str, ...]) -> None:
        self._actions = {name: number for number, name in enumerate(meanings)}

    def begin_episode(self) -> None:
        return

    def act(self, screen: Screen) -> int:
        ram = screen.ram()
        assert ram is not None
        white, black = (ram[list(each)].astype(int) for each in (_WHITE, _BLACK))
        across, along = (black - white).tolist()
        gap = across - _LEFT_OF, along - (_ABOVE_OR_BELOW if along > 0 else -_ABOVE_OR_BELOW)
        places = np.array([*white, *black], np.float32) / 32 - 1.7
        self.features = np.append(places, np.clip(gap, -40, 40) / np.float32(20))
        is_apart = abs(along) > _MOST_BELOW
        right = -1 if is_apart and across < _DANGER else direction(gap[0], _NEAR)
        in_reach = across <= _REACH and _LEAST_BELOW <= abs(along) <= _MOST_BELOW
        return self._action(
            right, direction(gap[1], _NEAR), in_reach and ram[_PUNCH] < _ARM_IS_BACK
        )

    def _action(self, right: int, down: int, fires: bool) -> int:
        """Return the action that moves by the signs of two directions, and fires or does not."""
        name = ("UP", "", "DOWN")[down + 1] + ("LEFT", "", "RIGHT")[right + 1]
        return self._actions[name + ("FIRE" if fires else "") or "NOOP"]
