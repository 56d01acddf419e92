"""What players of several games see: each game's last frames, stacked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.images import pixels
from atarigan.images.layout import ImageLayout
from atarigan.images.pixels import FrameFormat, Frames


class FrameStacks:
    """Stacks of each game's newest frames, as observations of one layout.

    An episode's first frame fills its stack, as Gymnasium's FrameStackObservation does by default.

    Args:
        layout: of the observations.
        num_games: games, numbered from 0.
        frame_format: of the frames that are pushed; they are brought to the layout's.
    """

    def __init__(self, layout: ImageLayout, num_games: int, frame_format: FrameFormat) -> None:
        self._layout = layout
        self._frame_format = frame_format
        self._stacks = np.zeros((num_games, *layout.shape), np.uint8)

    def push(
        self, games: Sequence[int], is_first: Sequence[bool], frames: Frames
    ) -> npt.NDArray[Any]:
        """The observations of some games after their next frames, (M, *shape), a copy.

        Args:
            games: their numbers.
            is_first: whether each frame begins an episode.
            frames: uint8 (M, H, W, C), one each.
        """
        converted = pixels.convert(frames, self._frame_format, self._layout.frame_format)
        for game, first, frame in zip(games, is_first, converted, strict=True):
            stack = self._layout.stack(self._stacks[game])
            if first:
                stack[:] = frame
            else:
                stack[:-1] = stack[1:]
                stack[-1] = frame
        return self._layout.from_frames(self._stacks[np.asarray(games, np.intp)])
