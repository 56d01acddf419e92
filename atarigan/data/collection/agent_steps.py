"""Agent steps of an environment: one action, repeated over several frames."""

import difflib
import importlib
from typing import Any

import ale_py
import gymnasium as gym

from atarigan.data.collection.screen import Screen, screen_of
from atarigan.errors import InputError, one_line

ALE_FRAME_SKIP = 4
_OWN_KWARGS = ("frameskip", "obs_type", "render_mode")


class AgentSteps:
    """An environment that repeats each action over several frames, and its screen.

    Args:
        env_id: Gymnasium id; "module:id" imports the module that registers it.
        frame_skip: frames that each action is repeated for, at least 1; None means 4 for ALE
            environments and 1 for others. ALE environments count emulator frames and ignore the
            frame skip of their id; others count environment steps.
        max_pool: the screen shows the pixelwise maximum of the last two of these frames.
        env_kwargs: further arguments of `gymnasium.make`.

    Raises:
        InputError: an unknown id, arguments that the environment refuses, or no image to show.
    """

    def __init__(
        self,
        env_id: str,
        frame_skip: int | None = None,
        max_pool: bool = False,
        env_kwargs: dict[str, Any] | None = None,
    ) -> None:
        spec = find_spec(env_id)
        if frame_skip is None:
            frame_skip = ALE_FRAME_SKIP if is_ale(spec) else 1
        if frame_skip < 1:
            raise InputError(f"frame_skip must be at least 1, not {frame_skip}")
        env_kwargs = env_kwargs or {}
        for name in _OWN_KWARGS:
            if name in env_kwargs:
                raise InputError(f"env_kwargs must leave {name} to the collector, not set it")
        self.frame_skip = frame_skip
        self._num_repeats = frame_skip
        self._num_watched = 2 if max_pool else 1
        if is_ale(spec):
            self._num_repeats = frame_skip if max_pool else 1
            skipped_inside = 1 if max_pool else frame_skip
            ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
            self.env = _make(spec, obs_type="ram", frameskip=skipped_inside, **env_kwargs)
        else:
            self.env = _make_image_env(spec, env_kwargs)
        self.screen: Screen = screen_of(self.env, max_pool=max_pool)
        self.action_space = self.env.action_space
        self.game: str | None = spec.kwargs.get("game")

    @property
    def action_meanings(self) -> tuple[str, ...]:
        """Name of each discrete action, in order; empty if the actions have no names."""
        if not isinstance(self.action_space, gym.spaces.Discrete):
            return ()
        meanings = getattr(self.env.unwrapped, "get_action_meanings", tuple)
        return tuple(meanings())

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode. Its first frame is not pooled with an earlier one."""
        observation, _ = self.env.reset(seed=seed)
        for _ in range(self._num_watched):
            self.screen.observe(observation)

    def step(self, action: Any) -> tuple[float, bool, bool]:
        """Repeat an action; return the sum of rewards, terminated and truncated."""
        total = 0.0
        for repeat in range(1, self._num_repeats + 1):
            observation, reward, terminated, truncated, _ = self.env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
            if repeat > self._num_repeats - self._num_watched:
                self.screen.observe(observation)
        return total, bool(terminated), bool(truncated)

    def close(self) -> None:
        self.env.close()


def find_spec(env_id: str) -> gym.envs.registration.EnvSpec:
    """Return Gymnasium's registration of an id.

    Raises:
        InputError: the id is unknown, or its module cannot be imported. The message names the
            nearest known id.
    """
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gym.spec(name)
    except gym.error.Error:
        raise InputError(f"Gymnasium knows no environment {env_id!r}{_hint(name)}") from None
    except ImportError as error:
        raise InputError(f"the module of environment {env_id!r} cannot load: {error}") from None


def _hint(name: str) -> str:
    """Name the nearest known id, ignoring namespace and case, or return an empty text."""
    known = {env_id.lower(): env_id for env_id in gym.registry}
    known |= {env_id.rpartition("/")[2]: known[env_id] for env_id in known}
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f": did you mean {known[near[0]]!r}?" if near else ""


def is_ale(spec: gym.envs.registration.EnvSpec) -> bool:
    return spec.entry_point == "ale_py.env:AtariEnv"


def _make_image_env(
    spec: gym.envs.registration.EnvSpec, env_kwargs: dict[str, Any]
) -> gym.Env[Any, Any]:
    """Make an environment with image observations, or else with rendering as its image."""
    env = _make(spec, **env_kwargs)
    try:
        screen_of(env)
    except InputError:
        if "rgb_array" not in env.metadata.get("render_modes", ()):
            raise
        env.close()
        return _make(spec, render_mode="rgb_array", **env_kwargs)
    return env


def _make(spec: gym.envs.registration.EnvSpec, **kwargs: Any) -> gym.Env[Any, Any]:
    try:
        return gym.make(spec, disable_env_checker=True, **kwargs)
    except (gym.error.Error, ImportError, TypeError, RuntimeError) as error:
        reason = one_line(error)
        raise InputError(f"environment {spec.id} cannot be made: {reason}") from error
