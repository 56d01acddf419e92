"""What a game's screen is made of: what stays, what moves, in which colors."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from atarigan.images.pixel_values import color_codes, frequent_values
from atarigan.images.pixels import Frames
from atarigan.subset import evenly_spaced

_NEAR_LEVELS = 8
_MOST_LEARNED_FROM = 4000
_ANOTHER_SCREEN = 0.5
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GameStatistics:
    """What real frames have in common. What differs from the background is foreground.

    Attributes:
        background: each pixel's most frequent value, uint8 (H, W, C).
        is_static: pixels that show their background in every frame, bool (H, W); frames most of
            which are foreground are of another screen, and do not count.
        foreground_rate: share of frames in which a pixel is foreground, float64 (H, W).
        occurs: by color code, whether any pixel of any frame has the color, bool (256**C,).
    """

    background: Frames
    is_static: Mask
    foreground_rate: npt.NDArray[np.float64]
    occurs: Mask

    @classmethod
    def of(cls, frames: Frames) -> Self:
        """Learn from real frames uint8 (N, H, W, C): colors from all of them, what stays from
        4,000 evenly picked ones.
        """
        picked = evenly_spaced(len(frames), _MOST_LEARNED_FROM)
        background = frequent_values(frames[picked], 1)[0][0]
        occurs = np.zeros(256 ** frames.shape[-1], bool)
        num_foreground = np.zeros(background.shape[:2], int)
        is_static = np.ones(background.shape[:2], bool)
        for frame in frames:
            occurs[color_codes(frame)] = True
            foreground = (frame != background).any(-1)
            num_foreground += foreground
            if foreground.mean() <= _ANOTHER_SCREEN:
                is_static &= ~foreground
        return cls(background, is_static, num_foreground / len(frames), occurs)

    def foreground(self, frames: Frames) -> Mask:
        """Which pixels of frames (N, H, W, C) differ from the background, (N, H, W)."""
        mask: Mask = (frames != self.background).any(-1)
        return mask

    def object_pixels(self, frames: Frames) -> Mask:
        """Which of them differ by more than 8 levels, (N, H, W): what can be told apart by eye, and
        so can be an object or a part of one.
        """
        return far_apart(frames, self.background)

    def valid_share(self, frames: Frames) -> npt.NDArray[np.float64]:
        """Share of each frame's pixels whose color occurs in real frames, (N,)."""
        share: npt.NDArray[np.float64] = self.occurs[color_codes(frames)].mean((1, 2))
        return share

    def exact_share(self, frames: Frames) -> npt.NDArray[np.float64]:
        """Share of each frame's static pixels that show their background, (N,); 1 where none is
        static.
        """
        if not self.is_static.any():
            return np.ones(len(frames))
        share: npt.NDArray[np.float64] = 1 - self.foreground(frames)[:, self.is_static].mean(1)
        return share


def far_apart(frames: Frames, others: Frames) -> Mask:
    """Which pixels of frames (N, H, W, C) differ from others by more than 8 levels in any channel,
    (N, H, W).
    """
    apart = np.maximum(frames, others) - np.minimum(frames, others)
    mask: Mask = np.any(apart > _NEAR_LEVELS, axis=-1)
    return mask
