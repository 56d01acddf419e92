"""Stacks of each environment's newest frames, as observations of one layout."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.images.layout import ImageLayout


class FrameStacks:
    """One stack of frames for each environment; all zeros at first.

    Args:
        layout: of the observations.
        num_envs: environments, numbered from 0.

    Attributes:
        observations: (num_envs, *layout.shape) in the layout's dtype, changed in place.
    """

    def __init__(self, layout: ImageLayout, num_envs: int = 1) -> None:
        self.observations: npt.NDArray[Any] = np.zeros((num_envs, *layout.shape), layout.dtype)
        self._stacks = [layout.stack(observation) for observation in self.observations]

    def push(self, index: int, frame: npt.NDArray[Any], is_first: bool = False) -> None:
        """Add one environment's newest frame and drop its oldest.

        Args:
            index: the environment.
            frame: (H, W, C) in the layout's dtype and scale; see `ImageLayout.from_frames`.
            is_first: whether it begins an episode. Such a frame fills the whole stack, as in
                Gymnasium's FrameStackObservation.
        """
        stack = self._stacks[index]
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
            their observations, (len(indices), *layout.shape), a copy.
        """
        for index, frame, first in zip(indices, frames, is_first, strict=True):
            self.push(index, frame, first)
        return self.observations[np.asarray(indices, np.intp)]

    def clear(self, index: int) -> None:
        """Set one stack to zeros, as stable-baselines3's VecFrameStack does between episodes."""
        self._stacks[index][:] = 0
