"""All conversions of pixels: frames and floats, gray and color, ALE's palettes, sizes.

Frames are uint8 NumPy arrays or tensors with the channel last, (..., H, W, C). Networks see float
tensors with the channel first, (B, C, H, W), in [-1, 1].
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError, shown

if TYPE_CHECKING:  # collection converts frames without loading torch
    import torch

Frames = npt.NDArray[np.uint8]
FormatName = Literal["gray", "rgb", "palette"]
PALETTES = ("ntsc", "pal")


@dataclass(frozen=True)
class FrameFormat:
    """The meaning of a frame's bytes.

    Attributes:
        name: "gray" (1 channel), "rgb" (3 channels) or "palette" (1 channel of ALE color indices).
        height: pixels, at least 1.
        width: pixels, at least 1.
        palette: table that color indices refer to, one of `PALETTES`; None for other formats.

    Raises:
        InputError: a size below 1, an unknown name, a missing or unexpected palette.
    """

    name: FormatName
    height: int
    width: int
    palette: str | None = None

    def __post_init__(self) -> None:
        if self.name not in get_args(FormatName):
            known = ", ".join(get_args(FormatName))
            raise InputError(f"frame format must be one of {known}, not {shown(self.name)}")
        if self.height < 1 or self.width < 1:
            raise InputError(
                f"frame size must be at least 1x1, not {self.height}x{self.width} (height x width)"
            )
        if (self.palette in PALETTES) != (self.name == "palette"):
            raise InputError(
                f"frame format {self.name!r} goes with palette "
                f"{'ntsc or pal' if self.name == 'palette' else None}, not {shown(self.palette)}"
            )

    @property
    def num_channels(self) -> int:
        return 3 if self.name == "rgb" else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a stored frame, (H, W, C)."""
        return (self.height, self.width, self.num_channels)

    def to_rgb(self, frames: Frames) -> Frames:
        """Convert stored frames, uint8 (..., H, W, C), to RGB, uint8 (..., H, W, 3).

        Color indices become ALE's exact colors.
        """
        if self.name == "rgb":
            return frames
        if self.name == "gray":
            return gray_to_rgb(frames)
        assert self.palette is not None
        return np.take(ale_palette(self.palette), frames[..., 0], axis=0)

    def to_gray(self, frames: Frames) -> Frames:
        """Convert stored frames, uint8 (N, H, W, C), to gray, uint8 (N, H, W, 1).

        Color indices become ALE's exact gray levels.
        """
        if self.name == "gray":
            return frames
        if self.name == "rgb":
            one_tall_picture = frames.reshape(-1, self.width, 3)
            return rgb_to_gray(one_tall_picture).reshape(*frames.shape[:-1], 1)
        assert self.palette is not None
        return np.take(ale_grays(self.palette), frames)


def ale_palette(name: str) -> Frames:
    """Return ALE's colors by index, uint8 (256, 3).

    NTSC games use even indices only. In PAL, an odd index is the gray of the index below it.
    """
    return _ale_tables()[PALETTES.index(name), :, :3]


def ale_grays(name: str) -> Frames:
    """Return ALE's gray level of each color index, uint8 (256,), as in `getScreenGrayscale`."""
    return _ale_tables()[PALETTES.index(name), :, 3]


@cache
def _ale_tables() -> Frames:
    """Load RGB and gray of each color index, uint8 (palettes, 256, 4).

    They were measured with ale-py 0.12: `getScreen` against `getScreenRGB` and
    `getScreenGrayscale`.
    """
    with files(__package__).joinpath("ale_palettes.npy").open("rb") as file:
        tables: Frames = np.load(file, allow_pickle=False)
    tables.flags.writeable = False
    return tables


def parse_size(text: str, flag: str, *, other: str = "") -> tuple[int, int]:
    """Return (height, width) of a size such as "84x84".

    Args:
        text: the size.
        flag: name of the flag, for messages: "--image-size".
        other: other value that the flag accepts, for messages: " or native".

    Raises:
        InputError: the text is not a size, or a side is below 1.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if min(size) < 1:
        raise InputError(
            f"{flag} must be HEIGHTxWIDTH{other}, both sides at least 1, not {shown(text)}"
        )
    return size


def rgb_to_gray(frame: Frames) -> Frames:
    """Convert an RGB frame (H, W, 3) to luma (H, W, 1) by ITU-R BT.601, rounded to uint8."""
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)[..., None]


def gray_to_rgb(frames: Frames) -> Frames:
    """Convert gray frames (..., H, W, 1) to RGB (..., H, W, 3)."""
    if frames.size == 0:
        return np.empty((*frames.shape[:-1], 3), np.uint8)
    one_tall_picture = frames.reshape(-1, frames.shape[-2])
    colored = np.asarray(cv2.cvtColor(one_tall_picture, cv2.COLOR_GRAY2RGB), np.uint8)
    return colored.reshape(*frames.shape[:-1], 3)


def rgba_to_rgb(frames: Frames) -> Frames:
    """Blend RGBA frames (..., H, W, 4) over black, to RGB (..., H, W, 3), rounded."""
    blended = frames[..., :3].astype(np.uint16) * frames[..., 3:]
    return ((blended + 127) // 255).astype(np.uint8)


def rgb_to_rgba(frames: Frames) -> Frames:
    """Convert RGB frames (..., H, W, 3) to opaque RGBA frames (..., H, W, 4)."""
    return np.concatenate([frames, np.full_like(frames[..., :1], 255)], axis=-1)


def resize(frame: Frames, height: int, width: int, *, indices: bool = False) -> Frames:
    """Resize a frame (H, W, C) to (height, width, C).

    Shrinking averages over the covered area, as in Gymnasium's AtariPreprocessing. Color indices
    cannot be averaged and are taken from the nearest pixel.
    """
    if frame.shape[:2] == (height, width):
        return frame
    method = cv2.INTER_NEAREST if indices else cv2.INTER_AREA
    resized = np.asarray(cv2.resize(frame, (width, height), interpolation=method), np.uint8)
    return resized.reshape(height, width, frame.shape[2])


def convert(frames: Frames, source: FrameFormat, target: FrameFormat) -> Frames:
    """Convert frames, uint8 (N, *source.shape), to another format, uint8 (N, *target.shape).

    Raises:
        InputError: the target is "palette" and the source has another palette or none.
    """
    if target.name == "palette":
        if (source.name, source.palette) != (target.name, target.palette):
            found = source.palette or source.name
            raise InputError(f"{target.palette} palette indices cannot be made of {found} frames")
    else:
        # gray frames become RGB last: resizing one channel is a third of the work
        is_gray = "gray" in (source.name, target.name)
        frames = source.to_gray(frames) if is_gray else source.to_rgb(frames)
    if (source.height, source.width) != (target.height, target.width):
        frames = _resized(frames, target)
    return gray_to_rgb(frames) if frames.shape[-1] < target.num_channels else frames


def _resized(frames: Frames, target: FrameFormat) -> Frames:
    is_palette = target.name == "palette"
    resized = [resize(frame, target.height, target.width, indices=is_palette) for frame in frames]
    return np.array(resized) if resized else np.empty((0, *target.shape), np.uint8)


def frames_to_range(
    frames: Frames, low: float, high: float, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """Convert uint8 frames of any shape to floats in [low, high], the scale of observations."""
    floats: npt.NDArray[Any] = np.divide(frames, 255 / (high - low), dtype=np.dtype(dtype))
    floats += low
    return floats


def range_to_frames(floats: npt.NDArray[Any], low: float, high: float) -> Frames:
    """Convert floats to uint8 of the same shape: clip to [low, high], scale and round."""
    levels: npt.NDArray[Any] = np.rint((np.clip(floats, low, high) - low) * (255 / (high - low)))
    return levels.astype(np.uint8)


def frames_to_floats(frames: "torch.Tensor") -> "torch.Tensor":
    """Convert uint8 (B, H, W, C) in 0 … 255 to float32 (B, C, H, W) in [-1, 1], on the same device.

    The memory format of the result is channels_last.
    """
    return frames.permute(0, 3, 1, 2).float().mul_(1 / 127.5).sub_(1.0)


def floats_to_frames(floats: "torch.Tensor") -> "torch.Tensor":
    """Convert floats (B, C, H, W) to uint8 (B, H, W, C): clip to [-1, 1], scale and round."""
    levels = floats.float().add(1.0).mul(127.5).round().clamp(0, 255)
    return levels.permute(0, 2, 3, 1).contiguous().to(dtype=_uint8())


def _uint8() -> Any:
    import torch

    return torch.uint8
