"""What a policy on pixels imitates."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.policy import Policy
from atarigan.data.collection.screen import Screen


class Teacher(Policy, Protocol):
    """Chooses an action by the state of a game, and tells what it looked at.

    Its action should follow from what the last few frames show, since that is all that a policy on
    pixels sees.

    Attributes:
        num_features: number of features.
        features: inputs of the last decision, float32 (num_features,), in about -2 … 2; NaN where
            there are none. A policy learns to predict them from pixels as well.
    """

    num_features: int
    features: npt.NDArray[np.float32]

    def act(self, screen: Screen) -> int:
        """Return a discrete action."""
