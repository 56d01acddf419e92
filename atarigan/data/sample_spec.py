"""What one sample of a source is: its shape, how it is shown, what it is conditioned on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError, shown
from atarigan.images.pixels import FrameFormat

Ram = npt.NDArray[np.uint8]
"""RAM of N states, (N, bytes), or of one, (bytes,)."""


@dataclass(frozen=True)
class SampleSpec:
    """What one sample is.

    Attributes:
        shape: (2,) for points, (C, H, W) for images, as networks see it.
        frame_format: how an image is stored and shown; None for points.
        condition_shape: of what a sample is conditioned on, (K,) for one of K classes or for a
            state of K numbers; None means nothing.
        screen_size: lines and columns of the screen that an image was resized from; None if that
            is unknown.

    Raises:
        InputError: a size below 1, or a shape that is not the format's.
    """

    shape: tuple[int, ...]
    frame_format: FrameFormat | None = None
    condition_shape: tuple[int, ...] | None = None
    screen_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        sizes = (self.shape, self.condition_shape or (1,), self.screen_size or (1,))
        if any(min(each, default=0) < 1 for each in sizes):
            raise InputError(
                f"shapes of samples, conditions and screens must hold sizes of at least 1, not "
                f"{shown(self.shape)}, {shown(self.condition_shape)} and {shown(self.screen_size)}"
            )
        if self.frame_format is not None:
            height, width, channels = self.frame_format.shape
            if self.shape != (channels, height, width):
                raise InputError(
                    f"samples shown as {(height, width, channels)} must have the shape "
                    f"{(channels, height, width)}, not {shown(self.shape)}"
                )
