"""The latents of an environment: one for each observation, all from one seed."""

from typing import Literal, Protocol

import numpy as np

from atarigan.config.condition import RAM
from atarigan.config.run_config import LatentDistribution
from atarigan.data.states import RAM_SIZE, State, StateSpec
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.models.latents import Latents, from_gaussian, persistence, walked

Schedule = Literal["step", "episode", "walk"]
_STREAM_KEY = 0x6A7A  # makes these streams differ from the environment's own, which has this seed


class Decoder(Protocol):
    """The part of a FrameGenerator that an environment needs."""

    @property
    def frame_format(self) -> FrameFormat: ...

    @property
    def latent_size(self) -> int: ...

    @property
    def latent_distribution(self) -> LatentDistribution: ...

    def latents(self, num: int, seed: np.random.Generator) -> Latents:
        """Draw float32 (num, latent_size) from the latent distribution."""

    @property
    def reads_ram(self) -> bool: ...

    def decode(self, latents: Latents, conditions: State | None = None) -> Frames:
        """Return frames uint8 (N, H, W, C) of latents (N, latent_size), and of states (N, size)
        where it reads any.
        """


def state_of(decoder: Decoder) -> StateSpec | None:
    """Return the state that a decoder reads; None without one.

    Decoders that say only whether they read RAM read that of ALE's console.
    """
    state: StateSpec | None = getattr(decoder, "state", None)
    return StateSpec.of(RAM, RAM_SIZE) if state is None and decoder.reads_ram else state


class LatentStream:
    """The latents of one environment, one for each observation, all determined by one seed.

    Args:
        decoder: gives the size and the distribution of latents.
        schedule: "step" draws a new latent for each observation, "episode" for each reset; "walk"
            draws one for each reset and moves it at each step (`latents.walked`), so that each
            latent by itself is a draw from the distribution.
        walk_length: agent steps in which a walk's correlation with its past falls to 1/e, above 0.
    """

    def __init__(self, decoder: Decoder, schedule: Schedule, walk_length: float) -> None:
        self._decoder = decoder
        self._schedule = schedule
        self._persistence = persistence(walk_length)
        self._latent_rng: np.random.Generator | None = None
        self._chance_rng: np.random.Generator | None = None
        self._position = np.zeros(decoder.latent_size, np.float32)

    @property
    def is_seeded(self) -> bool:
        return self._latent_rng is not None

    def seed(self, seed: int) -> None:
        """Start over from a non-negative integer."""
        sequences = np.random.SeedSequence(seed, spawn_key=(_STREAM_KEY,)).spawn(2)
        self._latent_rng, self._chance_rng = (np.random.default_rng(each) for each in sequences)

    def begin(self) -> Latents:
        """Return the latent of an episode's first observation, float32 (latent_size,)."""
        assert self._latent_rng is not None
        if self._schedule == "walk":
            return self._walk_to(self._gaussian(self._latent_rng))
        self._position = self._decoder.latents(1, self._latent_rng)[0]
        return self._position

    def advance(self) -> Latents:
        """Return the latent of the observation after a step, float32 (latent_size,)."""
        assert self._latent_rng is not None
        if self._schedule == "episode":
            return self._position
        if self._schedule == "step":
            return self.begin()
        noise = self._gaussian(self._latent_rng)
        return self._walk_to(walked(self._position, self._persistence, noise))

    def chance(self, probability: float) -> bool:
        """Return True with this probability. Latents do not depend on these draws."""
        assert self._chance_rng is not None
        return bool(self._chance_rng.random() < probability)

    def _gaussian(self, rng: np.random.Generator) -> Latents:
        return rng.standard_normal(self._decoder.latent_size, np.float32)

    def _walk_to(self, position: Latents) -> Latents:
        self._position = position
        return from_gaussian(position, self._decoder.latent_distribution)
