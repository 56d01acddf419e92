"""HeldActions: random actions, some of them more frequent than others, each held for a while."""

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.policy import Policy
from atarigan.data.collection.screen import Screen

_CONCENTRATION = 0.7  # of the distribution of actions: some are frequent, some rare
_MEAN_HOLDS = (1, 2, 5, 20)


class ActionShares(NamedTuple):
    """How random actions are drawn.

    Attributes:
        shares: probability of each action, float64 (A,).
        mean_hold: agent steps that an action is held for, on average.
    """

    shares: npt.NDArray[np.float64]
    mean_hold: int

    @classmethod
    def drawn(cls, num_actions: int, rng: np.random.Generator) -> Self:
        shares = rng.dirichlet(np.full(num_actions, _CONCENTRATION))
        return cls(shares, int(rng.choice(_MEAN_HOLDS)))


class HeldActions(Policy):
    """Draws actions at random, and holds each for a random number of agent steps.

    Args:
        num_actions: number of actions.
        rng: source of randomness.
        shares: how actions are drawn in all episodes; None draws that anew for each.
    """

    def __init__(
        self, num_actions: int, rng: np.random.Generator, shares: ActionShares | None = None
    ) -> None:
        self._num_actions, self._rng, self._given = num_actions, rng, shares
        self.begin_episode()

    def begin_episode(self) -> None:
        given = self._given
        self._drawn = ActionShares.drawn(self._num_actions, self._rng) if given is None else given
        self._num_left = 0

    def act(self, screen: Screen) -> int:
        if not self._num_left:
            self._action = int(self._rng.choice(self._num_actions, p=self._drawn.shares))
            self._num_left = int(self._rng.geometric(1 / self._drawn.mean_hold))
        self._num_left -= 1
        return self._action
