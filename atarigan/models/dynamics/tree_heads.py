"""TreeHeads: the trees of a model that predict no byte."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.hard_examples import MinedTree
from atarigan.models.dynamics.labels import Labels
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_tables import HEADS


@dataclass
class TreeHeads:
    """Trees of the reward's class, the end, and lives."""

    rewards: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    mined: list[MinedTree | None] = field(default_factory=lambda: [None] * len(HEADS))

    def update(self, rewards: npt.NDArray[np.float32]) -> None:
        """Take over the different rewards; the tree of former ones is worth nothing."""
        if not np.array_equal(rewards, self.rewards):
            self.rewards, self.mined[0] = rewards, None

    def renumber(self, numbers: npt.NDArray[np.int64]) -> None:
        """Take over the new numbers of bytes, int64 (T,)."""
        self.mined = [each and each.renumbered(numbers) for each in self.mined]

    def labels(self, transitions: FrameTransitions) -> list[Labels]:
        reward_classes = np.searchsorted(self.rewards, transitions.rewards)
        classes = (reward_classes, transitions.ends, transitions.lives)
        return [Labels.of_codes(each.astype(np.uint8)) for each in classes]
