"""GeneratedFrames: what agents of several games see, as `GeneratedObservation` shows it."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from atarigan.frames.layout import layout_of_frames
from atarigan.pixels import FrameFormat, Frames
from atarigan.play.episodes import MOST_AT_ONCE

from .generation_options import GenerationOptions
from .latents import Decoder, Ram
from .observation_stream import ObservationStream
from .ram_info import ram_of


class GeneratedFrames:
    """A view of games (see `atarigan.play.episodes.View`) in which all frames are generated.

    Args:
        generator: makes them.
        env: one of the games.
        frame_format: of the frames, gray or RGB.
        seed: of the latents.

    Raises:
        InputError: the generator reads the console's memory and the game has none.
    """

    def __init__(
        self, generator: Decoder, env: gym.Env[Any, Any], frame_format: FrameFormat, seed: int
    ) -> None:
        space = layout_of_frames(frame_format).space
        self._stream = ObservationStream(generator, space, MOST_AT_ONCE, GenerationOptions())
        if self._stream.reads_ram:
            ram_of(env)  # which says so where there is none
        numbers = range(MOST_AT_ONCE)
        self._stream.seed(numbers, [seed + number for number in numbers], lambda: [])

    def __call__(
        self, games: Sequence[int], is_first: Sequence[bool], frames: Frames, ram: Ram | None
    ) -> Frames:
        memory = ram if self._stream.reads_ram else None
        return self._stream.generate(games, is_first, None, memory)
