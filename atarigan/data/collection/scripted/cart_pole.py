"""A player of CartPole, which observes the positions of cart and pole."""

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.screen import Screen
from atarigan.data.states import State

_POSITION, _ANGLE = 0, 2  # in the observation
# Of position and angle, and of their changes since the last agent step. The weights of the position
# are small, so that the pole comes first.
_GAINS = np.array([0.1, 1, 7.5, 10])
_SCALES = np.array([1, 0.1, 0.01, 0.01])


class CartPoleTeacher:
    """Pushes the cart to the side to which the pole falls.

    It does not look at the observed velocities, although they are more exact: they tell the last
    push, which no picture shows until the next step. A policy on pixels cannot imitate that.

    Args:
        meanings: name of each action; not used.

    Attributes:
        features: see `Teacher`: position and angle, and their changes.
    """

    num_features = 4
    features: npt.NDArray[np.float32]

    def __init__(self, meanings: tuple[str, ...]) -> None:
        self.begin_episode()

    def begin_episode(self) -> None:
        self._before: State | None = None

    def act(self, screen: Screen) -> int:
        state = screen.state()
        assert state is not None
        now = state[[_POSITION, _ANGLE]]
        before = now if self._before is None else self._before
        self._before = now
        seen = np.append(now, now - before)
        self.features = np.clip(seen / _SCALES, -3, 3).astype(np.float32)
        return int(seen @ _GAINS > 0)
