"""The environment atarigan/Generated-v0: any environment, seen through a generator."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import ale_py  # noqa: F401  (registers ALE's environments)
import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from atarigan import shipped
from atarigan.frames.agent_steps import find_spec

from .generated import GeneratedObservation
from .generation_options import GenerationOptions
from .latents import Decoder

_WRAPPER_OPTIONS = {field.name for field in fields(GenerationOptions)} | {"render"}


class GeneratedEnv(GeneratedObservation):
    """What `gymnasium.make` returns: the id in its spec stands for environment and wrapper."""

    @property
    def spec(self) -> EnvSpec | None:  # type: ignore[override]  # Wrapper's too is a property
        return self.env.unwrapped.spec


def make_generated(
    generator: Decoder | str | Path | None = None,
    env_id: str = "ALE/Breakout-v5",
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
    if generator is None:
        generator = shipped.for_environment(find_spec(env_id))
    options = {name: value for name, value in kwargs.items() if name in _WRAPPER_OPTIONS}
    rest = {name: value for name, value in kwargs.items() if name not in _WRAPPER_OPTIONS}
    return GeneratedEnv(gym.make(env_id, **rest, **(env_kwargs or {})), generator, **options)


# gymnasium.make reads here which render modes there are, and adds HumanRendering for "human"
setattr(make_generated, "metadata", {"render_modes": ["rgb_array"], "render_fps": 30})  # noqa: B010
