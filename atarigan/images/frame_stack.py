"""Stacks of the newest frames of several environments, as observations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.images.layout import ImageLayout


class FrameStacks:
    """A stack of frames for each environment, initially zeros.

    Args:
        layout: layout of the observations.
        num_envs: number of environments.

    Attributes:
        observations: (num_envs, *layout.shape) in the layout's dtype, changed in place.
    """

    def __init__(self, layout: ImageLayout, num_envs: int = 1) -> None:
        self.observations: npt.NDArray[Any] = np.zeros((num_envs, *layout.shape), layout.dtype)
        self._layout = layout

    def push(self, index: int, frame: npt.NDArray[Any], is_first: bool = False) -> None:
        """Add the newest frame of one environment and drop the oldest.

        Args:
            index: number of the environment, from 0.
            frame: (H, W, C) in the layout's dtype and scale; see `ImageLayout.from_frames`.
            is_first: whether the frame begins an episode. It then fills the whole stack, as in
                Gymnasium's FrameStackObservation.
        """
        stack = self._stack(index)
        if is_first:
            stack[:] = frame
        else:
            stack[:-1] = stack[1:]
            stack[-1] = frame

    def push_each(
        self, indices: Sequence[int], frames: npt.NDArray[Any], is_first: Sequence[bool]
    ) -> npt.NDArray[Any]:
        """Push one frame for each of several environments.

        Returns:
            a copy of their observations, (len(indices), *layout.shape).
        """
        for index, frame, first in zip(indices, frames, is_first, strict=True):
            self.push(index, frame, first)
        return self.observations[np.asarray(indices, np.intp)]

    def clear(self, index: int) -> None:
        """Set one stack to zeros, as stable-baselines3's VecFrameStack does between episodes."""
        self._stack(index)[:] = 0

    def _stack(self, index: int) -> npt.NDArray[Any]:
        # not kept: after a copy of this object, a kept view would show the original's observations
        return self._layout.stack(self.observations[index])
