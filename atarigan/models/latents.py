"""Latents as NumPy arrays, and the random walk that latents follow.

Nothing here needs torch. `latent_tensors` does the same on a device.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from atarigan.config.run_config import LatentDistribution
from atarigan.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Latents = npt.NDArray[np.float32]
Numbers = TypeVar("Numbers", Latents, "Tensor")
Seed = int | np.random.Generator | None
LARGEST_BATCH = 256  # samples that a generator decodes at once


def batches(num: int, largest: int = LARGEST_BATCH) -> Iterator[slice]:
    """Yield slices of at most `largest` that cover `num` samples in order."""
    return (slice(start, start + largest) for start in range(0, num, largest))


def draw_latents(num: int, size: int, distribution: LatentDistribution, seed: Seed) -> Latents:
    """Draw float32 (num, size) from N(0, 1), U(-1, 1) or U[0, 1).

    The first latents of a seed are the same for every `num`.

    Raises:
        InputError: num or the seed is below 0.
    """
    if num < 0:
        raise InputError(f"the number of samples must be at least 0, not {num}")
    if isinstance(seed, int) and seed < 0:
        raise InputError(f"seed must be at least 0, not {seed}")
    rng = np.random.default_rng(seed)
    if distribution == "normal":
        return rng.standard_normal((num, size), dtype=np.float32)
    units = rng.random((num, size), dtype=np.float32)
    return units if distribution == "unit" else units * 2 - 1


def from_gaussian(gaussian: Latents, distribution: LatentDistribution) -> Latents:
    """Map N(0, 1) numbers (n,) to the distribution, by the normal distribution function."""
    if distribution == "normal":
        return gaussian
    uniform = [math.erf(x / math.sqrt(2)) for x in gaussian.tolist()]
    if distribution == "unit":
        uniform = [(x + 1) / 2 for x in uniform]
    return np.array(uniform, np.float32)


def persistence(walk_length: float) -> float:
    """Return the correlation a = exp(-1 / walk_length) of a walk's position with the next one."""
    return math.exp(-1 / walk_length)


def walked(positions: Numbers, kept: "float | Numbers", noise: Numbers) -> Numbers:
    """Return the next positions of walks: z' = a z + sqrt(1 - a²) e.

    Positions stay N(0, 1) where the first ones and the noise are.

    Args:
        positions: z.
        kept: a, the `persistence`; 0 starts a new walk.
        noise: e, independent N(0, 1) numbers.
    """
    return kept * positions + (1 - kept**2) ** 0.5 * noise
