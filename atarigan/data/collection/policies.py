"""Who decides what to do while frames are collected: named policies, and chance in their place."""

import copy
import importlib
import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.model_policy import ModelPolicy, named_model
from atarigan.data.collection.screen import Screen
from atarigan.data.collection.scripted import PaddlePlayer, scripted_game
from atarigan.errors import InputError, did_you_mean

NAMES = ("random", "scripted", "sb3:ALGO:FILE.zip", "module:function")


class Policy(Protocol):
    """Chooses an action at each agent step."""

    def begin_episode(self) -> None:
        """The next screen is an episode's first."""

    def act(self, screen: Screen) -> Any:
        """An action of the environment's action space."""


PolicyMaker = Callable[[np.random.Generator], Policy]


def policy_maker(name: str, env: AgentSteps) -> PolicyMaker:
    """What makes the named policy out of the generator that all its chance comes from.

    Args:
        name: "random"; "scripted"; "sb3:ALGO:FILE.zip", a stable-baselines3 model, whose file is
            trusted (loading one can run code that it holds); or "module:function", called as
            `function(frame_rgb, ram, action_space, rng)` with uint8 (H, W, 3) and (bytes,) or None,
            which returns an action. Modules are looked for in the current folder too.
        env: the environment to act in.

    Raises:
        InputError: no such policy, or not for this environment. Of a model, some reasons only show
            when it is made.
    """
    kind, _, rest = name.partition(":")
    if name == "random":
        return partial(RandomPolicy, env.action_space)
    if name == "scripted":
        return partial(PaddlePlayer, scripted_game(env), env.action_meanings)
    if kind == "sb3":
        algorithm, file = named_model(name)
        return partial(ModelPolicy, algorithm, file, env)
    if kind and rest:
        return partial(FunctionPolicy, name, _imported(kind, rest), env.action_space)
    raise InputError(f"unknown policy {name!r}: {did_you_mean(name, NAMES)}")


class RandomPolicy:
    """Draws every action uniformly from the action space."""

    def __init__(self, action_space: gym.Space[Any], rng: np.random.Generator) -> None:
        self._action_space = copy.deepcopy(action_space)
        self._action_space.seed(int(rng.integers(2**31)))

    def begin_episode(self) -> None:
        """Nothing is remembered."""

    def act(self, screen: Screen) -> Any:
        return self._action_space.sample()


class FunctionPolicy:
    """Asks a function; see `policy_maker`.

    Raises:
        InputError: from `act`, where the function's answer is no action.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        action_space: gym.Space[Any],
        rng: np.random.Generator,
    ) -> None:
        self._name = name
        self._function = function
        self._action_space = action_space
        self._rng = rng

    def begin_episode(self) -> None:
        """The function is not told."""

    def act(self, screen: Screen) -> Any:
        action = self._function(screen.rgb(), screen.ram(), self._action_space, self._rng)
        if isinstance(self._action_space, gym.spaces.Box):
            action = np.asarray(action, self._action_space.dtype)
        if not self._action_space.contains(action):
            raise InputError(
                f"policy {self._name!r} must return an action of {self._action_space}, "
                f"not {action!r}"
            )
        return action


class EpsilonMixture:
    """Acts at random with probability epsilon; the policy sees every screen all the same.

    Args:
        policy: acts otherwise.
        epsilon: from 0 to 1.
        action_space: of the random actions.
        rng: decides.
        varies: whether each episode has a probability of its own, so that some go well and others
            badly: epsilon times the third power of a number that is uniform from 0 to 1, because
            what good games show is rare, and bad ones are soon over.
    """

    def __init__(
        self,
        policy: Policy,
        epsilon: float,
        action_space: gym.Space[Any],
        rng: np.random.Generator,
        varies: bool = False,
    ) -> None:
        self._policy = policy
        self._explorer = RandomPolicy(action_space, rng)
        self._most = self._epsilon = epsilon
        self._rng = rng
        self._varies = varies

    def begin_episode(self) -> None:
        self._policy.begin_episode()
        if self._varies:
            self._epsilon = self._most * self._rng.random() ** 3

    def act(self, screen: Screen) -> Any:
        action = self._policy.act(screen)
        if self._rng.random() < self._epsilon:
            return self._explorer.act(screen)
        return action


def _imported(module_name: str, function_name: str) -> Callable[..., Any]:
    name = f"{module_name}:{function_name}"
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except (ImportError, SyntaxError) as error:
        raise InputError(f"policy {name!r} cannot be loaded: {error}") from None
    function = getattr(module, function_name, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise InputError(
            f"policy {name!r}: {module_name} has no function {function_name!r}: "
            f"{did_you_mean(function_name, names)}"
        )
    checked: Callable[..., Any] = function
    return checked
