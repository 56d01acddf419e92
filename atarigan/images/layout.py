"""Layouts of image observations: which axes are rows, columns, colors and stacked frames."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import FrameFormat, Frames

_CANONICAL_AXES = "KHWC"
_SMALLEST_SIDE = 8  # (4, 128) is a stack of RAM observations, not an image
_LARGEST_VECTOR = 1000  # values of an observation that is no image
_LEVELS = (0.0, 255.0)
_FLOAT_RANGES = ((0.0, 1.0), (-1.0, 1.0), _LEVELS)


@dataclass(frozen=True)
class ImageLayout:
    """The arrangement of K stacked frames of H×W pixels and C colors in an observation.

    `axes` names the axes of an observation in order: K for the stack, oldest frame first, H for
    rows, W for columns, C for colors. A missing letter means a size of 1. If there is one axis
    fewer than letters, K and C share an axis: stable-baselines3's stack of RGB frames (H, W, 3K)
    is "HWKC". A shared axis holds RGB frames if its size is divisible by 3, else RGBA frames.

    Attributes:
        axes: "HW", "HWC", "CHW", "KHW", "HWK", "KHWC", "KCHW" or "HWKC".
        shape: shape of an observation.
        num_stack: K, at least 1.
        height, width: pixels.
        num_channels: C, 1 (gray), 3 (RGB) or 4 (RGBA, whose frames are RGB over black).
        dtype: uint8, or a float type.
        value_range: lowest and highest value, of black and white: 0 and 255 for uint8; for floats
            also 0 and 1, or -1 and 1.
    """

    axes: str
    shape: tuple[int, ...]
    num_stack: int
    height: int
    width: int
    num_channels: int
    dtype: np.dtype[Any]
    value_range: tuple[float, float] = _LEVELS

    @property
    def frame_format(self) -> FrameFormat:
        """Format of one frame."""
        return FrameFormat("gray" if self.num_channels == 1 else "rgb", self.height, self.width)

    @property
    def space(self) -> gym.spaces.Box:
        return gym.spaces.Box(*self.value_range, self.shape, self.dtype.type)

    def stack(self, observation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view of the frames of one observation, (K, H, W, C), oldest first."""
        sizes, order = self._view
        return observation.reshape(sizes).transpose(order)

    def newest(self, observation: npt.NDArray[Any]) -> Frames:
        """Return the newest frame of one observation, uint8 (H, W, C)."""
        frame: Frames = self.stack(observation)[-1]
        if self.dtype != np.uint8:
            frame = pixels.range_to_frames(frame, *self.value_range)
        return pixels.rgba_to_rgb(frame) if self.num_channels == 4 else frame

    def from_frames(self, frames: Frames) -> npt.NDArray[Any]:
        """Convert frames, uint8 (..., H, W, 1 or 3), to the colors, dtype and scale of the
        observation, (..., H, W, C). RGBA frames are opaque.
        """
        if self.num_channels == 4:
            frames = pixels.rgb_to_rgba(frames)
        if self.dtype == np.uint8:
            return frames
        return pixels.frames_to_range(frames, *self.value_range, self.dtype)

    @cached_property
    def _view(self) -> tuple[list[int], list[int]]:
        """Shape of an observation with a separate axis for each of K, H, W and C, and the places of
        these axes.
        """
        num_of = {"K": self.num_stack, "H": self.height, "W": self.width, "C": self.num_channels}
        axes = self.axes + "".join(axis for axis in _CANONICAL_AXES if axis not in self.axes)
        return [num_of[axis] for axis in axes], [axes.index(axis) for axis in _CANONICAL_AXES]


def layout_of_frames(frame_format: FrameFormat) -> ImageLayout:
    """Return the layout of single frames, uint8 (H, W, C); palette indices become RGB."""
    height, width, _ = frame_format.shape
    num_channels = 1 if frame_format.name == "gray" else 3
    shape = (height, width, num_channels)
    return ImageLayout("HWC", shape, 1, height, width, num_channels, np.dtype(np.uint8))


class LayoutGuessWarning(UserWarning):
    """The layout of observations was guessed from their shape, which fits another layout too."""


def layout_of_space(space: gym.Space[Any], axes: str | None = None) -> ImageLayout | None:
    """Return the layout of an observation space, or None if its observations are not images.

    Images are Boxes of uint8 in 0 … 255 or of floats in [0, 1], [-1, 1] or [0, 255], with sides of
    at least 8 pixels.
    Without `axes`, the layout is guessed from the shape:

    - (H, W) is one gray frame; (K, H, W, 1, 3 or 4) and (K, 1, 3 or 4, H, W) are stacks.
    - With three axes, the smaller of the first and the last holds colors and stack; if they are
      equal, the last. A size divisible by 3 means RGB, any other gray: (84, 84, 4) and (4, 84, 84)
      are stacks of 4 gray frames, (84, 84, 3) is an RGB frame, and (12, 84, 84) is a stack of 4 RGB
      frames. A LayoutGuessWarning says that a size divisible by 3, except of (84, 84, 3), might
      also be that of a stack of gray frames, and (84, 84, 4) that of an RGBA frame.

    `atarigan.images.env_layout.layout_of_env` asks the wrappers of an environment instead.

    Raises:
        InputError: `axes` does not fit the space.
    """
    if axes is None:
        return guessed_layout(space)
    if _value_range(space) is None:
        raise InputError(f"layout {axes!r} needs image observations, not {space}")
    layout = layout_with_axes(space, axes)
    if layout is None:
        raise InputError(
            f"layout {axes!r} does not fit observations of shape {space.shape}: letters of K, H, "
            f"W, C in the axes' order, H and W at least {_SMALLEST_SIDE}, C 1, 3 or 4, an axis "
            "shared by K and C only"
        )
    return layout


def layout_with_axes(space: gym.Space[Any], axes: str) -> ImageLayout | None:
    """Return the layout of a space with these axes, or None if they do not fit it."""
    value_range = _value_range(space)
    if value_range is None:
        return None
    shape, dtype = space.shape, space.dtype
    assert shape is not None
    assert dtype is not None
    sizes = _sizes_by_axis(shape, axes)
    num_channels = sizes.get("C", 1)
    height, width = sizes.get("H", 0), sizes.get("W", 0)
    if num_channels not in (1, 3, 4) or min(height, width) < _SMALLEST_SIDE:
        return None
    num_stack = sizes.get("K", 1)
    return ImageLayout(
        "".join(sizes),
        shape,
        num_stack,
        height,
        width,
        num_channels,
        np.dtype(dtype),
        value_range,
    )


def transposed(axes: str) -> str:
    """Return the axes after a transposition as in stable-baselines3's VecTransposeImage, which
    moves the last axis, of colors and stack, to the front: "HWK" to "KHW"; also the other way.
    """
    others = axes.replace("H", "").replace("W", "")
    return others + "HW" if axes.startswith("HW") else "HW" + others


def guessed_layout(space: gym.Space[Any], *, expects_rgb: bool = True) -> ImageLayout | None:
    """Guess the layout of a space from its shape, as `layout_of_space` describes.

    Args:
        space: the observation space.
        expects_rgb: whether (H, W, 3) is an RGB frame, as is usual, and not worth a warning.
    """
    if _value_range(space) is None:
        return None
    assert space.shape is not None
    layout = layout_with_axes(space, _guessed_axes(space.shape))
    if layout is None or (expects_rgb and layout.axes == "HWKC" and layout.num_stack == 1):
        return layout
    other = _alternative(layout)
    if other is not None:
        axes = layout.axes if layout.num_stack > 1 else layout.axes.replace("K", "")
        warnings.warn(
            f"observations of shape {layout.shape} are read as {_described(layout)}, by their "
            f"shape alone: layout={other[0]!r} would mean {other[1]}; layout={axes!r} confirms",
            LayoutGuessWarning,
            stacklevel=3,
        )
    return layout


def _alternative(layout: ImageLayout) -> tuple[str, str] | None:
    """Return other axes that fit a guessed layout's shape, and their meaning; None if none do."""
    if len(layout.shape) != 3:
        return None
    is_last = layout.axes.startswith("HW")
    size = layout.shape[-1 if is_last else 0]
    if layout.num_channels == 3:
        return ("HWK" if is_last else "KHW"), f"{size} gray frames"
    return ("HWC", "one RGBA frame") if is_last and size == 4 else None


def _described(layout: ImageLayout) -> str:
    color = {1: "gray", 3: "RGB", 4: "RGBA"}[layout.num_channels]
    if layout.num_stack == 1:
        return f"one {color} frame"
    return f"a stack of {layout.num_stack} {color} frames"


def warn_of_images_without_layout(space: gym.Space[Any], instead: str) -> None:
    """Warn if observations without a layout seem to hold images all the same: they are arrays of
    three or more axes, of two as long as a frame's, or of more than a thousand values.

    Args:
        space: the observation space.
        instead: what takes the place of these images.
    """
    found = next(filter(_seems_to_hold_images, _boxes_in(space)), None)
    if found is None:
        return
    low, high = found.low.min(), found.high.max()
    warnings.warn(
        f"observations must be frames of at least {_SMALLEST_SIDE}x{_SMALLEST_SIDE} pixels or a "
        "stack of them, uint8, or floats in [0, 1], [-1, 1] or [0, 255], to be read as images, "
        f"not {found.dtype} {found.shape} from {low:g} to {high:g}: {instead}; put wrappers that "
        "change them further outside",
        stacklevel=4,
    )


def _boxes_in(space: gym.Space[Any]) -> Iterator[gym.spaces.Box]:
    if isinstance(space, gym.spaces.Box):
        yield space
    elif isinstance(space, (gym.spaces.Dict, gym.spaces.Tuple)):
        members = space.values() if isinstance(space, gym.spaces.Dict) else space
        for member in members:
            yield from _boxes_in(member)


def _seems_to_hold_images(space: gym.spaces.Box) -> bool:
    shape = space.shape
    is_frame = len(shape) == 2 and min(shape) >= _SMALLEST_SIDE
    return is_frame or len(shape) > 2 or math.prod(shape) > _LARGEST_VECTOR


def _value_range(space: gym.Space[Any]) -> tuple[float, float] | None:
    """Return the lowest and highest value of images; None for other spaces."""
    if not isinstance(space, gym.spaces.Box) or len(space.shape) not in (2, 3, 4):
        return None
    is_float = np.issubdtype(space.dtype, np.floating)
    if not is_float and space.dtype != np.uint8:
        return None
    ranges = _FLOAT_RANGES if is_float else (_LEVELS,)
    return next((each for each in ranges if _has_bounds(space, *each)), None)


def _has_bounds(space: gym.spaces.Box, low: float, high: float) -> bool:
    return bool(np.all(space.low == low) and np.all(space.high == high))


def _guessed_axes(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return "HW"
    if len(shape) == 4:
        return "KHWC" if shape[3] in (1, 3, 4) else "KCHW"
    first, _, last = shape
    is_last = last <= first
    is_color = min(first, last) % 3 == 0
    if is_last:
        return "HWKC" if is_color else "HWK"
    return "KCHW" if is_color else "KHW"


def _sizes_by_axis(shape: tuple[int, ...], axes: str) -> dict[str, int]:
    """Return the size of each axis by its letter, or an empty dict if the letters do not fit."""
    if len(set(axes)) != len(axes) or not set("HW") <= set(axes) <= set(_CANONICAL_AXES):
        return {}
    sizes = list(shape)
    if len(axes) == len(shape) + 1 and "KC" in axes:
        shared = axes.index("KC")
        num_channels = 3 if sizes[shared] % 3 == 0 else 4
        num_frames, remainder = divmod(sizes[shared], num_channels)
        if remainder:
            return {}
        sizes[shared : shared + 1] = [num_frames, num_channels]
    if len(axes) != len(sizes) or math.prod(sizes) != math.prod(shape):
        return {}
    return dict(zip(axes, sizes, strict=True))
