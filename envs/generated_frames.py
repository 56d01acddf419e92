"""GeneratedFrames: what agents of several games see, as `GeneratedObservation` shows it."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from atarigan.images.layout import layout_of_frames
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.models.latent_stream import Decoder, Ram

from .generation_options import GenerationOptions
from .observation_stream import ObservationStream
from .ram_info import ram_of


class GeneratedFrames:
    """What players of several games at once see, where all frames are generated.

    Args:
        generator: makes them.
        env: one of the games.
        frame_format: of the frames, gray or RGB.
        num_games: games at once, numbered from 0.
        seed: of the latents.

    Raises:
        InputError: the generator reads the console's memory and the game has none.
    """

    def __init__(
        self,
        generator: Decoder,
        env: gym.Env[Any, Any],
        frame_format: FrameFormat,
        num_games: int,
        seed: int,
    ) -> None:
        space = layout_of_frames(frame_format).space
        self._stream = ObservationStream(generator, space, num_games, GenerationOptions())
        if self._stream.reads_ram:
            ram_of(env)  # which says so where there is none
        numbers = range(num_games)
        self._stream.seed(numbers, [seed + number for number in numbers], lambda: [])

    def __call__(
        self, games: Sequence[int], is_first: Sequence[bool], frames: Frames, ram: Ram | None
    ) -> Frames:
        memory = ram if self._stream.reads_ram else None
        return self._stream.generate(games, is_first, None, memory)
