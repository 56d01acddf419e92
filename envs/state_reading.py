"""Where the generating wrappers read the states that a generator draws: RAM, observations, info."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.config.condition import OBSERVATION, includes_ram, info_key
from atarigan.data.joysticks import Bytes, with_joysticks
from atarigan.data.states import State, StateSpec, size_of_space
from atarigan.errors import InputError

from .game_steps import JoystickWatch
from .ram_info import JOYSTICK, KEY, missing_ram, ram_of

Moment = tuple[Any, Mapping[str, Any]]
"""A real observation, and the info that came with it."""


def check_gives(env: gym.Env[Any, Any], state: StateSpec) -> None:
    """Raise InputError if an environment cannot give such states; entries of info are known only
    after a reset.
    """
    if includes_ram(state.kind):
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


def state_of_env(
    env: gym.Env[Any, Any], state: StateSpec, moment: Moment, watch: JoystickWatch | None
) -> State:
    """Return the state of an environment now, (size,).

    Args:
        env: the environment.
        state: what is read.
        moment: now.
        watch: tells the last action, if that is read too.

    Raises:
        InputError: it has none, or one of other numbers.
    """
    if not includes_ram(state.kind):
        return state.of_moment(*moment)
    ram = ram_of(env)
    return ram if watch is None else with_joysticks(ram, np.array(watch.joystick, np.uint8))


def states_in_list(state: StateSpec, moments: Sequence[Moment]) -> State:
    """Return the states of moments, (M, size). Raises InputError if one has none."""
    if not includes_ram(state.kind):
        return np.stack([state.of_moment(*each) for each in moments])
    keys = _ram_keys(state)
    for _, info in moments:
        for key in keys:
            if key not in info:
                raise missing_ram(info, key)
    return _joined(*(np.array([info[key] for _, info in moments], np.uint8) for key in keys))


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
    if not includes_ram(state.kind):
        key = str(info_key(state.kind))
        if not _all_have(infos, key, indices):
            state.of_moment(None, {})  # raises
        return np.stack([state.vector(part_of(infos[key], index)) for index in indices])
    keys = _ram_keys(state)
    for key in keys:
        if not _all_have(infos, key, indices):
            raise missing_ram(infos, key)
    return _joined(*(np.asarray(infos[key][indices], np.uint8) for key in keys))


def _ram_keys(state: StateSpec) -> tuple[str, ...]:
    """Return the names in infos of what a state of RAM holds."""
    return (KEY, JOYSTICK) if state.adds_action else (KEY,)


def _all_have(infos: dict[str, Any], key: str, indices: npt.NDArray[np.intp]) -> bool:
    """Return whether infos as Gymnasium packs them have a key for these sub-environments."""
    is_there = infos.get(f"_{key}")
    return is_there is not None and bool(is_there[indices].all())


def _joined(rams: Bytes, joysticks: Bytes | None = None) -> State:
    return rams if joysticks is None else with_joysticks(rams, joysticks)


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
