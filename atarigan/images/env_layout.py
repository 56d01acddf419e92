"""Layouts of the observations of environments, as their wrappers made them."""

import math
from typing import Any

import gymnasium as gym
from gymnasium.vector import VectorWrapper
from gymnasium.wrappers import FrameStackObservation

from atarigan.images.layout import (
    ImageLayout,
    guessed_layout,
    layout_of_space,
    layout_with_axes,
    transposed,
)

# These return a single new frame, independent of the observations inside them.
_NEW_FRAME = {"AtariPreprocessing", "WarpFrame", "AddRenderObservation"}
# These stack frames themselves, in front.
_STACKED = {"AtariVectorEnv", "DreamEnv", "DreamVectorEnv"}


def layout_of_env(env: Any, axes: str | None = None) -> ImageLayout | None:
    """Return the layout of an environment's observations, or None if they are not images.

    Without `axes`, the layout follows from the wrappers, those of sub-environments included: they
    may stack frames, in front (`FrameStackObservation`) or along the colors (`VecFrameStack`), turn
    them gray, or transpose them. (H, W, 3) without a stack is an RGB frame. Where the wrappers are
    ambiguous, the layout is guessed from the shape with a warning, as in `layout_of_space`.

    Args:
        env: an environment or a vector of them, of Gymnasium or stable-baselines3.
        axes: as in `ImageLayout.axes`.

    A stack of stacks has no layout, and neither have RGB frames in two axes (`ReshapeObservation`).

    Raises:
        InputError: `axes` does not fit the observations.
    """
    if axes is not None:
        return layout_of_space(_space_of(env), axes)
    try:
        known = _known_layout(env)
    except _NoLayoutError:
        return None
    return known or guessed_layout(_space_of(env), expects_rgb=_inner(env) is None)


class _NoLayoutError(Exception):
    """A wrapper arranged frames in a way that no layout describes."""


def _space_of(env: Any) -> gym.Space[Any]:
    space: gym.Space[Any] = getattr(env, "single_observation_space", None) or env.observation_space
    return space


def _inner(env: Any) -> Any:
    """Return the environment that a wrapper wraps, or the first of a vector's; else None."""
    if isinstance(env, (gym.Wrapper, VectorWrapper)):
        return env.env
    if hasattr(env, "venv"):  # a wrapper of stable-baselines3, which is not imported for this
        return env.venv
    envs = vars(env).get("envs")
    return envs[0] if envs else None


def _known_layout(env: Any) -> ImageLayout | None:
    """Return the layout that the wrappers determine; None if it is ambiguous, or without images.

    Raises _NoLayoutError if there are images, and no layout describes them.
    """
    space = _space_of(env)
    names = {cls.__name__ for cls in type(env).__mro__}
    inner = _inner(env)
    if inner is None:
        return _layout_of_frames_in(space, is_stacked=_stacks_inside(env, names))
    if names & _NEW_FRAME:
        return _layout_of_frames_in(space, is_stacked=False)
    before = _known_layout(inner)
    is_stack = any("Stack" in name for name in names)
    if before is not None:
        axes = _axes_after(before, space.shape or (), is_stack)
        return None if axes is None else layout_with_axes(space, axes)
    inner_shape = _space_of(inner).shape
    if is_stack and inner_shape is not None and len(inner_shape) == 1:
        raise _NoLayoutError  # of vectors, such as RAM
    is_image_inside = inner_shape is not None and len(inner_shape) > 1
    return None if is_image_inside else _layout_of_frames_in(space, is_stacked=False)


def _stacks_inside(env: Any, names: set[str]) -> bool:
    """Return whether an environment that is no wrapper stacks frames in front."""
    if names & _STACKED:
        return True
    if "AsyncVectorEnv" in names:
        return bool(all(env.call("has_wrapper_attr", "stack_size")))
    if "SubprocVecEnv" in names:
        return all(env.env_is_wrapped(FrameStackObservation))
    return False


def _layout_of_frames_in(space: gym.Space[Any], *, is_stacked: bool) -> ImageLayout | None:
    """Return the layout of gray (H, W) or of (H, W, 1 or 3), with a stack in front or without."""
    shape = space.shape or ()
    sizes = shape[1:] if is_stacked else shape
    axes = {2: "HW", 3: "HWC"}.get(len(sizes))
    if axes == "HWC" and sizes[2] not in (1, 3):
        axes = "CHW" if is_stacked and sizes[0] in (1, 3) else None
    return None if axes is None else layout_with_axes(space, "K" * is_stacked + axes)


def _axes_after(before: ImageLayout, shape: tuple[int, ...], is_stack: bool) -> str | None:
    """Return the axes of a wrapper's observations; None if they are ambiguous.

    Raises _NoLayoutError if they are neither.

    Args:
        before: the layout of the observations inside the wrapper.
        shape: the shape of the wrapper's.
        is_stack: whether the wrapper is known to stack frames.
    """
    axes, sizes = before.axes, before.shape
    if shape == sizes:
        return axes
    if shape[1:] == sizes:
        if before.num_stack > 1:
            raise _NoLayoutError
        return None if "K" in axes else "K" + axes
    if len(shape) == 2 and before.num_stack == 1:
        if before.num_channels > 1 and math.prod(shape) == math.prod(sizes):
            raise _NoLayoutError  # colors in the rows
        return "HW"
    if len(shape) != 3 or len(sizes) > 3:
        return None
    if len(sizes) == 2:  # gray frames with a new last axis
        if shape[:2] != sizes or (shape[2] == 3 and not is_stack):  # 3 may be RGB
            return None
        return "HWC" if shape[2] == 1 else "HWK"
    is_last = axes.startswith("HW")
    if shape == ((sizes[2], *sizes[:2]) if is_last else (*sizes[1:], sizes[0])):
        return transposed(axes)
    return _axes_after_color_change(before, shape[2] if is_last else shape[0], is_stack)


def _axes_after_color_change(before: ImageLayout, size: int, is_stack: bool) -> str | None:
    """Return the axes after a wrapper changed the size of the axis of colors and stack."""
    is_last = before.axes.startswith("HW")
    old_size = before.shape[-1 if is_last else 0]
    if size == old_size:
        return before.axes  # a resized frame
    if size == 1 and before.num_stack == 1:
        return "HWC" if is_last else "CHW"
    if size % old_size or before.num_channels == 4:
        return None
    if before.num_channels == 3:
        return "HWKC" if is_last else "KCHW"
    if size == 3 and not is_stack:  # a stack of gray frames, or RGB
        return None
    return "HWK" if is_last else "KHW"
