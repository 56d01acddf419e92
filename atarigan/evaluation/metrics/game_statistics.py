"""Statistics of a game's frames: the background, the static pixels, and the colors."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from atarigan.images.pixel_values import color_codes, frequent_values
from atarigan.images.pixels import Frames
from atarigan.images.subset import evenly_spaced

_NEAR_LEVELS = 8
_MAX_FRAMES_FOR_BACKGROUND = 4000
_OTHER_SCREEN_SHARE = 0.5
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GameStatistics:
    """What real frames of a game have in common. Foreground is what differs from the background.

    Attributes:
        background: each pixel's most frequent value, uint8 (H, W, C).
        is_static: pixels that show their background in every frame, bool (H, W). Frames with more
            foreground than background count as another screen and are ignored.
        foreground_rate: share of frames in which a pixel is foreground, float64 (H, W).
        occurs: whether a color occurs anywhere, by color code, bool (256**C,).
    """

    background: Frames
    is_static: Mask
    foreground_rate: npt.NDArray[np.float64]
    occurs: Mask

    @classmethod
    def of(cls, frames: Frames) -> Self:
        """Compute the statistics of real frames uint8 (N, H, W, C). The background comes from at
        most 4,000 evenly spaced frames.
        """
        picked = evenly_spaced(len(frames), _MAX_FRAMES_FOR_BACKGROUND)
        background = frequent_values(frames[picked], 1)[0][0]
        occurs = np.zeros(256 ** frames.shape[-1], bool)
        num_foreground = np.zeros(background.shape[:2], int)
        is_static = np.ones(background.shape[:2], bool)
        for frame in frames:
            occurs[color_codes(frame)] = True
            foreground = (frame != background).any(-1)
            num_foreground += foreground
            if foreground.mean() <= _OTHER_SCREEN_SHARE:
                is_static &= ~foreground
        return cls(background, is_static, num_foreground / len(frames), occurs)

    def foreground(self, frames: Frames) -> Mask:
        """Return which pixels of frames (N, H, W, C) differ from the background, (N, H, W)."""
        mask: Mask = (frames != self.background).any(-1)
        return mask

    def object_pixels(self, frames: Frames) -> Mask:
        """Return which pixels visibly differ from the background, by more than 8 levels, and so may
        belong to objects, (N, H, W).
        """
        return far_apart(frames, self.background)

    def valid_share(self, frames: Frames) -> npt.NDArray[np.float64]:
        """Return the share of each frame's pixels whose color occurs in real frames, (N,)."""
        share: npt.NDArray[np.float64] = self.occurs[color_codes(frames)].mean((1, 2))
        return share

    def exact_share(self, frames: Frames) -> npt.NDArray[np.float64]:
        """Return the share of each frame's static pixels that show their background, (N,); 1 if
        no pixel is static.
        """
        if not self.is_static.any():
            return np.ones(len(frames))
        share: npt.NDArray[np.float64] = 1 - self.foreground(frames)[:, self.is_static].mean(1)
        return share


def far_apart(frames: Frames, others: Frames) -> Mask:
    """Return which pixels of frames (N, H, W, C) differ from others by more than 8 levels in any
    channel, (N, H, W).
    """
    apart = np.maximum(frames, others) - np.minimum(frames, others)
    mask: Mask = np.any(apart > _NEAR_LEVELS, axis=-1)
    return mask
