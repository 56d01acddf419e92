"""The environment atarigan/Generated-v0: any environment, seen through a generator."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import ale_py  # noqa: F401  (registers ALE's environments)
import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import VectorEnv

from atarigan.data.collection.agent_steps import find_spec
from atarigan.errors import InputError
from atarigan.models import shipped
from atarigan.models.latent_stream import Decoder

from .generated import GeneratedObservation
from .generation_options import GenerationOptions
from .vector import GeneratedVectorObservation

_WRAPPER_OPTIONS = {field.name for field in fields(GenerationOptions)} | {"render"}


class GeneratedEnv(GeneratedObservation):
    """What `gymnasium.make` returns: the id in its spec stands for environment and wrapper."""

    @property
    def spec(self) -> EnvSpec | None:  # type: ignore[override]  # Wrapper's too is a property
        return self.env.unwrapped.spec


def make_generated(
    generator: Decoder | str | Path | None = None,
    env_id: str | None = "ALE/Breakout-v5",
    env_kwargs: dict[str, Any] | None = None,
    **kwargs: Any,
) -> gym.Env[Any, Any]:
    """The entry point of atarigan/Generated-v0.

    Args:
        generator: a FrameGenerator, a run or checkpoint folder to load one from, or the name of one
            that comes with atarigan; None means that for the game.
        env_id: the environment whose observations are replaced.
        env_kwargs: passed to `gymnasium.make` with that id; the only way for what
            `GeneratedObservation` has an argument of the same name for, such as ALE's game mode.
        kwargs: the arguments of `GeneratedObservation`; all others go to `gymnasium.make`.

    Raises:
        InputError: no generator is named, and none is shipped for the game; else as for
            `GeneratedObservation`.
    """
    if env_id is None:
        raise InputError("env_id=None, frames without a game, is for gymnasium.make_vec")
    generator = _generator_for(generator, env_id)
    options, rest = _split(kwargs)
    return GeneratedEnv(gym.make(env_id, **rest, **(env_kwargs or {})), generator, **options)


def make_generated_vec(
    num_envs: int = 1,
    generator: Decoder | str | Path | None = None,
    env_id: str | None = "ALE/Breakout-v5",
    env_kwargs: dict[str, Any] | None = None,
    **kwargs: Any,
) -> VectorEnv[Any, Any, Any]:
    """What `gymnasium.make_vec` returns for atarigan/Generated-v0: the games of a SyncVectorEnv,
    generated in one call a step, or with `env_id=None` a `WalkingVectorEnv`.

    Args:
        num_envs: sub-environments.
        generator, env_id, env_kwargs: as for `make_generated`.
        kwargs: the arguments of `GeneratedVectorObservation`, all others go to
            `gymnasium.make_vec`; or the arguments of `WalkingVectorEnv`.

    Raises:
        InputError: no generator is named, and none is shipped for the game; else as for these two.
    """
    if env_id is None:
        if generator is None:
            raise InputError("env_id=None needs a generator: a run's folder, or a shipped name")
        from .walking_vector_env import WalkingVectorEnv

        return WalkingVectorEnv(generator, num_envs, **(env_kwargs or {}), **kwargs)  # type: ignore[arg-type]
    generator = _generator_for(generator, env_id)
    options, rest = _split(kwargs)
    envs = gym.make_vec(env_id, num_envs, "sync", **rest, **(env_kwargs or {}))
    return GeneratedVectorObservation(envs, generator, **options)


def _generator_for(generator: Decoder | str | Path | None, env_id: str) -> Decoder | str | Path:
    return shipped.for_environment(find_spec(env_id)) if generator is None else generator


def _split(kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The wrapper's arguments, and those of the environment."""
    options = {name: value for name, value in kwargs.items() if name in _WRAPPER_OPTIONS}
    return options, {name: value for name, value in kwargs.items() if name not in options}


# gymnasium.make reads here which render modes there are, and adds HumanRendering for "human"
setattr(make_generated, "metadata", {"render_modes": ["rgb_array"], "render_fps": 30})  # noqa: B010
