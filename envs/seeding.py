"""Seeds of latents, from those of environments."""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt


def drawn_seed(rng: np.random.Generator) -> int:
    """A seed that an environment's generator determines; its stream is left where it was."""
    return int(copy.deepcopy(rng).integers(2**63))


def seeds_of_reset(seed: Any, num_envs: int, indices: npt.NDArray[np.intp]) -> list[int | None]:
    """The seed of each sub-environment that a vector environment's `reset(seed=…)` resets; None
    where it has none.

    Sub-environment i of a reset with an integer s has s + i; a sequence holds one for each
    sub-environment, or one for each that is reset, and None or a negative number means none.
    """
    if seed is None:
        return [None] * len(indices)
    if isinstance(seed, (int, np.integer)):
        return [int(seed) + int(index) for index in indices]
    given = list(seed)
    if len(given) == num_envs:
        given = [given[index] for index in indices]
    return [None if each is None or each < 0 else int(each) for each in given]
