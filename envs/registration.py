"""The environment atarigan/Generated-v0: any environment with generated observations."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import ale_py  # noqa: F401  (registers ALE's environments)
import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv

from atarigan.data.collection.agent_steps import find_spec
from atarigan.errors import InputError
from atarigan.models import shipped
from atarigan.models.latent_stream import Decoder

from .generated_observation import GeneratedObservation
from .generated_vector_observation import GeneratedVectorObservation
from .generation_options import GenerationOptions
from .json_spec import json_spec
from .observation_stream import load_generator
from .vector_api import autoreset_mode_named

_WRAPPER_OPTIONS = {field.name for field in fields(GenerationOptions)}


class GeneratedEnv(GeneratedObservation):
    """The environment of atarigan/Generated-v0; its spec has that id and no extra wrapper."""

    @property
    def spec(self) -> EnvSpec | None:  # type: ignore[override]  # Wrapper has a property too
        return json_spec(self.env.unwrapped.spec)


class GeneratedVectorEnv(GeneratedVectorObservation):
    """The vector environment of atarigan/Generated-v0."""

    @property
    def spec(self) -> EnvSpec | None:  # type: ignore[override]  # VectorWrapper has a property too
        return json_spec(self.env.unwrapped.spec)


def make_generated(
    generator: Decoder | str | Path | None = None,
    env_id: str | None = "ALE/Breakout-v5",
    env_kwargs: dict[str, Any] | None = None,
    **kwargs: Any,
) -> gym.Env[Any, Any]:
    """Make atarigan/Generated-v0; the entry point for `gymnasium.make`.

    Args:
        generator: a FrameGenerator, what `FrameGenerator.load` takes, or a .onnx file. None takes
            the shipped generator of the game.
        env_id: the environment whose observations are replaced.
        env_kwargs: passed to `gymnasium.make`. Needed only for arguments that have the same name as
            an argument of `GeneratedObservation`, such as ALE's game `mode`.
        kwargs: arguments of `GeneratedObservation`; all others are passed to `gymnasium.make`.

    Raises:
        InputError: generator is None and none is shipped for the game; or as for
            `GeneratedObservation`.
    """
    if env_id is None:
        raise InputError(
            "env_id must name an environment for gymnasium.make, not None: use gymnasium.make_vec "
            "without vectorization_mode"
        )
    generator = _generator_for(generator, env_id)
    options, rest = _split(kwargs)
    return GeneratedEnv(gym.make(env_id, **rest, **(env_kwargs or {})), generator, **options)


def make_generated_vec(
    num_envs: int = 1,
    generator: Decoder | str | Path | None = None,
    env_id: str | None = "ALE/Breakout-v5",
    env_kwargs: dict[str, Any] | None = None,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    vector_kwargs: dict[str, Any] | None = None,
    **kwargs: Any,
) -> VectorEnv[Any, Any, Any]:
    """Make a vector of atarigan/Generated-v0; the entry point for `gymnasium.make_vec`.

    It is a SyncVectorEnv in a `GeneratedVectorObservation`, or with `env_id=None` a
    `WalkingVectorEnv`.

    Args:
        num_envs: the number of sub-environments.
        generator, env_id, env_kwargs: as for `make_generated`.
        autoreset_mode: when a new episode begins, an `AutoresetMode` or its value.
        vector_kwargs: other arguments of the vector environment. `gymnasium.make_vec` passes its
            own `vector_kwargs` only with vectorization_mode "sync" or "async".
        kwargs: arguments of `GeneratedVectorObservation`; all others are passed to
            `gymnasium.make_vec`. With `env_id=None`, arguments of `WalkingVectorEnv`.

    Raises:
        InputError: generator is None and none is shipped for the game; `autoreset_mode` is unknown;
            or as for the two classes.
    """
    vector_kwargs = {"autoreset_mode": autoreset_mode, **(vector_kwargs or {})}
    vector_kwargs["autoreset_mode"] = autoreset_mode_named(vector_kwargs["autoreset_mode"])
    if env_id is None:
        if generator is None:
            raise InputError(
                "env_id=None needs a generator, or what FrameGenerator.load takes, not None"
            )
        from .walking_vector_env import WalkingVectorEnv

        arguments = {**(env_kwargs or {}), **vector_kwargs, **kwargs}
        return WalkingVectorEnv(generator, num_envs, **arguments)  # type: ignore[arg-type]
    generator = _generator_for(generator, env_id)
    options, rest = _split(kwargs)
    envs = gym.make_vec(env_id, num_envs, "sync", vector_kwargs, **rest, **(env_kwargs or {}))
    return GeneratedVectorEnv(envs, generator, **options)


def _generator_for(generator: Decoder | str | Path | None, env_id: str) -> Decoder:
    """Load a generator; before the emulator, so that its greeting is not above an error."""
    spec = find_spec(env_id)
    return load_generator(shipped.for_environment(spec) if generator is None else generator)


def _split(kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of the wrapper and those of the environment."""
    options = {name: value for name, value in kwargs.items() if name in _WRAPPER_OPTIONS}
    return options, {name: value for name, value in kwargs.items() if name not in options}


# gymnasium.make reads the render modes here, and adds HumanRendering for "human"
setattr(make_generated, "metadata", {"render_modes": ["rgb_array"], "render_fps": 30})  # noqa: B010
