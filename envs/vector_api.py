"""What Gymnasium's vector environments share: their wrapper's type, arguments, resets and seeds."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from atarigan.errors import InputError, did_you_mean, shown

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
Output = Literal["numpy", "torch"]

if TYPE_CHECKING:  # at runtime the class takes type arguments only from Gymnasium 1.4 on
    _VectorWrapper = VectorWrapper[Any, Any, Any, Any, Any]
else:
    _VectorWrapper = VectorWrapper

# `step_async`, `step_wait`, `send` and `recv` are left out: they return unwrapped observations.
_FORWARDED = (
    "ale",
    "autoreset_mode",
    "batch_size",
    "call",
    "env_fns",
    "envs",
    "get_attr",
    "set_attr",
)


class AnyVectorWrapper(_VectorWrapper):
    """A wrapper that also forwards attributes that only some vector environments have, such as
    `call` and `get_attr`.
    """

    def __getattr__(self, name: str) -> Any:
        if name in _FORWARDED:
            return getattr(self.env, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def autoreset_mode_of(envs: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    """Return when a vector environment begins new episodes.

    Raises:
        InputError: its metadata has no autoreset mode, or a step returns only some
            sub-environments.
    """
    mode = envs.metadata.get("autoreset_mode")
    if mode is None:
        raise InputError(
            f"{envs} must name its autoreset mode in metadata['autoreset_mode'], not {mode}"
        )
    batch_size = getattr(envs.unwrapped, "batch_size", envs.num_envs)
    if batch_size != envs.num_envs:
        raise InputError(
            f"{envs} must step all sub-environments: batch_size must be {envs.num_envs}, "
            f"not {batch_size}"
        )
    return AutoresetMode(mode)


def autoreset_mode_named(mode: AutoresetMode | str) -> AutoresetMode:
    """Return a mode itself or the mode of its value, such as "SameStep".

    Raises:
        InputError: the value is unknown.
    """
    values = [known.value for known in AutoresetMode]
    if not isinstance(mode, AutoresetMode) and mode not in values:
        hint = did_you_mean(str(mode), values)
        raise InputError(f"autoreset_mode must be a known mode, not {mode!r}: {hint}")
    return AutoresetMode(mode)


def check_output(output: str) -> None:
    """Raise InputError if the kind of output is unknown."""
    if output not in ("numpy", "torch"):
        raise InputError(f"output must be 'numpy' or 'torch', not {output!r}")


def check_render_mode(render_mode: str | None) -> None:
    """Raise InputError if a mode is neither None nor "rgb_array"."""
    if render_mode not in (None, "rgb_array"):
        raise InputError(f"render_mode must be None or 'rgb_array', not {render_mode!r}")


def checked_reset_mask(options: dict[str, Any] | None, num_envs: int) -> Mask:
    """Return which sub-environments a reset with these options resets, bool (num_envs,).

    Raises:
        InputError: the mask has another type or shape, or it is False everywhere.
    """
    mask = (options or {}).get("reset_mask", np.ones(num_envs, np.bool_))
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (num_envs,):
        kind = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else shown(mask)
        raise InputError(f"reset_mask must be an array bool ({num_envs},), not {kind}")
    if not mask.any():
        raise InputError("reset_mask must be True for at least one sub-environment, not for none")
    return mask


def reset_mask_of(options: dict[str, Any] | None, num_envs: int) -> Mask:
    """Return which sub-environments a reset with these options resets, bool (num_envs,).

    Read it before the reset, which may remove it from the options. The vector environment itself
    refuses a wrong mask.
    """
    if options is None or "reset_mask" not in options:
        return np.ones(num_envs, np.bool_)
    return np.array(options["reset_mask"], np.bool_)


def seeds_of_reset(seed: Any, num_envs: int, indices: Indices) -> list[int | None]:
    """Return the seed of each sub-environment in `indices`; None for one without a seed.

    Args:
        seed: as passed to `reset` of a vector environment. An integer s gives sub-environment i the
            seed s + i. A sequence has a seed for each sub-environment, or for each one in
            `indices`; None and negative numbers mean no seed.
        num_envs: the number of sub-environments.
        indices: the sub-environments that are reset.

    Raises:
        InputError: a sequence has another length.
    """
    if seed is None:
        return [None] * len(indices)
    if isinstance(seed, (int, np.integer)):
        return [int(seed) + int(index) for index in indices]
    given = list(seed)
    if len(given) not in (num_envs, len(indices)):
        raise InputError(
            f"seed must be an integer or a seed for each of {num_envs} sub-environments, "
            f"not {len(given)} seeds"
        )
    if len(given) == num_envs:
        given = [given[index] for index in indices]
    return [None if each is None or each < 0 else int(each) for each in given]


def new_seeds(
    indices: Iterable[int],
    seeds: Iterable[int | None],
    is_seeded: Mask,
    rng: np.random.Generator,
) -> dict[int, int]:
    """Return seeds for the random streams that begin anew, by sub-environment.

    Args:
        indices: the sub-environments that are reset.
        seeds: for each of them; None continues its stream, or draws its first seed.
        is_seeded: which sub-environments have a stream, bool (num_envs,).
        rng: draws first seeds.
    """
    found = {}
    for index, seed in zip(indices, seeds, strict=True):
        if seed is not None:
            found[index] = seed
        elif not is_seeded[index]:
            found[index] = int(rng.integers(2**63))
    return found
