"""Latents drawn from a generator's prior, as NumPy arrays."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from atarigan.config.run_config import Prior
from atarigan.errors import InputError

Latents = npt.NDArray[np.float32]
LARGEST_BATCH = 256  # that generators decode at once
Seed = int | np.random.Generator | None


def batches(num: int) -> Iterator[slice]:
    """Which of `num` samples to decode at once, one batch after the other."""
    return (slice(start, start + LARGEST_BATCH) for start in range(0, num, LARGEST_BATCH))


def prior_latents(num: int, size: int, prior: Prior, seed: Seed) -> Latents:
    """float32 (num, size): N(0, 1), U(-1, 1) or U[0, 1) numbers; the first ones are the same
    however many are drawn.

    Raises:
        InputError: num is below 0.
    """
    if num < 0:
        raise InputError(f"the number of samples must be at least 0, not {num}")
    rng = np.random.default_rng(seed)
    if prior == "normal":
        return rng.standard_normal((num, size), dtype=np.float32)
    units = rng.random((num, size), dtype=np.float32)
    return units if prior == "unit" else units * 2 - 1
