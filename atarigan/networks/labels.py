"""What a variable was in each of some samples, and how much it says about another."""

from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


class Labels:
    """A discrete variable in N samples.

    Attributes:
        values: as numbers from 0, int64 (N,), each of them at least once.
        num_values: how many different ones.
    """

    def __init__(self, values: npt.NDArray[np.integer]) -> None:
        different, numbers = np.unique(values, return_inverse=True)
        self.values: Numbers = numbers.reshape(-1)
        self.num_values = len(different)

    @cached_property
    def entropy(self) -> float:
        """H(X) of the samples' frequencies, in nats."""
        return _entropy(np.bincount(self.values))

    def information(self, other: Self) -> float:
        """I(X; Y) = H(X) + H(Y) - H(X, Y), in nats (Cover and Thomas 2006, equation 2.45)."""
        return self.entropy + other.entropy - _entropy(self.together(other))

    def together(self, other: Self) -> Numbers:
        """How often each pair of values occurs that does, int64 (pairs,)."""
        counts = np.bincount(self._pairs(other))
        found: Numbers = counts[counts > 0]
        return found

    def joined(self, other: Self) -> "Labels":
        """Both as one variable."""
        return Labels(self._pairs(other))

    def _pairs(self, other: Self) -> Numbers:
        return self.values * other.num_values + other.values


def _entropy(counts: Numbers) -> float:
    """In nats, of how often each value occurs, all at least once."""
    num = int(counts.sum())
    return float(np.log(num) - (counts * np.log(counts)).sum() / num)
