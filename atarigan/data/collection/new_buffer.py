"""A new buffer that fits what an environment shows and how it is acted on."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

import gymnasium as gym

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import ActionDtype, Origin
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.policies import policy_maker
from atarigan.data.collection.screen import Screen
from atarigan.errors import InputError, did_you_mean
from atarigan.images.pixels import FormatName, FrameFormat


def create_buffer(
    path: Path,
    origin: Origin,
    *,
    format_name: str = "gray",
    size: tuple[int, int] | None = (84, 84),
    capacity: int,
    num_envs: int = 1,
    stores_frames: bool = True,
) -> FrameBuffer:
    """An empty buffer for frames of the environment that `origin` names, to `collect` into.

    Args:
        path: a folder that does not exist yet or is empty.
        origin: what is to be collected. What it leaves open is filled in: policy random, seed 0,
            the environment's usual frame skip, the meanings of its actions.
        format_name: what is stored of the screen.
        size: (height, width) of the stored frames; None means the environment's own.
        capacity: steps kept, shared out among `num_envs` processes.
        stores_frames: false stores the console's memory alone.

    Raises:
        InputError: environment, policy or format are unknown or do not fit one another.
    """
    policy = origin.policy or "random"
    with contextlib.closing(
        AgentSteps(
            origin.env_id or "", origin.frame_skip or None, origin.max_pool, origin.env_kwargs
        )
    ) as env:
        policy_maker(policy, env)
        frame_format = screen_format(env.screen, format_name, size)
        action_dtype, action_shape = actions_column(env.action_space)
        ram = env.screen.ram()
        if ram is None and not stores_frames:
            raise InputError(f"without frames there is nothing to store of {origin.env_id}: no ALE")
        return FrameBuffer.create(
            path,
            capacity,
            frame_format.shape,
            frame_format=frame_format,
            num_writers=num_envs,
            action_dtype=action_dtype,
            action_shape=action_shape,
            ram_size=0 if ram is None else len(ram),
            stores_frames=stores_frames,
            origin=replace(
                origin,
                policy=policy,
                seed=origin.seed or 0,
                frame_skip=env.frame_skip,
                action_meanings=env.action_meanings,
            ),
        )


def screen_format(screen: Screen, format_name: str, size: tuple[int, int] | None) -> FrameFormat:
    """How a screen is stored.

    Args:
        format_name: "gray", "rgb" or "palette".
        size: (height, width); None means the screen's own.

    Raises:
        InputError: an unknown format, a size below 1, or a palette where the screen has none.
    """
    if format_name not in get_args(FormatName):
        hint = did_you_mean(format_name, get_args(FormatName))
        raise InputError(f"unknown frame format {format_name!r}: {hint}")
    height, width = size or (screen.height, screen.width)
    palette = screen.palette_name() if format_name == "palette" else None
    if format_name == "palette" and palette is None:
        raise InputError("frame format palette needs an ALE environment, which this is not")
    return FrameFormat(cast(FormatName, format_name), height, width, palette)


def actions_column(space: gym.Space[object]) -> tuple[ActionDtype, tuple[int, ...]]:
    """dtype and row shape of stored actions: int64 of whole numbers, float32 of others.

    Raises:
        InputError: a space whose actions are not one array or number.
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
