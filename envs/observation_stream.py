"""The core of all generating wrappers: observations of many environments, one decode a step."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.layout import ImageLayout, layout_of_frames, layout_of_space
from atarigan.images.pixels import Frames
from atarigan.models.latent_stream import Decoder, LatentStream, Ram
from atarigan.models.latents import Latents

from .generation_options import GenerationOptions

Observations = npt.NDArray[Any]


class ObservationStream:
    """Generated observations of `num_envs` environments, shaped like theirs.

    The observations of every environment depend on its own seed and on nothing else, so that many
    environments at once see what each would see alone.

    Args:
        generator: a FrameGenerator, or the run or checkpoint folder to load one from.
        space: the wrapped environment's observation space (of a single one).
        num_envs: environments, numbered from 0.
        options: how to generate.

    Attributes:
        real_layout: of the wrapped observations; None where they are no images.
        layout: of the generated observations: `real_layout` where there is one, else that of the
            generator's frames.
        space: the observation space with generated observations in it.

    Raises:
        InputError: the layout does not fit the space, or mode "mix" is wanted and the observations
        are no images.
    """

    def __init__(
        self,
        generator: Decoder | str | Path,
        space: gym.Space[Any],
        num_envs: int,
        options: GenerationOptions,
    ) -> None:
        self.options = options
        self.num_envs = num_envs
        self._decoder = load_generator(generator)
        self.real_layout = layout_of_space(space, options.layout)
        if self.real_layout is None and options.mode == "mix":
            raise InputError(f"mode 'mix' needs image observations, not {space}")
        self.layout = self.real_layout or layout_of_frames(self._decoder.frame_format)
        keeps_space = self.real_layout is not None or options.mode == "info"
        self.space = space if keeps_space else self.layout.space
        self._latents = [
            LatentStream(self._decoder, options.latent, options.walk_length)
            for _ in range(num_envs)
        ]
        self._frame_format = self.layout.frame_format
        self._current = np.zeros((num_envs, *self.layout.shape), self.layout.dtype)

    def seed(
        self,
        indices: Sequence[int],
        seeds: Sequence[int | None],
        draw: Callable[[], Sequence[int]],
    ) -> None:
        """Begin the streams of the environments `indices` anew, each from its seed.

        Where there is no seed a stream goes on; one that was never seeded takes its seed from
        `draw`, which is called at most once and gives one for each of the `num_envs`.
        """
        drawn: Sequence[int] | None = None
        for index, seed in zip(indices, seeds, strict=True):
            if seed is not None:
                self._latents[index].seed(seed)
            elif not self._latents[index].is_seeded:
                drawn = draw() if drawn is None else drawn
                self._latents[index].seed(drawn[index])

    def generate(
        self,
        indices: Sequence[int],
        is_first: Sequence[bool],
        real: Sequence[Any] | None,
        ram: Ram | None = None,
    ) -> Observations:
        """The next observations of the environments `indices`, in that order, (M, *shape),
        generated in one call.

        Args:
            indices: which environments; one that ends an episode and begins the next is there
                twice.
            is_first: whether each observation begins an episode.
            real: the environments' own observations, (M, *shape); needed in mode "mix" only.
            ram: the console's memory behind them, uint8 (M, bytes); needed where the generator
                reads it.
        """
        latents = [
            self._latents[index].begin() if first else self._latents[index].advance()
            for index, first in zip(indices, is_first, strict=True)
        ]
        chosen = [self._is_generated(index) for index in indices]
        if not all(chosen):
            latents = [z for z, is_chosen in zip(latents, chosen, strict=True) if is_chosen]
            ram = None if ram is None else ram[chosen]
        frames = iter(self._decode(latents, ram))
        observations = np.empty((len(indices), *self.layout.shape), self.layout.dtype)
        for row, (index, first) in enumerate(zip(indices, is_first, strict=True)):
            if chosen[row]:
                self._push(index, next(frames), first)
            else:
                assert real is not None
                self._push_real(index, real[row], first)
            observations[row] = self._current[index]
        return observations

    def generate_over_ends(
        self,
        is_done: npt.NDArray[np.bool_],
        real: Any,
        real_finals: Sequence[Any],
        ram: Ram | None = None,
    ) -> tuple[Observations, Observations]:
        """The observations after a step that at once reset the environments it ended, generated in
        one call.

        Args:
            is_done: bool (num_envs,), which ones ended.
            real, real_finals: the observations of all, and the last ones of those that ended.
            ram: the console's memory, first behind the last observations, then behind those of
                all, uint8 (number of them + num_envs, bytes); needed where the generator reads it.

        Returns:
            What those that ended saw last, (number of them, *shape), and what all see now,
            (num_envs, *shape).
        """
        done = np.flatnonzero(is_done).tolist()
        reals = [*real_finals, *real] if self.options.mode == "mix" else None
        is_first = [False] * len(done) + is_done.tolist()
        observations = self.generate([*done, *range(self.num_envs)], is_first, reals, ram)
        return observations[: len(done)], observations[len(done) :]

    def current(self) -> Observations:
        """The newest observation of every environment, (num_envs, *shape), a copy."""
        return self._current.copy()

    def picture(self, index: int) -> Frames:
        """The newest frame of an environment's stream, RGB uint8 (H, W, 3)."""
        return rgb_picture(self.layout, self._current[index])

    def agent_pictures(self, real: Sequence[Observations]) -> list[Frames] | None:
        """The newest frame that each agent sees, RGB; None where what they see is no image."""
        if self.options.mode != "info":
            return [self.picture(index) for index in range(self.num_envs)]
        if self.real_layout is None:
            return None
        return [rgb_picture(self.real_layout, observation) for observation in real]

    def _is_generated(self, index: int) -> bool:
        if self.options.mode != "mix":
            return True
        return self._latents[index].chance(self.options.probability)

    @property
    def reads_ram(self) -> bool:
        """Whether frames are generated from the console's memory."""
        return self._decoder.reads_ram

    def _decode(self, latents: Sequence[Latents], ram: Ram | None) -> Observations:
        """Frames of the layout's size, colours and scale, (M, H, W, C)."""
        if not latents:
            return np.empty((0, *self._frame_format.shape), self.layout.dtype)
        states = () if ram is None else (ram,)
        frames = self._decoder.decode(np.array(latents), *states)
        converted = pixels.convert(frames, self._decoder.frame_format, self._frame_format)
        return self.layout.from_frames(converted)

    def _push(self, index: int, frame: Observations, is_first: bool) -> None:
        """Put a frame on top of an environment's stack; an episode's first frame fills it."""
        stack = self.layout.stack(self._current[index])
        if not is_first and len(stack) > 1:
            stack[:-1] = stack[1:]
            stack[-1] = frame
        else:
            stack[:] = frame

    def _push_real(self, index: int, observation: Observations, is_first: bool) -> None:
        """The same with the real frame; an episode's first observation is taken over as it is."""
        if is_first:
            self._current[index] = observation
        else:
            self._push(index, self.layout.stack(np.asarray(observation))[-1], is_first=False)


def load_generator(generator: Decoder | str | Path) -> Decoder:
    """The generator itself, or the one that a run or checkpoint folder holds (this loads torch), or
    a .onnx file (this loads ONNX Runtime).

    Raises:
        InputError: no checkpoint is there, or no readable file.
    """
    if not isinstance(generator, (str, Path)):
        return generator
    if Path(generator).suffix == ".onnx":
        from atarigan.models.onnx_generator import OnnxGenerator

        return OnnxGenerator.load(generator)
    from atarigan.models.frame_generator import FrameGenerator

    return FrameGenerator.load(generator)


def rgb_picture(layout: ImageLayout, observation: Observations) -> Frames:
    """The newest frame of an image observation, RGB uint8 (H, W, 3)."""
    return layout.frame_format.to_rgb(layout.newest(observation)).copy()


def beside(left: Frames, right: Frames) -> Frames:
    """Two RGB pictures in one, (H, 2W, 3); the right one is brought to the left one's size."""
    return np.concatenate([left, pixels.resize(right, *left.shape[:2])], axis=1)
