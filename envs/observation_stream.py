"""The core of all generating wrappers: observations of many environments, one decode per step."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.config.condition import CODE
from atarigan.data.provenance import Provenance, check_same_game
from atarigan.data.states import State, StateSpec
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.layout import ImageLayout, layout_of_frames, warn_of_images_without_layout
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.models.latent_stream import Decoder, LatentStream, state_of
from atarigan.models.latents import Latents

from .frame_codes import FrameCodes
from .generation_options import GenerationOptions
from .state_reading import check_gives

Observations = npt.NDArray[Any]


class ObservationStream:
    """Generates the observations of `num_envs` environments.

    The observations of an environment depend only on its own seed, so environments in a vector see
    what each of them would see alone.

    Args:
        generator: a FrameGenerator, or what `load_generator` takes.
        space: the observation space of one environment.
        real_layout: the layout of real observations; None if they are not images.
        num_envs: the number of environments; they are numbered from 0.
        options: how to generate and render.
        provenance: of the environments' frames, compared with that of the generator's.
        allow: how to allow another game, for messages.

    Attributes:
        real_layout: the layout of real observations.
        layout: the layout of generated observations: `real_layout`, or that of the generator's
            frames if real observations are not images.
        space: the observation space of the wrapped environment.
        state: the state that the generator reads; None without one.

    Raises:
        InputError: mode is "mix", or the generator encodes frames, and real observations are not
            images; or the generator reads the RAM of another game.
    """

    def __init__(
        self,
        generator: Decoder | str | Path,
        space: gym.Space[Any],
        real_layout: ImageLayout | None,
        num_envs: int,
        options: GenerationOptions,
        provenance: Provenance,
        allow: str = "allow_other_game=True",
    ) -> None:
        self.options = options
        self.num_envs = num_envs
        self._decoder = load_generator(generator)
        check_same_game(
            # generators of other packages may have no provenance
            getattr(self._decoder, "provenance", Provenance()),
            provenance,
            "the environment",
            reads_state=state_of(self._decoder) is not None,
            allow=None if options.allow_other_game else allow,
        )
        self.state = state_of(self._decoder)
        self.real_layout = real_layout
        self._codes: FrameCodes | None = None
        if self.state is not None and self.state.kind == CODE:
            encoder: Any = self._decoder
            self._codes = FrameCodes(encoder, real_layout, space, num_envs)
        if self.real_layout is None and options.mode == "mix":
            raise InputError(f"mode 'mix' needs image observations, not {space}")
        self.layout = self.real_layout or layout_of_frames(self._decoder.frame_format)
        keeps_space = self.real_layout is not None or options.mode == "info"
        self.space = space if keeps_space else self.layout.space
        if not keeps_space:
            frames = f"{self.layout.dtype} {self.layout.shape}"
            warn_of_images_without_layout(
                space, f"agents see the generator's frames instead, {frames}"
            )
        self._latents = [
            LatentStream(self._decoder, options.latent, options.walk_length)
            for _ in range(num_envs)
        ]
        self._frame_format = self.layout.frame_format
        self._stacks = FrameStacks(self.layout, num_envs)

    @property
    def num_clipped(self) -> int:
        """States so far with a number outside of the range that the generator learned."""
        return getattr(self._decoder, "num_clipped", 0)

    @property
    def needs_real(self) -> bool:
        """Whether `generate` needs the real observations."""
        return self.options.mode == "mix" or self._codes is not None

    @property
    def given_state(self) -> StateSpec | None:
        """The state that `generate` must be given; None for one that it reads off real
        observations.
        """
        return self.state if self._codes is None else None

    def seed(
        self,
        indices: Sequence[int],
        seeds: Sequence[int | None],
        draw: Callable[[], Sequence[int]],
    ) -> None:
        """Restart the random streams of some environments.

        Args:
            indices: the environments.
            seeds: a seed for each of them. With None, a stream that was seeded before continues.
            draw: returns a seed for each of the `num_envs` environments. It is called at most once,
                if a stream without a seed was never seeded before.
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
        states: State | None,
    ) -> Observations:
        """Generate the next observations of some environments with one decode, (M, *shape).

        Args:
            indices: the environments. One that ends an episode and begins the next is in it twice.
            is_first: whether each observation begins an episode.
            real: the real observations, (M, *shape), where it `needs_real` ones.
            states: (M, size) of `given_state`; None without one.
        """
        if self._codes is not None:
            assert real is not None
            states = self._codes.push(indices, is_first, real)
        streams = [self._latents[index] for index in indices]
        is_generated = self._choose(streams)
        latents = [
            stream.begin() if first else stream.advance()
            for stream, first in zip(streams, is_first, strict=True)
        ]
        if not all(is_generated):
            latents = [z for z, is_chosen in zip(latents, is_generated, strict=True) if is_chosen]
            states = None if states is None else states[is_generated]
        frames = iter(self._decode(latents, states))
        observations = np.empty((len(indices), *self.layout.shape), self.layout.dtype)
        for row, (index, first) in enumerate(zip(indices, is_first, strict=True)):
            if is_generated[row]:
                self._stacks.push(index, next(frames), first)
            else:
                assert real is not None
                self._push_real(index, real[row], first)
            observations[row] = self._stacks.observations[index]
        return observations

    def generate_with_finals(
        self,
        is_done: npt.NDArray[np.bool_],
        real_finals: Sequence[Any],
        real: Any,
        states: State | None,
    ) -> tuple[Observations, Observations]:
        """Generate the observations of a step that also reset the environments that ended, with one
        decode.

        Args:
            is_done: which environments ended an episode, bool (num_envs,).
            real_finals: the last real observations of those that ended, (D, *shape).
            real: the real observations of all, (num_envs, *shape).
            states: (D + num_envs, size) of `given_state`, in the same order; None without one.

        Returns:
            The last observations of those that ended, (D, *shape), and the observations of all
            after the resets, (num_envs, *shape).
        """
        done = np.flatnonzero(is_done).tolist()
        reals = [*real_finals, *real] if self.needs_real else None
        is_first = [False] * len(done) + is_done.tolist()
        observations = self.generate([*done, *range(self.num_envs)], is_first, reals, states)
        return observations[: len(done)], observations[len(done) :]

    def current(self) -> Observations:
        """Return a copy of the newest observation of every environment, (num_envs, *shape)."""
        return self._stacks.observations.copy()

    def pictures(self, real: Sequence[Any], render: Callable[[], Any]) -> Sequence[Any]:
        """Return a picture for each environment, as `GenerationOptions.render` describes, RGB uint8
        (H, W, 3).

        Args:
            real: the real observations of all environments.
            render: renders the environments themselves. It is called for "beside", and if agents
                see real observations that are not images.
        """
        if self.options.render == "agent" and self.options.mode == "info":
            if self.real_layout is None:
                rendered: Sequence[Any] = render()
                return rendered
            return [_rgb_picture(self.real_layout, observation) for observation in real]
        generated = [
            _rgb_picture(self.layout, observation) for observation in self._stacks.observations
        ]
        if self.options.render == "agent":
            return generated
        pairs = zip(render(), generated, strict=True)
        return [_side_by_side(np.asarray(left), right) for left, right in pairs]

    def _choose(self, streams: Sequence[LatentStream]) -> list[bool]:
        """Return for each stream whether its next frame is generated; mode "mix" draws it."""
        if self.options.mode != "mix":
            return [True] * len(streams)
        return [stream.chance(self.options.probability) for stream in streams]

    def _decode(self, latents: Sequence[Latents], states: State | None) -> Observations:
        """Return frames (M, H, W, C) with the size, colors and value range of observations."""
        if not latents:
            return np.empty((0, *self._frame_format.shape), self.layout.dtype)
        given = () if states is None else (states,)
        frames = self._decoder.decode(np.array(latents), *given)
        converted = pixels.convert(frames, self._decoder.frame_format, self._frame_format)
        return self.layout.from_frames(converted)

    def _push_real(self, index: int, observation: Observations, is_first: bool) -> None:
        """Push a real observation's newest frame; copy an episode's first observation whole."""
        if is_first:
            self._stacks.observations[index] = observation
        else:
            self._stacks.push(index, self.layout.stack(np.asarray(observation))[-1])


class GeneratedFrames:
    """Generates every frame that agents of several games see, as `GeneratedObservation` does.

    Args:
        generator: the generator.
        env: one of the games.
        frame_format: the format of the frames, gray or RGB.
        num_games: the number of games that are played at the same time.
        seed: episode i uses seed + i.
        provenance: of the real frames that agents see, to compare with the generator's.
        allow_other_game: as in `GenerationOptions`.
        allow: how to allow another game, for messages.

    Raises:
        InputError: the generator reads states, and the game has none or is another one.
    """

    def __init__(
        self,
        generator: Decoder,
        env: gym.Env[Any, Any],
        frame_format: FrameFormat,
        num_games: int,
        seed: int,
        provenance: Provenance,
        *,
        allow_other_game: bool = False,
        allow: str = "allow_other_game=True",
    ) -> None:
        layout = layout_of_frames(frame_format)
        self._stream = ObservationStream(
            generator,
            layout.space,
            layout,
            num_games,
            GenerationOptions(allow_other_game=allow_other_game),
            provenance,
            allow,
        )
        if self._stream.given_state is not None:
            check_gives(env, self._stream.given_state)
        self._num_games, self._seed = num_games, seed

    @property
    def state(self) -> StateSpec | None:
        """The state that it must be given; None without one."""
        return self._stream.given_state

    def __call__(
        self,
        episodes: Sequence[int],
        is_first: Sequence[bool],
        frames: Frames,
        states: State | None,
    ) -> Frames:
        """Generate the next frames of some episodes, uint8 (M, H, W, C), of states (M, size) or of
        the codes of real frames (M, H, W, C).

        Numbers of episodes that run at the same time differ by less than the number of games.
        """
        games = [episode % self._num_games for episode in episodes]
        for game, episode, begins in zip(games, episodes, is_first, strict=True):
            if begins:
                self._stream.seed([game], [self._seed + episode], lambda: [])
        real = list(frames) if self._stream.needs_real else None
        return self._stream.generate(games, is_first, real, states if self.state else None)


def load_generator(generator: Decoder | str | Path) -> Decoder:
    """Return the generator itself, or load it.

    Args:
        generator: a generator; a .onnx file, which loads ONNX Runtime; or what
            `FrameGenerator.load` takes, which loads torch.

    Raises:
        InputError: nothing is there, or it cannot be read.
    """
    if not isinstance(generator, (str, Path)):
        return generator
    if Path(generator).suffix == ".onnx":
        from atarigan.models.onnx_generator import OnnxGenerator

        return OnnxGenerator.load(generator)
    from atarigan.models.frame_generator import FrameGenerator

    return FrameGenerator.load(generator)


def seed_from(rng: np.random.Generator) -> int:
    """Return a seed that an environment's random generator determines, without advancing it."""
    return int(copy.deepcopy(rng).integers(2**63))


def _rgb_picture(layout: ImageLayout, observation: Observations) -> Frames:
    """Return the newest frame of an image observation, RGB uint8 (H, W, 3)."""
    return layout.frame_format.to_rgb(layout.newest(observation)).copy()


def _side_by_side(left: Frames, right: Frames) -> Frames:
    """Join two RGB pictures, (H, 2W, 3); the right one is resized to the size of the left one."""
    return np.concatenate([left, pixels.resize(right, *left.shape[:2])], axis=1)
