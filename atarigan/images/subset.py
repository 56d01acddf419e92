"""Pick a subset of a long sequence: evenly spaced, or drawn at random."""

import numpy as np
import numpy.typing as npt


def evenly_spaced(
    num_items: int, num_picked: int, *, repeats: bool = False
) -> npt.NDArray[np.int64]:
    """Return indices at even distances from the first item to the last.

    Args:
        num_items: items to pick from, at least 1.
        num_picked: indices to return. If there are fewer items, all of them are returned instead.
        repeats: return `num_picked` indices even then, some of them several times.

    Returns:
        int64 (num_picked,) or (num_items,), in ascending order.
    """
    if not repeats:
        num_picked = min(num_items, num_picked)
    return np.linspace(0, num_items - 1, num_picked).astype(np.int64)


def drawn(num_items: int, num_picked: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Draw indices without replacement; all of them if there are not more than `num_picked`.

    They represent all items in any order. The first ones do not, and evenly spaced ones do not if
    items repeat periodically, as classes may.

    Returns:
        int64 (num_picked,) or (num_items,), in ascending order.
    """
    if num_items <= num_picked:
        return np.arange(num_items)
    order = np.random.default_rng(seed).permutation(num_items)
    return np.sort(order[:num_picked])
