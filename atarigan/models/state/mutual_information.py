"""What a variable was in each of some samples, and how much it says about another."""

from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
_NUM_COMPARED = 8192


class DiscreteVariable:
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

    def information(self, other: Self, counts: Numbers | None = None) -> float:
        """I(X; Y) = H(X) + H(Y) - H(X, Y), in nats (Cover and Thomas 2006, equation 2.45).

        Args:
            other: Y.
            counts: what `together` gives, where it is known already.
        """
        if counts is None:
            counts = self.together(other)
        return self.entropy + other.entropy - _entropy(counts)

    def together(self, other: Self) -> Numbers:
        """How often each pair of values occurs that does, int64 (pairs,)."""
        counts = np.bincount(self._pairs(other))
        found: Numbers = counts[counts > 0]
        return found

    def joined(self, other: Self) -> "DiscreteVariable":
        """Both as one variable."""
        return DiscreteVariable(self._pairs(other))

    def _pairs(self, other: Self) -> Numbers:
        return self.values * other.num_values + other.values


def variables_of(table: npt.NDArray[np.integer]) -> list[DiscreteVariable]:
    """What each column of a table (N, n) was, in at most 8,192 of its rows, evenly spaced."""
    few = table[:: -(-len(table) // _NUM_COMPARED)]
    return [DiscreteVariable(column) for column in few.T]


def _entropy(counts: Numbers) -> float:
    """In nats, of how often each value occurs, all at least once."""
    num = int(counts.sum())
    return float(np.log(num) - (counts * np.log(counts)).sum() / num)
