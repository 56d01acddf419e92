"""Pick a subset of a long sequence: evenly spaced, or drawn at random."""

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

_T = TypeVar("_T")


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


class Reservoir(Generic[_T]):
    """Draws items without replacement from a stream of unknown length (Vitter's Algorithm R).

    Args:
        size: number of items to draw; all of them if there are not more.
        seed: seed of the choice.

    Attributes:
        items: the items drawn from the stream so far.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.items: list[_T] = []
        self._size = size
        self._num_seen = 0
        self._rng = np.random.default_rng(seed)

    def add(self, item: _T) -> None:
        """Add the next item of the stream."""
        self._num_seen += 1
        if len(self.items) < self._size:
            self.items.append(item)
        elif (place := int(self._rng.integers(self._num_seen))) < self._size:
            self.items[place] = item
