"""FrameTransitions: states, the inputs of one emulator frame, and what they lead to."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError

_DTYPES: dict[str, type] = {
    "states": np.uint8,
    "next_states": np.uint8,
    "inputs": np.int32,
    "rewards": np.float32,
    "ends": np.bool_,
    "lives": np.uint8,
}
_MATRICES = ("states", "next_states", "inputs")


@dataclass(frozen=True, eq=False)
class FrameTransitions:
    """N transitions, each of one emulator frame.

    Attributes:
        states: RAM before the frame, uint8 (N, bytes).
        next_states: RAM after the frame, uint8 (N, bytes).
        inputs: what the frame is played with, such as directions and a button, int32 (N, inputs).
        rewards: rewards of the frame, finite, float32 (N,).
        ends: whether the episode ends with the frame, bool (N,).
        lives: lives after the frame, uint8 (N,).

    Raises:
        InputError: a dtype or a shape is wrong, or a reward is not finite.
    """

    states: npt.NDArray[np.uint8]
    next_states: npt.NDArray[np.uint8]
    inputs: npt.NDArray[np.int32]
    rewards: npt.NDArray[np.float32]
    ends: npt.NDArray[np.bool_]
    lives: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            check_array(name, getattr(self, name), dtype, 2 if name in _MATRICES else 1)
        if self.next_states.shape != self.states.shape:
            raise InputError(
                f"next_states must have the shape of states, {self.states.shape}, "
                f"not {self.next_states.shape}"
            )
        for name in _DTYPES:
            if len(getattr(self, name)) != len(self.states):
                raise InputError(
                    f"{name} must have as many rows as states, {len(self.states)}, "
                    f"not {len(getattr(self, name))}"
                )
        if not np.isfinite(self.rewards).all():
            raise InputError("rewards must be finite")

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, rows: slice | npt.NDArray[Any]) -> Self:
        """Return some transitions: a slice, row numbers int (n,), or a mask bool (N,)."""
        return type(self)(*(array[rows] for array in self._arrays()))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Return the transitions of at least one part, one after the other.

        Raises:
            InputError: there is no part, or parts have states or inputs of different lengths.
        """
        if not parts:
            raise InputError("parts must hold at least one item, not 0")
        for name in _MATRICES:
            widths = sorted({getattr(part, name).shape[1] for part in parts})
            if len(widths) > 1:
                raise InputError(f"{name} must have the same length in all parts, not {widths}")
        return cls(*map(np.concatenate, zip(*(part._arrays() for part in parts), strict=True)))

    def _arrays(self) -> list[npt.NDArray[Any]]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]


def check_array(name: str, array: npt.NDArray[Any], dtype: type, num_axes: int) -> None:
    """Raise InputError if an array has another dtype or number of axes."""
    if array.dtype != dtype or array.ndim != num_axes:
        raise InputError(
            f"{name} must be {np.dtype(dtype)} with {num_axes} axes, "
            f"not {array.dtype} of the shape {array.shape}"
        )
