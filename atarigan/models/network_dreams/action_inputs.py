"""ActionInputs: actions of an environment as inputs of a network."""

from dataclasses import dataclass
from typing import Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError, shown

Bounds = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ActionInputs:
    """Discrete actions become one number each, 1 for the one that is taken and else 0; numbers of
    continuous ones are clipped to their bounds and become -1 to 1, or stay without bounds.

    Attributes:
        num_discrete: number of discrete actions; 0 for continuous ones.
        first: the lowest discrete action.
        low, high: bounds of continuous actions, float32 (*shape); (0,) for discrete ones.

    Raises:
        InputError: a value is out of range.
    """

    num_discrete: int
    first: int
    low: Bounds
    high: Bounds

    def __post_init__(self) -> None:
        is_right = self.low.dtype == self.high.dtype == np.float32
        if not is_right or self.low.shape != self.high.shape or not (self.low <= self.high).all():
            raise InputError(
                f"bounds of actions must be float32 of one shape, the low ones first, "
                f"not {shown(self.low.tolist())} and {shown(self.high.tolist())}"
            )
        if self.num_discrete < 0 or (self.num_discrete == 0) == (self.low.size == 0):
            raise InputError(
                f"actions must be discrete or continuous, not {self.num_discrete} and "
                f"{self.low.size}"
            )

    @classmethod
    def of_space(cls, space: gym.Space[Any]) -> Self:
        """Raises InputError if a space is neither Discrete nor a Box of floats."""
        none = np.zeros(0, np.float32)
        if isinstance(space, gym.spaces.Discrete):
            return cls(int(space.n), int(space.start), none, none)
        if isinstance(space, gym.spaces.Box) and space.dtype.kind == "f" and space.shape != ():
            return cls(0, 0, space.low.astype(np.float32), space.high.astype(np.float32))
        raise InputError(f"a dream needs actions that are Discrete or a Box of floats, not {space}")

    @property
    def space(self) -> gym.Space[Any]:
        """The space of these actions."""
        if self.num_discrete:
            return gym.spaces.Discrete(self.num_discrete, start=self.first)
        return gym.spaces.Box(self.low, self.high, dtype=np.float32)

    @property
    def num_inputs(self) -> int:
        return self.num_discrete or self.low.size

    def of(self, actions: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the inputs of N actions of the space, float32 (N, num_inputs)."""
        if self.num_discrete:
            numbers = np.arange(self.first, self.first + self.num_discrete)
            return np.asarray(actions.reshape(-1, 1) == numbers, np.float32)
        low, high = self.low.ravel(), self.high.ravel()
        clipped = np.clip(actions.reshape(len(actions), low.size), low, high)
        middle, half = np.zeros_like(low), np.ones_like(low)
        bounded = np.isfinite(low) & np.isfinite(high) & (low < high)
        middle[bounded] = (low[bounded] + high[bounded]) / 2
        half[bounded] = (high[bounded] - low[bounded]) / 2
        return np.asarray((clipped - middle) / half, np.float32)

    def checked(self, actions: Any, num: int) -> npt.NDArray[Any]:
        """Return N actions, an array, a tensor or a list, as an array.

        Raises:
            InputError: they are not one action of the space for each of `num` environments;
                finite numbers beyond the bounds are allowed, because they are clipped.
        """
        try:
            found = np.asarray(actions.cpu() if hasattr(actions, "cpu") else actions)
        except ValueError:  # lists of different lengths
            found = np.zeros(0)
        last = self.first + self.num_discrete - 1
        if self.num_discrete:
            is_right = found.shape == (num,) and found.dtype.kind in "iu"
            if is_right and self.first <= found.min() and found.max() <= last:
                return found
            rule = f"{num} whole numbers from {self.first} to {last}"
        else:
            shape = (num, *self.low.shape)
            if found.shape == shape and found.dtype.kind in "fiu" and np.isfinite(found).all():
                return found
            rule = f"finite numbers {shape}"
        raise InputError(f"actions must be {rule}, not {shown(actions)}")
