"""Entropy and mutual information of samples."""

import numpy as np
import pytest

from atarigan.models.state.mutual_information import DiscreteVariable


def test_entropy_and_information_are_those_of_the_frequencies():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 6, 500) * 40
    second = np.where(rng.random(500) < 0.6, first // 80, rng.integers(3, 9, 500))
    joint = np.array(
        [[np.mean((first == x) & (second == y)) for y in range(9)] for x in set(first)]
    )
    of_first, of_second = joint.sum(1), joint.sum(0)
    terms = joint * np.log(np.where(joint > 0, joint, 1) / np.outer(of_first, of_second))
    x, y = DiscreteVariable(first), DiscreteVariable(second)
    assert x.entropy == pytest.approx(-(of_first * np.log(of_first)).sum(), abs=1e-12)
    assert x.information(y) == pytest.approx(terms.sum(), abs=1e-12)
    assert x.information(y) == pytest.approx(y.information(x), abs=1e-12)
    assert x.joined(y).entropy == pytest.approx(x.entropy + y.entropy - terms.sum(), abs=1e-12)


def test_pairs_of_values_are_counted():
    x, y = DiscreteVariable(np.array([5, 5, 9, 9, 9])), DiscreteVariable(np.array([1, 0, 1, 1, 1]))
    assert (x.num_values, y.num_values) == (2, 2)
    assert sorted(x.pair_counts(y)) == [1, 1, 3]
    assert x.joined(y).num_values == 3
