"""Split real samples into two sets, by whole episodes where there are any.

Frames of one episode are similar, so two sets that share episodes would be nearer to each other
than new frames of the same game can be.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError

FEW_EPISODES = 20
_MAX_SHARE = 0.75
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RealSets:
    """Indices of real samples, ascending.

    Attributes:
        real: the samples to compare with, (N,).
        others: as many others, which set the floor, (N,).
        num_available: number of all real samples.
        episodes: the episode of each of `real`, (N,); None if samples are independent.
        num_episodes: number of episodes of all real samples; 0 if they are independent.
    """

    real: Indices
    others: Indices
    num_available: int
    episodes: Indices | None = None
    num_episodes: int = 0


def two_real_sets(num_samples: int, num: int, seed: int, episodes: Indices | None) -> RealSets:
    """Draw two disjoint sets of `num` real samples, or of at most half of all.

    No episode is in both sets, so with episodes a set may have fewer than half of the samples.

    Args:
        num_samples: number of real samples.
        num: number of samples in each set.
        seed: seed of the choice.
        episodes: episode of each sample, (num_samples,), ascending; None if they are independent.

    Raises:
        InputError: there are fewer than eight real samples, or fewer than four in a set.
    """
    if min(num, num_samples // 2) < 4:
        raise InputError(f"measurements need at least 8 real samples, not {num_samples}")
    rng = np.random.default_rng(seed)
    if episodes is None:
        num = min(num, num_samples // 2)
        order = rng.permutation(num_samples)
        return RealSets(np.sort(order[:num]), np.sort(order[num : 2 * num]), num_samples)
    in_first = half_of_episodes(episodes, rng)
    sides = [np.flatnonzero(in_first), np.flatnonzero(~in_first)]
    num = min(num, *map(len, sides))
    if num < 4:
        raise InputError(
            f"measurements need two sets of whole episodes with at least 4 real samples each, not "
            f"{len(sides[0])} and {len(sides[1])}"
        )
    real, others = (np.sort(rng.permutation(side)[:num]) for side in sides)
    return RealSets(real, others, num_samples, episodes[real], len(np.unique(episodes)))


def half_of_episodes(episodes: Indices, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Draw whole episodes with about half of the samples.

    An episode with more than three quarters of the samples is cut in the middle first.

    Args:
        episodes: episode of each sample, (N,), ascending, N at least 2.
        rng: source of randomness.

    Returns:
        which samples are in it, (N,): at least one episode, and not all.
    """
    _, starts, lengths = np.unique(episodes, return_index=True, return_counts=True)
    longest = int(lengths.argmax())
    if lengths[longest] > _MAX_SHARE * len(episodes):
        starts = np.insert(starts, longest + 1, starts[longest] + lengths[longest] // 2)
        lengths = np.diff([*starts, len(episodes)])
    order = rng.permutation(len(starts))
    sizes = np.cumsum(lengths[order])[:-1]
    num_chosen = int(np.abs(sizes - len(episodes) / 2).argmin()) + 1
    is_chosen = np.isin(np.arange(len(starts)), order[:num_chosen])
    return np.repeat(is_chosen, lengths)


def half_of_rows(num: int, episodes: Indices | None, rng: np.random.Generator) -> Indices:
    """Draw half of the samples, by whole episodes if they are given; else at least two."""
    if episodes is None:
        chosen: Indices = np.sort(rng.permutation(num)[: max(min(num, 2), num // 2)])
        return chosen
    return np.flatnonzero(half_of_episodes(episodes, rng))
