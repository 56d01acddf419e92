"""What a state is: a vector of numbers that an environment is in, from its RAM, its observation or
its info.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from atarigan.config.condition import (
    CODE,
    NONE,
    OBSERVATION,
    RAM,
    RAM_AND_ACTION,
    check_condition,
    info_key,
    is_state,
)
from atarigan.data.joysticks import with_joysticks
from atarigan.errors import InputError, shown

if TYPE_CHECKING:
    import gymnasium as gym

RAM_SIZE = 128  # bytes of the console's memory
MAX_SIZE = 1024  # numbers of a state
_BYTES = (RAM, RAM_AND_ACTION, CODE)
Vector = npt.NDArray[np.float32]
State = npt.NDArray[Any]
"""States of N moments, (N, size), or of one, (size,): RAM, also with the action, and codes uint8,
all others float32.
"""


@dataclass(frozen=True)
class StateSpec:
    """What a state is.

    Attributes:
        kind: where it comes from, as --condition names it: "ram", "ram+action", "observation",
            "info:KEY" or "code".
        size: how many numbers it has, 1 to 1,024.
        dtype: "uint8" for RAM, actions and codes, "float32" for others.

    Raises:
        InputError: the kind is unknown, or the size out of range.
    """

    kind: str
    size: int
    dtype: Literal["uint8", "float32"]

    def __post_init__(self) -> None:
        check_condition(self.kind, "the kind of a state")
        if not is_state(self.kind):
            raise InputError(f"the kind of a state must not be {self.kind!r}")
        if not 1 <= self.size <= MAX_SIZE:
            raise InputError(f"a state must have 1 to {MAX_SIZE} numbers, not {self.size}")
        if (self.dtype == "uint8") != (self.kind in _BYTES):
            raise InputError(f"a state of kind {self.kind!r} must not be stored as {self.dtype}")

    @classmethod
    def of(cls, kind: str, size: int) -> "StateSpec":
        """Return the description of states of a kind."""
        return cls(kind, size, "uint8" if kind in _BYTES else "float32")

    @property
    def adds_action(self) -> bool:
        """Whether it is RAM with the action."""
        return self.kind == RAM_AND_ACTION

    @property
    def with_action(self) -> "StateSpec | None":
        """The same states with the action behind them; None unless they are RAM alone."""
        return StateSpec.of(RAM_AND_ACTION, self.size + 1) if self.kind == RAM else None

    def suffices_for(self, read: "StateSpec | None") -> bool:
        """Return whether a generator that reads `read` can draw these states with their actions."""
        return read is not None and read in (self, self.with_action)

    def with_no_op(self, states: State) -> State:
        """Return states (N, size). Where the action belongs to them, RAM alone, (N, size - 1), gets
        that of no action; others are returned as they are.
        """
        if not self.adds_action or states.shape[1:] != (self.size - 1,):
            return states
        return with_joysticks(states, np.zeros(len(states), np.uint8))

    @property
    def title(self) -> str:
        """The state in words."""
        if self.adds_action:
            return f"{self.size - 1} bytes of RAM and one of the action"
        if self.kind in _BYTES:
            return f"{self.size} bytes of {'RAM' if self.kind == RAM else 'a code'}"
        return f"{self.kind} ({self.size},)"

    def __str__(self) -> str:
        return self.title

    def vector(self, value: Any) -> Vector:
        """Return an observation or an entry of info as a state, float32 (size,).

        Raises:
            InputError: it holds other things than finite numbers, or another number of them.
        """
        vector = vector_of(value, self.kind)
        if len(vector) != self.size:
            raise InputError(
                f"{self.kind} must keep its {self.size} numbers, not change to {len(vector)}"
            )
        return vector

    def of_moment(self, observation: Any, info: Mapping[str, Any]) -> Vector:
        """Return the state of a moment, float32 (size,), of what the environment returned.

        Raises:
            InputError: it lacks the entry of info, or as for `vector`.
        """
        return self.vector(found_in(self.kind, observation, info))


def found_in(kind: str, observation: Any, info: Mapping[str, Any]) -> Any:
    """Return the observation, or the entry of info that a kind of state names.

    Raises:
        InputError: info has no such entry.
    """
    key = info_key(kind)
    if key is None:
        return observation
    if key not in info:
        raise InputError(f"{kind} needs info[{key!r}] at every reset and step, {_keys(info)}")
    return info[key]


def _keys(info: Mapping[str, Any]) -> str:
    names = [each for each in info if not each.startswith("_")]
    return f"and info has only {', '.join(sorted(names))}" if names else "and info is empty"


def vector_of(value: Any, where: str) -> Vector:
    """Return a number, an array, or a tuple or dict of them as one vector, float32 (n,), the
    entries of a dict in the order of their names.

    Raises:
        InputError: it holds other things than finite numbers.
    """
    arrays = [np.asarray(each) for each in _leaves(value)]
    for each in arrays:
        if each.dtype.kind not in "biuf":
            raise InputError(f"{where} must hold numbers alone, not {shown(each.tolist())}")
    parts = [each.astype(np.float64).ravel() for each in arrays]
    vector = np.concatenate(parts) if parts else np.zeros(0)
    limit = np.finfo(np.float32).max
    wrong = np.flatnonzero(~(np.abs(vector) <= limit))
    if len(wrong):
        raise InputError(
            f"{where} must hold finite numbers, but its number {wrong[0]} is {vector[wrong[0]]}"
        )
    return vector.astype(np.float32)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for name in sorted(value):
            yield from _leaves(value[name])
    elif isinstance(value, tuple):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def size_of_space(space: "gym.Space[Any]") -> int | None:
    """Return how many numbers an observation of a space has; None if it holds other things."""
    import gymnasium as gym  # not above: configurations are read without it

    if isinstance(space, gym.spaces.Discrete):
        return 1
    if isinstance(space, (gym.spaces.Box, gym.spaces.MultiBinary, gym.spaces.MultiDiscrete)):
        return math.prod(space.shape)
    if isinstance(space, (gym.spaces.Dict, gym.spaces.Tuple)):
        members = space.values() if isinstance(space, gym.spaces.Dict) else space
        sizes = [size_of_space(each) for each in members]
        return None if None in sizes else sum(size for size in sizes if size is not None)
    return None


def usual_kind(space: "gym.Space[Any]", *, shows_images: bool) -> str:
    """Return the kind of state that is stored of an environment without RAM: "observation" if that
    is a vector, else "none".

    Args:
        space: the observation space.
        shows_images: whether observations are images.
    """
    size = None if shows_images else size_of_space(space)
    return OBSERVATION if size is not None and 1 <= size <= MAX_SIZE else NONE
