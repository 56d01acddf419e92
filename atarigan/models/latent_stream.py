"""The latents of an environment, one for each observation, from one seed."""

import math
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from atarigan.config.run_config import Prior
from atarigan.images.pixels import FrameFormat, Frames

Latents = npt.NDArray[np.float32]
Ram = npt.NDArray[np.uint8]
Schedule = Literal["step", "episode", "walk"]
_STREAM_KEY = (
    0x6A7A  # keeps these streams apart from the environment's own, which has the same seed
)


class Decoder(Protocol):
    """The part of a FrameGenerator that an environment needs."""

    @property
    def frame_format(self) -> FrameFormat: ...

    @property
    def latent_size(self) -> int: ...

    @property
    def prior(self) -> Prior: ...

    def latents(self, num: int, seed: np.random.Generator) -> Latents:
        """(num, latent_size) drawn from the prior."""

    @property
    def reads_ram(self) -> bool: ...

    def decode(self, latents: Latents, conditions: Ram | None = None) -> Frames:
        """uint8 (N, H, W, C) of latents (N, latent_size), and of the console's memory (N, bytes)
        where it `reads_ram`.
        """


class LatentStream:
    """The latents of one environment, one an observation, all of them determined by one seed.

    Args:
        decoder: says what its latents are drawn from.
        schedule: "step" draws a new latent for each observation, "episode" for each reset, "walk"
            draws one for each reset and then lets it drift: in Gaussian terms z' = a z + sqrt(1 -
            a²) e with e from N(0, 1) and a = exp(-1 / walk_length), so that every latent by itself
            is a draw from the prior.
        walk_length: agent steps in which a walk's correlation with its past falls to 1/e, above 0.
    """

    def __init__(self, decoder: Decoder, schedule: Schedule, walk_length: float) -> None:
        self._decoder = decoder
        self._schedule = schedule
        self._persistence = math.exp(-1 / walk_length)
        self._latent_rng: np.random.Generator | None = None
        self._chance_rng: np.random.Generator | None = None
        self._position = np.zeros(decoder.latent_size, np.float32)

    @property
    def is_seeded(self) -> bool:
        return self._latent_rng is not None

    def seed(self, seed: int) -> None:
        """Begin anew from a non-negative integer."""
        sequences = np.random.SeedSequence(seed, spawn_key=(_STREAM_KEY,)).spawn(2)
        self._latent_rng, self._chance_rng = (np.random.default_rng(each) for each in sequences)

    def begin(self) -> Latents:
        """The latent of an episode's first observation, float32 (latent_size,)."""
        assert self._latent_rng is not None
        if self._schedule == "walk":
            self._position = self._gaussian(self._latent_rng)
            return self._on_prior(self._position)
        self._position = self._decoder.latents(1, self._latent_rng)[0]
        return self._position

    def advance(self) -> Latents:
        """The latent of the observation after a step, float32 (latent_size,)."""
        assert self._latent_rng is not None
        if self._schedule == "episode":
            return self._position
        if self._schedule == "step":
            return self.begin()
        innovation = self._gaussian(self._latent_rng)
        spread = math.sqrt(1 - self._persistence**2)
        self._position = self._persistence * self._position + spread * innovation
        return self._on_prior(self._position)

    def chance(self, probability: float) -> bool:
        """True with that probability; drawn apart from the latents, which do not depend on it."""
        assert self._chance_rng is not None
        return bool(self._chance_rng.random() < probability)

    def _gaussian(self, rng: np.random.Generator) -> Latents:
        return rng.standard_normal(self._decoder.latent_size, np.float32)

    def _on_prior(self, gaussian: Latents) -> Latents:
        """N(0, 1) numbers moved to the prior through its inverse distribution function."""
        if self._decoder.prior == "normal":
            return gaussian
        uniform = [math.erf(x / math.sqrt(2)) for x in gaussian.tolist()]
        if self._decoder.prior == "unit":
            uniform = [(x + 1) / 2 for x in uniform]
        return np.array(uniform, np.float32)
