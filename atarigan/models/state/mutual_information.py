"""Entropy and mutual information of discrete variables, estimated from samples."""

from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
_MAX_SAMPLES = 8192


class DiscreteVariable:
    """A discrete variable in N samples.

    Attributes:
        values: the samples, int64 (N,), renumbered from 0 without gaps.
        num_values: how many distinct values there are.
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
        """Return I(X; Y) = H(X) + H(Y) - H(X, Y), in nats (Cover and Thomas 2006, eq. 2.45).

        Args:
            other: Y.
            counts: `pair_counts(other)`, if already computed.
        """
        if counts is None:
            counts = self.pair_counts(other)
        return self.entropy + other.entropy - _entropy(counts)

    def pair_counts(self, other: Self) -> Numbers:
        """Return how often each pair of values occurs, for pairs that do, int64 (pairs,)."""
        counts = np.bincount(self._pairs(other))
        found: Numbers = counts[counts > 0]
        return found

    def joined(self, other: Self) -> "DiscreteVariable":
        """Return the pair (X, Y) as one variable."""
        return DiscreteVariable(self._pairs(other))

    def _pairs(self, other: Self) -> Numbers:
        return self.values * other.num_values + other.values


def column_variables(table: npt.NDArray[np.integer]) -> list[DiscreteVariable]:
    """Return the columns of a table (N, n) as variables, from at most 8,192 evenly spaced rows."""
    few = table[:: -(-len(table) // _MAX_SAMPLES)]
    return [DiscreteVariable(column) for column in few.T]


def _entropy(counts: Numbers) -> float:
    """Return the entropy, in nats, of positive counts."""
    num = int(counts.sum())
    return float(np.log(num) - (counts * np.log(counts)).sum() / num)
