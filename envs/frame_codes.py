"""FrameCodes: the codes of real observations, for generators that encode them."""

from collections.abc import Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from atarigan.data.states import State
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.layout import ImageLayout
from atarigan.images.pixels import FrameFormat, Frames


class Encoder(Protocol):
    """The part of a FrameGenerator that encodes."""

    @property
    def frame_format(self) -> FrameFormat: ...

    @property
    def num_encoded(self) -> int: ...

    def encode(self, frames: Frames) -> State:
        """Return the codes uint8 (N, size) of frames uint8 (N, num_encoded, H, W, C)."""


class FrameCodes:
    """Keeps the newest real frames of several environments, and encodes them.

    Args:
        encoder: a generator that was trained with `--condition code`.
        layout: of real observations; None if they are not images.
        space: of real observations, for the message.
        num_envs: the number of environments; they are numbered from 0.

    Raises:
        InputError: the generator has no encoder, or observations are not images.
    """

    def __init__(
        self, encoder: Encoder, layout: ImageLayout | None, space: gym.Space[Any], num_envs: int
    ) -> None:
        if not getattr(encoder, "num_encoded", 0):
            raise InputError(
                "this generator draws codes, and its encoder is missing, as it is from ONNX "
                "files: name the run or the packed folder"
            )
        if layout is None:
            raise InputError(
                f"this generator encodes the frames that are observed, which must be images, not "
                f"{space}: gymnasium.wrappers.AddRenderObservation makes them"
            )
        self._encoder, self._layout = encoder, layout
        shape = (num_envs, encoder.num_encoded, *encoder.frame_format.shape)
        self._newest: Frames = np.zeros(shape, np.uint8)

    def push(
        self, indices: Sequence[int], is_first: Sequence[bool], observations: Sequence[Any]
    ) -> State:
        """Return the codes, uint8 (M, size), of the next real observations of some environments.

        Args:
            indices: the environments. One may be in it twice, in order.
            is_first: whether each observation begins an episode; its frame is then repeated.
            observations: (M, *shape).
        """
        shown = np.stack([self._layout.newest(np.asarray(each)) for each in observations])
        frames = pixels.convert(shown, self._layout.frame_format, self._encoder.frame_format)
        moments = np.empty((len(indices), *self._newest.shape[1:]), np.uint8)
        for row, (index, first) in enumerate(zip(indices, is_first, strict=True)):
            newest = self._newest[index]
            newest[:-1] = frames[row] if first else newest[1:].copy()
            newest[-1] = frames[row]
            moments[row] = newest
        return self._encoder.encode(moments)
