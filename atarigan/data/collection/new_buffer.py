"""Create a buffer that fits the frames and actions of an environment."""

import contextlib
import warnings
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

import gymnasium as gym

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import ActionDtype, Origin
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.env_states import state_spec, usual_state
from atarigan.data.collection.model_file import ModelFile
from atarigan.data.collection.model_policy import (
    named_model,
    trained_preprocessing,
    training_differences,
)
from atarigan.data.collection.policies import policy_maker
from atarigan.data.collection.screen import Screen
from atarigan.errors import InputError, did_you_mean
from atarigan.images.pixels import FormatName, FrameFormat

MAX_PIXELS = 1 << 26  # larger than any screen; the processes hold several frames in memory


def create_buffer(
    path: Path,
    origin: Origin,
    *,
    format_name: str = "gray",
    size: tuple[int, int] | None = (84, 84),
    capacity: int,
    num_envs: int = 1,
    stores_frames: bool = True,
    condition: str | None = None,
) -> FrameBuffer:
    """Create an empty buffer for the environment that `origin` names, to `collect` into.

    Args:
        path: a folder that does not exist yet or is empty.
        origin: what to collect. Missing settings are filled in: policy random, seed 0, the default
            frame skip, the meanings of the actions, and how sticky ALE's discrete actions are.
        format_name: "gray", "rgb" or "palette".
        size: (height, width) of the stored frames; None means the environment's own size.
        capacity: steps to keep, divided among the processes.
        num_envs: processes that will collect.
        stores_frames: false stores states without frames.
        condition: the kind of state to store, "ram", "observation", "info:KEY" or "none"; None
            means RAM, or else a vector observation, or else none.

    Raises:
        InputError: environment, policy, format or condition are unknown, or do not fit each other.
    """
    policy = origin.policy or "random"
    if origin.vary_epsilon and origin.epsilon == 0:
        raise InputError("vary_epsilon draws from 0 to epsilon, which must be above 0, not 0.0")
    with contextlib.closing(AgentSteps.of(origin)) as env:
        preprocessing = _policy_preprocessing(policy, env, origin)
        frame_format = screen_format(env.screen, format_name, size)
        action_dtype, action_shape = actions_column(env.action_space)
        kind = usual_state(env) if condition is None else condition
        state = state_spec(env, kind, str(origin.env_id))
        if state is None and not stores_frames:
            raise InputError(
                "a buffer without frames needs an environment with a state: ALE's RAM, a vector "
                f"observation or --condition info:KEY, which {origin.env_id} is stored without"
            )
        return FrameBuffer.create(
            path,
            capacity,
            frame_format.shape,
            frame_format=frame_format,
            num_writers=num_envs,
            action_dtype=action_dtype,
            action_shape=action_shape,
            state=state,
            stores_frames=stores_frames,
            origin=replace(
                origin,
                policy=policy,
                policy_preprocessing=preprocessing,
                seed=origin.seed or 0,
                frame_skip=env.frame_skip,
                action_meanings=env.action_meanings,
                sticky=env.own_stickiness if origin.sticky is None else origin.sticky,
            ),
        )


def _policy_preprocessing(policy: str, env: AgentSteps, origin: Origin) -> str | None:
    """Check that a policy can play; return the preprocessing that it was trained with, if it is a
    model, and else the origin's. Warns where a model was trained with other settings.

    Raises:
        InputError: the policy is unknown or damaged, or does not fit the environment.
    """
    preprocessing, axes = origin.policy_preprocessing, origin.policy_layout
    policy_maker(policy, env, preprocessing, axes)
    if not policy.startswith("sb3:"):
        return preprocessing
    algorithm, policy_path = named_model(policy)
    file = ModelFile.read(policy_path, algorithm)
    trained = trained_preprocessing(file, env, preprocessing)
    for each in training_differences(file, env, origin.env_id or "", trained, axes):
        warnings.warn(each, stacklevel=3)
    return trained.name


def screen_format(screen: Screen, format_name: str, size: tuple[int, int] | None) -> FrameFormat:
    """Return the format in which to store a screen.

    Args:
        format_name: "gray", "rgb" or "palette".
        size: (height, width); None means the screen's own size.

    Raises:
        InputError: an unknown format, a size below 1, or "palette" for a screen without palette.
    """
    if format_name not in get_args(FormatName):
        hint = did_you_mean(format_name, get_args(FormatName))
        raise InputError(f"unknown frame format {format_name!r}: {hint}")
    height, width = size or (screen.height, screen.width)
    if height * width > MAX_PIXELS:
        raise InputError(f"a frame must have at most {MAX_PIXELS} pixels, not {height}x{width}")
    palette = screen.palette_name() if format_name == "palette" else None
    if format_name == "palette" and palette is None:
        raise InputError(
            "frame format palette needs an ALE environment without wrappers, which this is not"
        )
    return FrameFormat(cast(FormatName, format_name), height, width, palette)


def actions_column(space: gym.Space[object]) -> tuple[ActionDtype, tuple[int, ...]]:
    """Return dtype and row shape of stored actions.

    Raises:
        InputError: the actions are neither numbers nor arrays.
    """
    if isinstance(space, gym.spaces.Box):
        return "float32", space.shape
    if isinstance(space, gym.spaces.Discrete):
        return "int64", ()
    if isinstance(space, (gym.spaces.MultiDiscrete, gym.spaces.MultiBinary)):
        return "int64", space.shape
    raise InputError(
        f"actions must be Discrete, MultiDiscrete, MultiBinary or Box to be stored, not {space}"
    )
