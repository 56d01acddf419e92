"""RamInfo: puts RAM and the action into info, and functions that read them there."""

import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from atarigan.data.sample_spec import Ram
from atarigan.errors import InputError

from .game_steps import JoystickWatch, is_delayed

KEY = "ram"
JOYSTICK = "joystick"


class RamInfo(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Puts RAM, the console's 128 bytes of memory, into info["ram"] at every reset and step, uint8
    (bytes,), and the action that the game got last into info["joystick"], an int from 0 to 31
    (`atarigan.data.joysticks`), 0 after a reset and for actions without names.

    Vector environments pass both on as infos["ram"] and infos["joystick"], also from other
    processes. Those of an episode's last observation are in infos["final_info"] of Gymnasium's
    vector environments. In stable-baselines3 they are in the infos of the step, and those of the
    next episode's first observation are in `reset_infos`.

    Place this wrapper outside other wrappers, because some of them drop the info of a reset.

    Args:
        env: the environment.

    Raises:
        InputError: the environment has no RAM.

    Example:
        >>> import gymnasium as gym
        >>> from atarigan.envs import RamInfo
        >>> envs = gym.make_vec("ALE/Pong-v5", 2, "sync", wrappers=[RamInfo])
        >>> observations, infos = envs.reset(seed=0)
        >>> infos["ram"].shape
        (2, 128)
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        ram_of(env)  # raises if there is none
        self._watch = JoystickWatch.in_game_of(self)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, {**info, **self._read()}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, {**info, **self._read()}

    def _read(self) -> dict[str, Any]:
        return {KEY: ram_of(self.env), JOYSTICK: self._watch.joystick}


def ram_of(env: gym.Env[Any, Any]) -> Ram:
    """Return the RAM now, uint8 (bytes,). Raises InputError if the environment has none."""
    ale = getattr(env.unwrapped, "ale", None)
    if ale is None:
        raise InputError(f"reading RAM needs an ALE environment, not {env.unwrapped}")
    ram: Ram = ale.getRAM()
    return ram


def warn_if_delayed(env: gym.Env[Any, Any]) -> None:
    """Warn of a wrapper that shows earlier frames, whose states the RAM of now does not have."""
    if is_delayed(env):
        warnings.warn(
            "DelayObservation does not delay frames that are generated from RAM: place it outside "
            "the generating wrapper",
            stacklevel=4,
        )


def add_ram_infos(envs: list[gym.Env[Any, Any]]) -> None:
    """Wrap each environment in the list in a `RamInfo`, unless it is one already.

    A vector environment resets its environments by itself, so the RAM of an episode's last state
    can be read only inside it.

    Raises:
        InputError: an environment has no RAM.
    """
    for env in envs:
        warn_if_delayed(env)
    envs[:] = [env if isinstance(env, RamInfo) else RamInfo(env) for env in envs]


def missing_ram(infos: Mapping[str, Any], key: str = KEY) -> InputError:
    """Return the error of infos without RAM, or without the action."""
    needed = "this generator reads RAM, so infos must have 'ram'"
    if key == JOYSTICK:
        needed = "this generator reads the action, so infos must have 'joystick'"
    return InputError(
        f"{needed}, not only {sorted(infos)}: put atarigan.envs.RamInfo around each environment, "
        "outside its other wrappers"
    )
