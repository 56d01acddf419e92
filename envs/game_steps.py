"""Actions, rewards and ends of the game itself, before wrappers change them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import VectorWrapper
from gymnasium.vector.utils import iterate
from gymnasium.wrappers import DelayObservation, OrderEnforcing

from atarigan.data.joysticks import Joysticks, meanings_of

from .vector_api import AnyVectorWrapper


@dataclass(frozen=True)
class GameStep:
    """What one agent step did to the game.

    Attributes:
        action: the last action that the game received.
        reward: the sum of the game's rewards.
        terminated: whether the game terminated.
        truncated: whether the game truncated the episode.
    """

    action: Any
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False


def game_in(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Return the game inside wrappers: what the id of `gymnasium.make` stands for, or else the
    innermost environment.
    """
    return _parent_and_game(env)[1]


def wrappers_around_game(env: gym.Env[Any, Any]) -> list[gym.Wrapper[Any, Any, Any, Any]]:
    """Return the wrappers of the game, the outermost first, without Gymnasium's own checks."""
    wrappers, game = [], game_in(env)
    while isinstance(env, gym.Wrapper) and env is not game:
        if not isinstance(env, (_NotInSpec, OrderEnforcing)):
            wrappers.append(env)
        env = env.env
    return wrappers


def is_delayed(env: gym.Env[Any, Any]) -> bool:
    """Return whether a wrapper shows observations of earlier steps."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, DelayObservation) and env.delay > 0:
            return True
        env = env.env
    return False


def vector_wrappers(envs: Any) -> list[str]:
    """Return the classes of the wrappers around a vector environment, of Gymnasium or
    stable-baselines3, the outermost first.
    """
    names = []
    while envs is not envs.unwrapped:
        if not isinstance(envs, VectorWatch):
            names.append(type(envs).__name__)
        envs = envs.venv if hasattr(envs, "venv") else envs.env
    return names


class _NotInSpec(gym.Wrapper[Any, Any, Any, Any]):
    """A wrapper that is left out of specifications, so environments made from them lack it, and out
    of descriptions.
    """

    def __str__(self) -> str:
        return str(self.env)

    @property
    def spec(self) -> EnvSpec | None:  # type: ignore[override]  # Wrapper has a property too
        return self.env.spec


class _GameWatch(_NotInSpec):
    """Wraps the game, and sums its steps up until `total` is set to None."""

    total: GameStep | None = None

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        result = self.env.step(action)
        total = self.total or GameStep(action)
        self.total = GameStep(
            action,
            total.reward + float(result[1]),
            total.terminated or bool(result[2]),
            total.truncated or bool(result[3]),
        )
        return result


class WatchedEnv(_NotInSpec):
    """Wraps an environment, and records what its last step did to the game inside.

    Wrappers clip and scale rewards, end episodes early and repeat or change actions. The steps that
    wrappers take within a reset do not count.

    Attributes:
        last: the last step; None before the first, and if a step did not step the game.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.last: GameStep | None = None
        parent, game = _parent_and_game(self)
        self._game = _GameWatch(game)
        parent.env = self._game

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self._game.total = None
        result = self.env.step(action)
        self.last = self._game.total
        return result

    def removed_from(self, env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        """Return `env`, which this is part of, without this wrapper and the one inside."""
        return _without(_without(env, self._game), self)


class JoystickWatch(_NotInSpec):
    """Wraps the game inside wrappers, and remembers the action that it got last.

    Wrappers repeat and change actions, and step the game in their resets. What ALE repeats by
    itself (`repeat_action_probability`) is not seen.

    Attributes:
        joystick: that action as a byte (`atarigan.data.joysticks`); 0 after a reset of the game.
    """

    def __init__(self, game: gym.Env[Any, Any]) -> None:
        super().__init__(game)
        self.joystick = 0
        self._joysticks = Joysticks(meanings_of(game))

    @classmethod
    def in_game_of(cls, wrapper: gym.Wrapper[Any, Any, Any, Any]) -> Self:
        """Return the watch of the game inside a wrapper, or put one there."""
        parent, game = _parent_and_game(wrapper)
        if isinstance(game, cls):
            return game
        parent.env = watch = cls(game)
        return watch

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        self.joystick = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        result = self.env.step(action)
        self.joystick = self._joysticks.of_one(action)
        return result


class VectorWatch(AnyVectorWrapper):
    """Wraps a vector environment inside its vector wrappers, and records its last step."""

    @classmethod
    def around_base_of(cls, wrapper: AnyVectorWrapper) -> Self:
        """Put a watch inside all wrappers of a vector environment, and return it."""
        parent: Any = wrapper
        while isinstance(parent.env, VectorWrapper):
            parent = parent.env
        parent.env = watch = cls(parent.env)
        return watch

    def step(self, actions: Any) -> Any:
        result = self.env.step(actions)
        # copies: outer wrappers may change the arrays
        columns = map(np.array, result[1:4])
        self._last = (list(iterate(self.env.action_space, actions)), *columns)
        return result

    def steps(self) -> Iterator[tuple[Any, Any, Any, Any]]:
        """Yield the last action, reward, termination and truncation of each sub-environment."""
        return zip(*self._last, strict=True)


def _parent_and_game(env: gym.Env[Any, Any]) -> tuple[Any, gym.Env[Any, Any]]:
    """Return the wrapper directly around the game, or None, and the game."""
    parent = None
    while isinstance(env, gym.Wrapper):
        parent, env = env, env.env
        if isinstance(parent, OrderEnforcing):  # `gymnasium.make` puts it around what it made
            break
    return parent, env


def _without(env: gym.Env[Any, Any], wrapper: gym.Wrapper[Any, Any, Any, Any]) -> gym.Env[Any, Any]:
    """Return `env` without a wrapper that is part of it."""
    if env is wrapper:
        return wrapper.env
    outer = env
    while isinstance(outer, gym.Wrapper):
        if outer.env is wrapper:
            outer.env = wrapper.env
            break
        outer = outer.env
    return env
