"""Retention and bootstrap intervals, against closed forms."""

import math

import numpy as np
import pytest

from atarigan.evaluation.policy.retention import bootstrap_interval, mean, retention, share


def test_retention_is_the_return_above_random_relative_to_real_frames():
    real, random = np.array([30.0, 10.0]), np.array([1.0, 3.0, 2.0])
    assert retention(np.array([11.0]), real, random) == pytest.approx(0.5, rel=1e-15)
    assert retention(real, real, random) == 1
    assert retention(random, real, random) == 0
    assert retention(np.array([-16.0]), real, random) == -1


def test_negative_returns():
    found = retention(np.array([-3.0]), np.array([17.0, 15.0]), np.array([-21.0, -19.0]))
    assert found == pytest.approx(17 / 36, rel=1e-15)


def test_retention_is_nan_for_a_policy_no_better_than_random():
    assert np.isnan(retention(np.array([5.0]), np.array([2.0]), np.array([2.0])))
    assert math.isnan(retention(np.array([5.0]), np.array([1.0]), np.array([2.0])))


def test_agreement_weights_episodes_by_their_states():
    assert share(np.array([9.0, 0.0]), np.array([10.0, 90.0])) == pytest.approx(0.09, rel=1e-15)


def test_the_interval_of_a_mean_is_1_96_standard_errors():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = bootstrap_interval(mean, [values])
    error = values.std() / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.02)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.02)


def test_intervals_cover_the_true_value_in_95_percent_of_cases():
    num_covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        seen, real, random = (rng.normal(m, 2, 40) for m in (8.0, 10.0, 0.0))
        low, high = bootstrap_interval(retention, [seen, real, random], seed)
        num_covered += low <= 0.8 <= high
    assert 51 <= num_covered <= 60


def test_intervals_are_reproducible_by_seed():
    groups = [np.arange(9.0), np.arange(5.0, 20.0), np.array([0.0, 1.0])]
    first = bootstrap_interval(retention, groups, 3)
    assert bootstrap_interval(retention, groups, 3) == first
    assert bootstrap_interval(retention, groups, 4) != first


def test_paired_groups_are_resampled_together():
    hits, asked = np.array([1.0, 50.0, 4.0]), np.array([2.0, 100.0, 8.0])
    assert bootstrap_interval(share, [hits, asked], paired=True) == (0.5, 0.5)


def test_the_interval_is_nan_if_the_statistic_always_is():
    groups = [np.array([1.0]), np.array([1.0]), np.array([1.0])]
    assert all(map(math.isnan, bootstrap_interval(retention, groups)))
