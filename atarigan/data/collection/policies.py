"""Policies that act during collection, and random actions in their place."""

import copy
import importlib
import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.model_policy import ModelPolicy, named_model
from atarigan.data.collection.policy import Policy
from atarigan.data.collection.screen import Screen
from atarigan.data.collection.scripted.scripts import script_of
from atarigan.errors import InputError, did_you_mean

NAMES = ("random", "scripted", "sb3:ALGO:FILE.zip", "module:function")


PolicyMaker = Callable[[np.random.Generator], Policy]


def policy_maker(
    name: str, env: AgentSteps, preprocessing: str | None = None, axes: str | None = None
) -> PolicyMaker:
    """Return a function that makes the named policy from a random generator.

    Args:
        name: "random"; "scripted"; "sb3:ALGO:FILE.zip", a stable-baselines3 model, whose file must
            be trusted because loading can run code; or "module:function", called as
            `function(frame_rgb, state, action_space, rng)` with uint8 (H, W, 3) and the RAM uint8
            (bytes,), or else the observation if it is a vector, float32 (size,), or else None,
            which returns an action. Modules are also searched for in the current folder.
        env: the environment to act in. Reset it after a policy was made.
        preprocessing: of a model's training; see `ModelPolicy`.
        axes: layout of a model's observations; see `ModelPolicy`.

    Raises:
        InputError: an unknown policy, or one that cannot play this environment. Errors in a model's
            file are raised when the policy is made.
    """
    kind, _, rest = name.partition(":")
    if kind != "sb3" and (preprocessing or axes):
        raise InputError(
            f"preprocessing and layout are those of a model, sb3:ALGO:FILE.zip, not of {name!r}"
        )
    if name == "random":
        return partial(RandomPolicy, env.action_space)
    if name == "scripted":
        return partial(script_of(env).player, env.action_meanings)
    if kind == "sb3":
        algorithm, file = named_model(name)
        return partial(ModelPolicy, algorithm, file, env, preprocessing=preprocessing, axes=axes)
    if kind and rest:
        return partial(FunctionPolicy, name, _imported(kind, rest), env.action_space)
    raise InputError(f"unknown policy {name!r}: {did_you_mean(name, NAMES)}")


class RandomPolicy(Policy):
    """Draws every action uniformly from the action space."""

    def __init__(self, action_space: gym.Space[Any], rng: np.random.Generator) -> None:
        self._action_space = copy.deepcopy(action_space)
        self._action_space.seed(int(rng.integers(2**31)))

    def act(self, screen: Screen) -> Any:
        return self._action_space.sample()


class FunctionPolicy(Policy):
    """Calls a function for each action; see `policy_maker`.

    Raises:
        InputError: from `act`, if the function does not return an action.
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

    def act(self, screen: Screen) -> Any:
        action = self._function(screen.rgb(), screen.state(), self._action_space, self._rng)
        if isinstance(self._action_space, gym.spaces.Box):
            action = np.asarray(action, self._action_space.dtype)
        if not self._action_space.contains(action):
            raise InputError(
                f"policy {self._name!r} must return an action of {self._action_space}, "
                f"not {action!r}"
            )
        return action


class EpsilonMixture:
    """Acts at random with probability epsilon, otherwise by a policy, which sees every screen.

    Args:
        policy: acts otherwise.
        epsilon: from 0 to 1.
        action_space: of the random actions.
        rng: source of randomness.
        varies: draw the probability anew for each episode, as epsilon · U[0, 1)³. The power keeps
            most of them low, because badly played episodes are short.
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
