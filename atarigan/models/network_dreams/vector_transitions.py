"""Steps of an environment as transitions between vectors."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.episodes import Episode
from atarigan.models.network_dreams.action_inputs import ActionInputs

Vectors = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class VectorTransitions:
    """N steps.

    Attributes:
        states: before each step, float32 (N, size).
        inputs: of the actions, float32 (N, inputs).
        next_states: after it, float32 (N, size); where that is not known, the state before it.
        has_next: whether the next state is known, bool (N,). That of an episode's last step is not
            stored.
        rewards: float32 (N,).
        ends: whether the episode terminates, bool (N,).
    """

    states: Vectors
    inputs: Vectors
    next_states: Vectors
    has_next: Mask
    rewards: npt.NDArray[np.float32]
    ends: Mask

    def __len__(self) -> int:
        return len(self.states)

    @classmethod
    def of_episode(cls, episode: Episode, actions: ActionInputs) -> Self:
        """Return the steps of an episode, in order."""
        columns: dict[str, npt.NDArray[Any]] = episode.columns
        states = columns["state"]
        return cls(
            states,
            actions.of(columns["actions"]),
            np.concatenate([states[1:], states[-1:]]),
            np.arange(len(states)) < len(states) - 1,
            columns["rewards"],
            columns["terminations"],
        )

    @classmethod
    def concatenate(cls, parts: Iterable["VectorTransitions"]) -> Self:
        """Join at least one."""
        rows = [[getattr(part, each.name) for each in fields(cls)] for part in parts]
        return cls(*(np.concatenate(each) for each in zip(*rows, strict=True)))
