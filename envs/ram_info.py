"""RamInfo: the console's memory in info, where the generators that read it find it."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.models.latent_stream import Ram

KEY = "ram"


class RamInfo(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Puts the console's memory into info["ram"], uint8 (bytes,), at every reset and step.

    Vectors of environments pass it on as infos["ram"], from other processes too, and keep what
    belongs to an episode's last observation: Gymnasium's in infos["final_info"]["ram"],
    stable-baselines3's in the infos of the step, while `reset_infos` holds that of the first.

        gym.make_vec("ALE/Pong-v5", 16, vectorization_mode="async", wrappers=[RamInfo])

    Place it outside other wrappers: some of them drop the info of a reset.

    Args:
        env: the environment.

    Raises:
        InputError: there is no console.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        ram_of(env)  # which says so where there is none

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, {**info, KEY: ram_of(self.env)}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, {**info, KEY: ram_of(self.env)}


def ram_of(env: gym.Env[Any, Any]) -> Ram:
    """The console's memory now, uint8 (bytes,). Raises InputError where there is no console."""
    ale = getattr(env.unwrapped, "ale", None)
    if ale is None:
        raise InputError(
            f"this generator reads the console's memory, and {env.unwrapped} is no ALE environment"
        )
    ram: Ram = ale.getRAM()
    return ram


def add_ram_infos(envs: list[gym.Env[Any, Any]]) -> None:
    """Put a `RamInfo` around each environment in the list that is in none yet.

    The memory of an episode's last state has to be read before a vector resets the environment.

    Raises:
        InputError: one of them has no console.
    """
    envs[:] = [env if isinstance(env, RamInfo) else RamInfo(env) for env in envs]


def rams_in_vector(infos: dict[str, Any], indices: npt.NDArray[np.intp]) -> Ram:
    """The memory of the sub-environments `indices`, uint8 (M, bytes), in the infos of a Gymnasium
    vector.

    Raises:
        InputError: it is not there.
    """
    is_there = infos.get(f"_{KEY}")
    if is_there is None or not is_there[indices].all():
        raise InputError(missing_ram())
    rams: Ram = infos[KEY][indices]
    return rams


def rams_in_list(infos: Sequence[dict[str, Any]]) -> Ram:
    """The memory in a list of infos, uint8 (M, bytes). Raises InputError where one lacks it."""
    if any(KEY not in info for info in infos):
        raise InputError(missing_ram())
    return np.array([info[KEY] for info in infos])


def missing_ram() -> str:
    """What to do about infos without memory."""
    return (
        "this generator reads the console's memory, and there is none in the vector's infos: put "
        "atarigan.envs.RamInfo around each environment, outside its other wrappers"
    )
