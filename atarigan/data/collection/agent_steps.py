"""Agent steps of an environment: one action, repeated over several frames."""

import difflib
import importlib
import warnings
from typing import Any, Self

import ale_py
import gymnasium as gym
import numpy as np

from atarigan.config.condition import includes_ram
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.frame_player import NO_OP, FramePlayer
from atarigan.data.collection.preprocessing import Preprocessing
from atarigan.data.collection.screen import (
    AleScreen,
    ImageScreen,
    MaximumAleScreen,
    PooledAleScreen,
    PooledImageScreen,
    Screen,
)
from atarigan.data.collection.standstill import MAX_STILL_FRAMES, StandstillLimit
from atarigan.data.joysticks import Joysticks, meanings_of, with_joysticks
from atarigan.data.states import State, StateSpec
from atarigan.errors import InputError, one_line, shown
from atarigan.images.layout import LayoutGuessWarning, warn_of_images_without_layout

ALE_FRAME_SKIP = 4
NUM_POOLED = 2
MAX_FRAME_SKIP = 108_000  # emulator frames of ALE's longest episode
MAX_NUM_POOLED = 100
_STICKINESS = "repeat_action_probability"
_ALE_STICKINESS = 0.25
_ALE_ENTRY_POINTS = ("ale_py.env:AtariEnv", "ale_py:AtariEnv", ale_py.AtariEnv)
ALE_OWN_KWARGS = ("frameskip", "obs_type", "render_mode")  # which `AgentSteps` sets itself
_ALE_RANGES = {  # of arguments that ALE takes as they are, whatever they are
    _STICKINESS: (0, 1),
    "continuous_action_threshold": (0, 1),
    "max_num_frames_per_episode": (0, (1 << 31) - 1),
}


class AgentSteps:
    """An environment that repeats each action over several frames, and its screen.

    ALE's own environments show the emulator's screen. All others, among them ALE's games in further
    wrappers, show what they observe or render.

    Args:
        env_id: Gymnasium id; "module:id" imports the module that registers it.
        frame_skip: frames that each action is repeated for, at least 1; None means 4 for ALE
            environments and 1 for others. ALE environments count emulator frames and ignore the
            frame skip of their id; others count environment steps.
        max_pool: the screen shows the pixelwise maximum of the last `num_pooled` frames.
        env_kwargs: further arguments of `gymnasium.make`. `max_episode_steps` counts agent steps,
            whatever the other settings are; -1 means no limit.
        num_pooled: see `max_pool`; at least 2.
        max_still_frames: frames without a reward, a lost life or a new screen after which an
            episode is truncated; 0 means no limit.
        layout: axes of image observations, as in `ImageLayout.axes`; None asks the wrappers.
        sticky: probability that a frame repeats the action before it, in a game of ALE with
            discrete actions, whose frames are then played one by one by `frame_player`. None: the
            environment repeats actions itself, unrecorded.

    Attributes:
        own_stickiness: the environment's own probability, or None without one.
        moment: the newest observation and info that the environment returned.
        frame_player: plays the frames if `sticky` is given; else None.

    Raises:
        InputError: an unknown id, arguments that the environment refuses, no image to show, or a
            layout that does not fit it.
    """

    def __init__(
        self,
        env_id: str,
        frame_skip: int | None = None,
        max_pool: bool = False,
        env_kwargs: dict[str, Any] | None = None,
        *,
        num_pooled: int = NUM_POOLED,
        max_still_frames: int = MAX_STILL_FRAMES,
        layout: str | None = None,
        sticky: float | None = None,
    ) -> None:
        spec = find_spec(env_id)
        self.is_ale = is_ale(spec)
        if frame_skip is None:
            frame_skip = ALE_FRAME_SKIP if self.is_ale else 1
        env_kwargs = dict(env_kwargs or {})
        _check_arguments(frame_skip, num_pooled, env_kwargs, is_ale=self.is_ale)
        self.frame_skip = frame_skip
        self._spec, self._env_kwargs = spec, env_kwargs
        self._max_pool, self._num_pooled, self._layout = max_pool, num_pooled, layout
        self._num_repeats = frame_skip
        self._num_observed = num_pooled if max_pool else 1
        self._max_steps = _take_max_steps(spec, env_kwargs)
        self.game: str | None = None
        self.own_stickiness = _own_stickiness(spec, env_kwargs) if self.is_ale else None
        _check_stickiness(sticky, self.own_stickiness, env_kwargs)
        self._sticky = sticky
        self.frame_player: FramePlayer | None = None
        self.screen: Screen
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        if self.is_ale and layout is not None:
            raise InputError(
                f"layout {layout!r} is for image observations: the emulator's screen needs none"
            )
        if self.is_ale:
            self._make_ale(skips_inside=not max_pool)
            self.game = env_kwargs.get("game", spec.kwargs.get("game"))
        else:
            self._make_with_images()
        self._screens = [self.screen]
        self._noop_max, self._steps_per_noop = 0, 1
        self.action_space = self.env.action_space
        self._standstill = StandstillLimit(max_still_frames, frame_skip)
        self._num_steps = 0
        self._joysticks = Joysticks(self.action_meanings)
        self._last_action: Any = NO_OP
        self.moment: tuple[Any, dict[str, Any]] = (None, {})

    @classmethod
    def of(cls, origin: Origin) -> Self:
        """Make the environment that an origin describes; a frame skip of 0 means the default."""
        return cls(
            origin.env_id or "",
            origin.frame_skip or None,
            origin.max_pool,
            origin.env_kwargs,
            num_pooled=origin.num_pooled,
            max_still_frames=origin.max_still_frames,
            layout=origin.layout,
            sticky=origin.sticky,
        )

    @property
    def action_meanings(self) -> tuple[str, ...]:
        """Name of each discrete action, in order; empty if the actions have no names."""
        return meanings_of(self.env)

    def state(self, spec: StateSpec) -> State:
        """Return the state now, (size,) of the dtype of its description.

        Raises:
            InputError: it has changed its size, or holds other things than finite numbers.
        """
        ram = self.screen.ram() if includes_ram(spec.kind) else None
        if ram is None:
            return spec.of_moment(*self.moment)
        if not spec.adds_action:
            return ram
        return with_joysticks(ram, np.array(self._joysticks.of_one(self._last_action), np.uint8))

    def policy_screen(self, preprocessing: Preprocessing) -> Screen:
        """Return a screen that shows what a policy saw in training, next to `screen`, and begin
        episodes as in training. Call it before `reset`: the environment and `screen` may change.
        """
        pools = preprocessing.pools and self.frame_skip > 1
        if pools and self._num_observed == 1:
            self._num_observed = 2
            if self.is_ale:
                self.env.close()
                self._make_ale(skips_inside=False)
        if self.is_ale:
            ale = self.env.unwrapped.ale  # type: ignore[attr-defined]
            screen: Screen = MaximumAleScreen(ale) if pools else AleScreen(ale)
        elif pools:
            screen = PooledImageScreen(self.env, layout=self._layout)
        else:
            screen = ImageScreen(self.env, self._layout) if self._max_pool else self.screen
        self._screens = list({id(each): each for each in (self.screen, screen)}.values())
        self._steps_per_noop = 1 if pools else self._num_repeats
        self._noop_max = preprocessing.noop_max if self.action_meanings[:1] == ("NOOP",) else 0
        return screen

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode. Its first frame is not pooled with an earlier one."""
        observation, info = self.env.reset(seed=seed)
        self._num_steps = 0
        self._last_action = NO_OP
        self._standstill.begin_episode()
        if self.frame_player is not None:
            self.frame_player.begin_episode()
        if self._noop_max:  # as stable-baselines3's NoopResetEnv does
            num = self.env.unwrapped.np_random.integers(1, self._noop_max + 1)
            for _ in range(num * self._steps_per_noop):
                observation, _, terminated, truncated, info = self.env.step(0)
                if terminated or truncated:
                    observation, info = self.env.reset(seed=seed)
        self.moment = observation, info
        for _ in range(self._num_observed):
            self._observe(observation)

    def step(self, action: Any) -> tuple[float, bool, bool]:
        """Repeat an action; return the sum of rewards, terminated and truncated."""
        total = 0.0
        if self.frame_player is not None:
            self.frame_player.begin_step()
        for repeat in range(1, self._num_repeats + 1):
            observation, reward, terminated, truncated = self._play(action)
            total += reward
            if terminated or truncated:
                break
            if repeat > self._num_repeats - self._num_observed:
                self._observe(observation)
        player = self.frame_player
        self._last_action = action if player is None else player.last_action
        self._num_steps += 1
        if self._num_steps == self._max_steps:
            truncated = True
        if not (terminated or truncated):
            truncated = self._standstill.is_reached(self.screen, total)
        return total, bool(terminated), bool(truncated)

    def close(self) -> None:
        self.env.close()

    def _play(self, action: Any) -> tuple[Any, float, bool, bool]:
        """Play a step of the environment; return observation, reward, terminated and truncated."""
        if self.frame_player is None:
            observation, reward, terminated, truncated, info = self.env.step(action)
            self.moment = observation, info
            return observation, float(reward), terminated, truncated
        return (None, *self.frame_player.play(action, self.env.unwrapped.np_random))

    def _make_ale(self, *, skips_inside: bool) -> None:
        """Make an ALE environment. Unless it skips frames itself, each of them can be observed."""
        skips_inside = skips_inside and self._sticky is None
        self._num_repeats = 1 if skips_inside else self.frame_skip
        frame_skip = self.frame_skip if skips_inside else 1
        kwargs = dict(self._env_kwargs)
        if self._sticky is not None:
            kwargs[_STICKINESS] = 0.0
        self.env = _make(self._spec, obs_type="ram", frameskip=frame_skip, **kwargs)
        ale = self.env.unwrapped.ale  # type: ignore[attr-defined]
        if self._sticky is not None:
            meanings = tuple(self.env.unwrapped.get_action_meanings())  # type: ignore[attr-defined]
            self.frame_player = FramePlayer(ale, meanings, self._sticky)
        pooled = PooledAleScreen(ale, self._num_pooled) if self._max_pool else None
        self.screen = pooled or AleScreen(ale)

    def _make_with_images(self) -> None:
        """Make an environment whose screen is its observations, or else its rendering."""
        self.env = _make_image_env(self._spec, self._env_kwargs, self._layout)
        pooled = None
        if self._max_pool:
            pooled = PooledImageScreen(self.env, self._num_pooled, self._layout)
        self.screen = pooled or ImageScreen(self.env, self._layout)

    def _observe(self, observation: Any) -> None:
        for screen in self._screens:
            screen.observe(observation)


def _check_arguments(
    frame_skip: int, num_pooled: int, env_kwargs: dict[str, Any], *, is_ale: bool
) -> None:
    if frame_skip < 1:
        raise InputError(f"frame_skip must be at least 1, not {frame_skip}")
    if frame_skip > MAX_FRAME_SKIP:
        raise InputError(f"frame_skip must be at most {MAX_FRAME_SKIP}, not {frame_skip}")
    if not 2 <= num_pooled <= MAX_NUM_POOLED:
        raise InputError(f"num_pooled must be from 2 to {MAX_NUM_POOLED}, not {num_pooled}")
    for name in ALE_OWN_KWARGS if is_ale else ("render_mode",):
        if name in env_kwargs:
            raise InputError(f"env_kwargs must leave {name} to the collector, not set it")
    for name, (least, most) in _ALE_RANGES.items() if is_ale else ():
        if name not in env_kwargs or (env_kwargs[name] is None and name != _STICKINESS):
            continue
        value = env_kwargs[name]
        is_number = isinstance(value, int if most > 1 else int | float)
        if not (is_number and least <= value <= most):
            kind = "whole number" if most > 1 else "number"
            raise InputError(f"{name} must be a {kind} from {least} to {most}, not {shown(value)}")


def _own_stickiness(
    spec: gym.envs.registration.EnvSpec, env_kwargs: dict[str, Any]
) -> float | None:
    """Return the probability with which an ALE environment repeats actions; None where the actions
    are continuous.
    """
    kwargs = {**spec.kwargs, **env_kwargs}
    if kwargs.get("continuous"):
        return None
    return float(kwargs.get(_STICKINESS, _ALE_STICKINESS))


def _check_stickiness(sticky: float | None, own: float | None, env_kwargs: dict[str, Any]) -> None:
    if sticky is None:
        return
    if own is None:
        raise InputError("sticky needs a game of ALE with discrete actions: leave it out")
    if not 0 <= sticky <= 1:
        raise InputError(f"sticky must be from 0 to 1, not {sticky}")
    if _STICKINESS in env_kwargs and sticky != own:
        raise InputError(f"sticky must equal {_STICKINESS} ({own}), not {sticky}")


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
    """Return whether a registration is one of ALE's own kind, without further wrappers."""
    return spec.entry_point in _ALE_ENTRY_POINTS and not spec.additional_wrappers


def _take_max_steps(spec: gym.envs.registration.EnvSpec, env_kwargs: dict[str, Any]) -> int | None:
    """Return the limit of an episode in agent steps, and turn off Gymnasium's own limit in
    `env_kwargs`, which counts steps of the environment.

    The limit of a registration other than ALE's stays on, unless `env_kwargs` replaces it.
    """
    name = "max_episode_steps"
    max_steps = env_kwargs.get(name)
    if max_steps is None and is_ale(spec):
        max_steps = spec.max_episode_steps
    if max_steps is None:
        return None
    env_kwargs[name] = -1
    if type(max_steps) is not int or (max_steps < 1 and max_steps != -1):
        raise InputError(
            f"{name} must be a whole number of at least 1 agent step, or -1 for no limit, "
            f"not {shown(max_steps)}"
        )
    return max_steps


def _make_image_env(
    spec: gym.envs.registration.EnvSpec, env_kwargs: dict[str, Any], layout: str | None
) -> gym.Env[Any, Any]:
    """Make an environment with image observations, or else with rendering as its image."""
    env = _make(spec, **env_kwargs)
    try:
        with warnings.catch_warnings(
            action="ignore", category=LayoutGuessWarning
        ):  # repeated later
            ImageScreen(env, layout)
    except InputError:
        if layout is not None or "rgb_array" not in env.metadata.get("render_modes", ()):
            raise
        warn_of_images_without_layout(env.observation_space, "what render() returns is stored")
        env.close()
        return _make(spec, render_mode="rgb_array", **env_kwargs)
    return env


def _make(spec: gym.envs.registration.EnvSpec, **kwargs: Any) -> gym.Env[Any, Any]:
    try:
        return gym.make(spec, disable_env_checker=True, **kwargs)
    except (gym.error.Error, ImportError, TypeError, RuntimeError) as error:
        reason = _refused_setting(spec, kwargs) if is_ale(spec) else None
        reason = reason or one_line(error)
        raise InputError(f"environment {spec.id} cannot be made: {reason}") from error


def _refused_setting(spec: gym.envs.registration.EnvSpec, kwargs: dict[str, Any]) -> str | None:
    """Name a mode or difficulty that the game does not have, and those that it has."""
    rom = ale_py.roms.get_rom_path(str(kwargs.get("game", spec.kwargs.get("game"))))
    if rom is None:
        return None
    ale = ale_py.ALEInterface()
    ale.loadROM(rom)
    known = {"mode": ale.getAvailableModes(), "difficulty": ale.getAvailableDifficulties()}
    for name, values in known.items():
        value = kwargs.get(name)
        if value is not None and value not in values:
            listed = ", ".join(str(each) for each in values)
            return f"{name} must be one of {listed}, not {shown(value)}"
    return None
