"""Which frames a model predicts exactly."""

from collections.abc import Collection
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.dynamics import Dynamics
from atarigan.models.dynamics.transitions import FrameTransitions

_BATCH = 65_536
Mask = npt.NDArray[np.bool_]


class PredictedFrames(NamedTuple):
    """What a model predicts for N transitions.

    Attributes:
        is_exact: whether all bytes, the reward, the end and lives are right, bool (N,).
        is_exact_read: the same without bytes that nothing reads, bool (N,).
        rewards: float32 (N,).
        ends: bool (N,).
    """

    is_exact: Mask
    is_exact_read: Mask
    rewards: npt.NDArray[np.float32]
    ends: Mask

    @classmethod
    def of(
        cls, dynamics: Dynamics, transitions: FrameTransitions, unread: Collection[int] = ()
    ) -> Self:
        """Predict each transition from its true state.

        Args:
            dynamics: the model.
            transitions: N transitions.
            unread: addresses of bytes that nothing reads.

        Raises:
            InputError: the model is of other sizes, or numba is not installed.
        """
        is_read = read_bytes(transitions.states.shape[1], unread)
        parts = []
        for begin in range(0, max(1, len(transitions)), _BATCH):
            true = transitions[begin : begin + _BATCH]
            found = dynamics.step(true.states, true.inputs)
            is_right = found.states == true.next_states
            others = (
                (found.rewards == true.rewards)
                & (found.ends == true.ends)
                & (found.lives == true.lives)
            )
            exact = (others & is_right[:, bytes_].all(1) for bytes_ in (slice(None), is_read))
            parts.append((*exact, found.rewards, found.ends))
        return cls(*map(np.concatenate, zip(*parts, strict=True)))


def read_bytes(num_bytes: int, unread: Collection[int]) -> Mask:
    """Return which bytes are not among the unread ones, bool (num_bytes,)."""
    is_read = np.ones(num_bytes, np.bool_)
    is_read[list(unread)] = False
    return is_read
