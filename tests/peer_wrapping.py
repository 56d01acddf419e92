"""The pytest plugin of `tests.peer_suites`: peers' tests get wrapped environments.

It is loaded by its bare name, because peers have a package `tests` of their own. ATARIGAN_PEER_WRAP
names what is put around environments: "idle" (a wrapper that changes nothing) or "generated" (the
wrappers of atarigan.envs in mode "info", which leave observations as they are). Each test adds a
line to $ATARIGAN_PEER_OUTCOMES when it starts, and one with its outcome when it ends, so that a
file that is cut off keeps its outcomes.
"""

import contextlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ale_py.vector_env
import gymnasium as gym
import pytest
import stable_baselines3.common.vec_env as sb3
from gymnasium.vector import VectorWrapper

from atarigan.envs import GeneratedObservation, GeneratedVecEnv, GeneratedVectorObservation

with contextlib.suppress(ImportError):
    importlib.import_module("minari")  # the installed one, before the checkout's is found

IS_IDLE = os.environ["ATARIGAN_PEER_WRAP"] == "idle"
GENERATOR = os.environ["ATARIGAN_PEER_GENERATOR"]


def record(name: str, outcome: str) -> None:
    with Path(os.environ["ATARIGAN_PEER_OUTCOMES"]).open("a") as file:
        file.write(f"{name.encode('unicode_escape').decode()}\t{outcome}\n")


def pytest_runtest_logstart(nodeid: str) -> None:
    record(nodeid, "")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or not report.passed:
        record(
            report.nodeid, "error" if report.failed and report.when != "call" else report.outcome
        )


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if not report.passed:
        record(report.nodeid, "error" if report.failed else "skipped")


class Idle(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)


class IdleVecEnv(sb3.VecEnvWrapper):
    def reset(self) -> Any:
        return self.venv.reset()

    def step_wait(self) -> Any:
        return self.venv.step_wait()


def wrapped(env: Any) -> Any:
    if env.render_mode not in (None, "rgb_array"):  # refused by design
        return env
    if isinstance(env, sb3.VecEnv):
        return IdleVecEnv(env) if IS_IDLE else GeneratedVecEnv(env, GENERATOR, "info")
    if isinstance(env, gym.vector.VectorEnv):
        if IS_IDLE:
            return VectorWrapper(env)
        if getattr(env, "batch_size", env.num_envs) != env.num_envs:  # refused by design
            return env
        return GeneratedVectorObservation(env, GENERATOR, "info")
    return Idle(env) if IS_IDLE else GeneratedObservation(env, GENERATOR, "info")


class Wrapped(type):
    """Classes that make what they stand for, wrapped; instances are recognized through wrappers."""

    real: Any

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return wrapped(cls.real(*args, **kwargs))

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(getattr(instance, "unwrapped", instance), cls.real)


def stand_in(module: Any, name: str) -> None:
    real = getattr(module, name)
    setattr(module, name, Wrapped(name, (), {"real": real, "__doc__": real.__doc__}))


def made_wrapped(make: Callable[..., Any]) -> Callable[..., Any]:
    def make_and_wrap(*args: Any, **kwargs: Any) -> Any:
        env = make(*args, **kwargs)
        is_wrapped = env.spec and any(  # what is made again of a specification is wrapped already
            each.name in ("Idle", "GeneratedObservation") for each in env.spec.additional_wrappers
        )
        return env if is_wrapped else wrapped(env)

    return make_and_wrap


match os.environ["ATARIGAN_PEER_SUITE"]:
    case "single":
        setattr(gym, "make", made_wrapped(gym.make))  # noqa: B010
    case "vector":
        stand_in(gym.vector, "SyncVectorEnv")
        stand_in(gym.vector, "AsyncVectorEnv")
    case "ale-vector":
        setattr(gym, "make_vec", made_wrapped(gym.make_vec))  # noqa: B010
        stand_in(ale_py.vector_env, "AtariVectorEnv")
    case "sb3":
        stand_in(sb3, "DummyVecEnv")
        stand_in(sb3, "SubprocVecEnv")
