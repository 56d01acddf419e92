"""Where the generating wrappers read the states that a generator draws: RAM, observations, info."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.config.condition import OBSERVATION, RAM, info_key
from atarigan.data.states import State, StateSpec, size_of_space
from atarigan.errors import InputError

from .ram_info import KEY, missing_ram, ram_of

Moment = tuple[Any, Mapping[str, Any]]
"""A real observation, and the info that came with it."""


def check_gives(env: gym.Env[Any, Any], state: StateSpec) -> None:
    """Raise InputError if an environment cannot give such states; entries of info are known only
    after a reset.
    """
    if state.kind == RAM:
        ram_of(env)
    elif state.kind == OBSERVATION:
        check_observations(env.observation_space, state)


def check_observations(space: gym.Space[Any], state: StateSpec) -> None:
    """Raise InputError if observations of a space are no such states."""
    size = size_of_space(space)
    if state.kind == OBSERVATION and size != state.size:
        raise InputError(
            f"this generator reads observations of {state.size} numbers, not {space}: put it "
            "directly around the environment that it learned"
        )


def state_of_env(env: gym.Env[Any, Any], state: StateSpec, moment: Moment) -> State:
    """Return the state of an environment now, (size,).

    Raises:
        InputError: it has none, or one of other numbers.
    """
    return ram_of(env) if state.kind == RAM else state.of_moment(*moment)


def states_in_list(state: StateSpec, moments: Sequence[Moment]) -> State:
    """Return the states of moments, (M, size). Raises InputError if one has none."""
    if state.kind != RAM:
        return np.stack([state.of_moment(*each) for each in moments])
    for _, info in moments:
        if KEY not in info:
            raise missing_ram(info)
    return np.array([info[KEY] for _, info in moments])


def states_in_vector(
    state: StateSpec,
    observation_of: Callable[[int], Any],
    infos: dict[str, Any],
    indices: npt.NDArray[np.intp],
) -> State:
    """Return the states of the sub-environments `indices` of a Gymnasium vector environment, (M,
    size).

    Args:
        state: what is read.
        observation_of: returns the real observation of a sub-environment.
        infos: of the same moment, as Gymnasium packs them: an array for each entry, and a mask.
        indices: int (M,).

    Raises:
        InputError: one has no such state.
    """
    if state.kind == OBSERVATION:
        return np.stack([state.vector(observation_of(index)) for index in indices])
    key = KEY if state.kind == RAM else info_key(state.kind)
    is_there = infos.get(f"_{key}")
    if is_there is None or not is_there[indices].all():
        if state.kind == RAM:
            raise missing_ram(infos)
        state.of_moment(None, {})  # raises
    values = infos[str(key)]
    if state.kind == RAM:
        rams: State = values[indices]
        return rams
    return np.stack([state.vector(part_of(values, index)) for index in indices])


def part_of(batch: Any, index: int) -> Any:
    """Return one sub-environment's part of batched observations, or of an entry of infos."""
    if isinstance(batch, Mapping):
        return {name: part_of(batch[name], index) for name in batch if not name.startswith("_")}
    if isinstance(batch, tuple):
        return tuple(part_of(each, index) for each in batch)
    return batch[index]


def info_of(infos: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return the info of one sub-environment from what Gymnasium's vectors return."""
    return {
        name: part_of(values, index)
        for name, values in infos.items()
        if not name.startswith("_") and infos.get(f"_{name}", ())[index : index + 1]
    }
