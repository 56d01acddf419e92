"""Dynamics: what every model of the next state can do."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


class NextStates(NamedTuple):
    """What a batch of frames leads to.

    Attributes:
        states: RAM after the frame, uint8 (B, bytes).
        rewards: float32 (B,).
        ends: whether the episode ends, bool (B,).
        lives: uint8 (B,).
    """

    states: npt.NDArray[np.uint8]
    rewards: npt.NDArray[np.float32]
    ends: npt.NDArray[np.bool_]
    lives: npt.NDArray[np.uint8]


class Dynamics(Protocol):
    """Predicts one emulator frame for a batch of states."""

    @property
    def num_bytes(self) -> int:
        """Bytes of a state."""

    @property
    def num_inputs(self) -> int:
        """Inputs of a frame."""

    def step(self, states: npt.NDArray[np.uint8], inputs: npt.NDArray[np.int32]) -> NextStates:
        """Predict the frame after states uint8 (B, bytes) with inputs int32 (B, inputs)."""
