"""Random numbers of many games at once: each game has its own stream, which is two numbers.

SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", figure 1):
the n-th number of a stream is a hash of its key plus n times a constant. So streams are drawn from
in one array operation, and copied with their game.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]
GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
UNUSED_BITS = np.uint64(11)  # a float64 has 53


def keys_of(seeds: npt.NDArray[Any]) -> Numbers:
    """Return the keys of streams from seeds, whole numbers from 0 to 2**64 - 1 (N,)."""
    return _mixed(seeds.astype(np.uint64) + GAMMA)


def uniforms(keys: Numbers, counts: Numbers) -> npt.NDArray[np.float64]:
    """Return number `counts` of each stream, uniform in [0, 1), float64 (N,)."""
    numbers = _mixed(keys + (counts + np.uint64(1)) * GAMMA)
    return (numbers >> UNUSED_BITS).astype(np.float64) * 2.0**-53


def _mixed(numbers: Numbers) -> Numbers:
    for shift, mixer in zip(SHIFTS, MIXERS, strict=False):
        numbers = (numbers ^ (numbers >> shift)) * mixer
    return numbers ^ (numbers >> SHIFTS[-1])
