"""Latents as tensors on a device; `latents` does the same in NumPy."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from atarigan.config.run_config import LatentDistribution

# SplitMix64's constants, as signed numbers
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST_FACTOR = 0xBF58476D1CE4E5B9 - 2**64
_SECOND_FACTOR = 0x94D049BB133111EB - 2**64


def draw_latents(
    num: int, size: int, distribution: LatentDistribution, rng: torch.Generator
) -> Float[Tensor, "{num} {size}"]:
    """Draw independent numbers from N(0, 1), U(-1, 1) or U[0, 1), on the device of `rng`."""
    if distribution == "normal":
        return torch.randn(num, size, generator=rng, device=rng.device)
    units = torch.rand(num, size, generator=rng, device=rng.device)
    return units if distribution == "unit" else units * 2 - 1


def from_gaussian(
    gaussian: Float[Tensor, "B n"], distribution: LatentDistribution
) -> Float[Tensor, "B n"]:
    """Map N(0, 1) numbers to the distribution, by the normal distribution function."""
    if distribution == "normal":
        return gaussian
    unit: Tensor = torch.special.ndtr(gaussian).clamp(max=1 - 2**-24)
    return unit if distribution == "unit" else unit * 2 - 1


def on_unit_interval(
    latents: Float[Tensor, "B n"], distribution: LatentDistribution
) -> Float[Tensor, "B n"]:
    """Map numbers of the distribution to U[0, 1), by its distribution function."""
    if distribution == "unit":
        return latents
    unit = torch.special.ndtr(latents) if distribution == "normal" else (latents + 1) / 2
    return unit.clamp(0, 1 - 2**-24)


class NoiseStreams:
    """N(0, 1) numbers of several streams, each determined by its own seed alone.

    Every number is a hash of the stream's seed, the draw and the column, so it depends neither on
    the other streams nor on the device, except for rounding. The hash is SplitMix64's (Steele, Lea
    and Flood 2014, OOPSLA, figure 15), applied to the draw and then to the column.

    Args:
        num_streams: the number of streams; they are numbered from 0.
        size: numbers in one draw of a stream.
        device: where they are drawn.
    """

    def __init__(self, num_streams: int, size: int, device: torch.device) -> None:
        self._keys = torch.zeros(num_streams, dtype=torch.int64, device=device)
        self._num_draws = torch.zeros(num_streams, dtype=torch.int64, device=device)
        self._columns = torch.arange(size, device=device)

    def seed(self, streams: Sequence[int], seeds: Sequence[int]) -> None:
        """Start some streams over, each from its non-negative seed."""
        states = [np.random.SeedSequence(seed).generate_state(1, np.uint64) for seed in seeds]
        keys = np.concatenate([np.zeros(0, np.uint64), *states]).view(np.int64)
        rows = torch.tensor(streams, dtype=torch.int64, device=self._keys.device)
        self._keys[rows] = torch.from_numpy(keys).to(self._keys.device)
        self._num_draws[rows] = 0

    def draw(self, streams: slice | Tensor = slice(None)) -> Float[Tensor, "B n"]:
        """Draw the next numbers of some streams, (B, size)."""
        self._num_draws[streams] += 1
        draws = _mixed(self._keys[streams] + _GOLDEN * self._num_draws[streams])
        bits = _mixed(draws[:, None] + _GOLDEN * (self._columns + 1))
        units = (_shifted(bits, 64 - 23) + 0.5) * 2.0**-22 - 1  # in (-1, 1), exact in float32
        return 2**0.5 * torch.erfinv(units)


def _mixed(numbers: Tensor) -> Tensor:
    """Return SplitMix64's mixing function of int64 numbers, modulo 2**64."""
    numbers = (numbers ^ _shifted(numbers, 30)) * _FIRST_FACTOR
    numbers = (numbers ^ _shifted(numbers, 27)) * _SECOND_FACTOR
    return numbers ^ _shifted(numbers, 31)


def _shifted(numbers: Tensor, num_bits: int) -> Tensor:
    """Return int64 numbers shifted to the right, with zeros from the left."""
    return (numbers >> num_bits) & ((1 << (64 - num_bits)) - 1)
