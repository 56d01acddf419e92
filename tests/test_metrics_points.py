"""Metrics of points against closed forms and brute force, and on sets with known defects."""

import itertools

import numpy as np
import pytest

from atarigan.data.sources.points import GaussianMixture, NoisySine, grid, ring, spiral
from atarigan.errors import InputError
from atarigan.evaluation.metrics.manifold import OFF, MixtureModes, SineBand, manifold_of
from atarigan.evaluation.metrics.points import (
    coverage,
    energy_distance,
    maximum_mean_discrepancy,
    median_distance,
    on_manifold,
    sliced_wasserstein,
    wasserstein,
)

DISTANCES = [sliced_wasserstein, energy_distance, maximum_mean_discrepancy]


def normal_points(num, seed, shift=(0.0, 0.0)):
    return np.random.default_rng(seed).standard_normal((num, 2)) + shift


def all_distances(first, second):
    return np.array([[np.hypot(*(x - y)) for y in second] for x in first])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0, 1, 3], [5, 6, 8], 5),
        ([0, 1], [0, 0, 1, 1], 0),
        ([0], [1, 2, 6], 3),
        ([0, 1], [0, 1, 2], (1 / 6) + (1 / 3)),
        ([3, 0, 1], [1, 3, 0], 0),
    ],
)
def test_wasserstein_distance_of_known_cases(first, second, expected):
    value = wasserstein(np.array(first, float), np.array(second, float))
    assert value == pytest.approx(expected, abs=1e-12)


def test_wasserstein_distance_of_equal_sizes_is_the_mean_gap_of_sorted_values():
    first, second = np.random.default_rng(0).standard_normal((2, 3, 50))
    expected = np.abs(np.sort(first) - np.sort(second)).mean(-1)
    np.testing.assert_allclose(wasserstein(first, second), expected, rtol=1e-12)


def test_sliced_wasserstein_of_a_shifted_set_is_the_shift_times_two_over_pi():
    points = normal_points(50, 0)
    shifted = sliced_wasserstein(points, points + np.array([0.3, 0.4]), num_projections=20_000)
    assert shifted == pytest.approx(0.5 * 2 / np.pi, rel=0.01)


def test_energy_distance_equals_brute_force():
    first, second = normal_points(90, 0), normal_points(80, 1, shift=(1.0, 0.5))
    expected = (
        2 * all_distances(first, second).mean()
        - all_distances(first, first).mean()
        - all_distances(second, second).mean()
    )
    assert energy_distance(first, second) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("bandwidth", [None, 0.7])
def test_maximum_mean_discrepancy_equals_brute_force(bandwidth):
    first, second = normal_points(90, 0), normal_points(80, 1, shift=(1.0, 0.5))
    width = bandwidth or np.median(all_distances(second, second)[np.triu_indices(80, 1)])

    def kernel_mean(a, b):
        return np.exp(-(all_distances(a, b) ** 2) / (2 * width**2)).mean()

    squared = kernel_mean(first, first) - 2 * kernel_mean(first, second)
    squared += kernel_mean(second, second)
    value = maximum_mean_discrepancy(first, second, bandwidth)
    assert value == pytest.approx(np.sqrt(squared), rel=1e-9)


def test_median_distance_of_many_points_uses_a_subset():
    points = normal_points(20_000, 0)
    # |X - Y| of two standard normal points is a Rayleigh variable with scale √2.
    assert median_distance(points) == pytest.approx(np.sqrt(2) * np.sqrt(2 * np.log(2)), rel=0.05)


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_are_zero_for_equal_sets_and_symmetric(distance):
    first, second = normal_points(200, 0), normal_points(200, 1)
    assert distance(first, first.copy()) == pytest.approx(0, abs=1e-6)
    if distance is not maximum_mean_discrepancy:  # its bandwidth is the second set's
        assert distance(first, second) == pytest.approx(distance(second, first), rel=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_rank_known_defects(distance):
    real = NoisySine().draw(2000, seed=0)
    rng = np.random.default_rng(0)
    fresh = rng.permutation(NoisySine().draw(4000, seed=1))[:1500]
    blurred = fresh + 0.15 * rng.standard_normal(fresh.shape)
    half = fresh[fresh[:, 0] < 0]
    uniform = rng.uniform(-1.5, 1.5, fresh.shape)
    values = [distance(points, real) for points in (fresh, blurred, uniform)]
    assert values == sorted(values)
    assert values[0] < 0.7 * values[1]
    assert distance(half, real) > 2 * values[1]


def test_arcs_of_the_sine_are_equally_long():
    borders = SineBand().borders()
    assert len(borders) == 51
    assert borders[[0, -1]].tolist() == [-1, 1]
    lengths = []
    for begin, end in itertools.pairwise(borders):
        x = np.linspace(begin, end, 2000)
        lengths.append(np.hypot(np.diff(x), np.diff(np.sin(5 * x))).sum())
    np.testing.assert_allclose(lengths, np.mean(lengths), rtol=1e-3)


def test_points_belong_to_the_arc_at_their_x():
    manifold = SineBand()
    borders = manifold.borders()
    x = (borders[:-1] + borders[1:]) / 2
    points = np.stack([x, np.sin(5 * x) + 0.05], axis=1)
    assert manifold.cells(points).tolist() == list(range(50))


@pytest.mark.parametrize(
    ("x", "above", "is_inside"),
    [
        (0.3, -0.019, True),
        (0.3, -0.021, False),
        (0.3, 0.119, True),
        (0.3, 0.121, False),
        (1.019, 0.05, True),
        (-1.021, 0.05, False),
    ],
)
def test_limits_of_the_sine_band(x, above, is_inside):
    [cell] = SineBand().cells(np.array([[x, np.sin(5 * x) + above]]))
    assert (cell != OFF) == is_inside


def test_a_mixtures_point_belongs_to_its_nearest_center_within_three_standard_deviations():
    modes = MixtureModes(GaussianMixture(np.array([[0.0, 0.0], [1.0, 0.0]]), 0.1))
    points = np.array([[0.29, 0], [0.31, 0], [0.75, 0.1], [5, 5]])
    assert modes.cells(points).tolist() == [0, OFF, 1, OFF]


@pytest.mark.parametrize(
    ("make", "least_on_manifold"), [(NoisySine, 1), (ring, 0.98), (grid, 0.98), (spiral, 0.98)]
)
def test_real_points_cover_their_manifold_and_lie_on_it(make, least_on_manifold):
    points = make().draw(20_000, seed=5)
    manifold = manifold_of(make())
    assert coverage(points, manifold) >= 0.999
    assert on_manifold(points, manifold) >= least_on_manifold


def test_half_of_the_modes_missing_halves_the_coverage_but_not_the_quality():
    mixture = ring()
    points = mixture.draw(4000, seed=0)
    half = points[points[:, 0] + 0.3 * points[:, 1] > 0]  # a line between the modes
    assert coverage(half, manifold_of(mixture)) == 0.5
    assert on_manifold(half, manifold_of(mixture)) > 0.98


def test_a_few_stray_points_do_not_cover_a_mode():
    mixture = ring()
    collapsed = np.repeat(mixture.centers[:1], 1000, axis=0)
    with_strays = np.concatenate([collapsed, np.repeat(mixture.centers[1:], 3, axis=0)])
    assert coverage(with_strays, manifold_of(mixture)) == 1 / 8


def test_few_points_of_noise_are_on_the_manifold():
    noise = np.random.default_rng(0).uniform(-1.5, 1.5, (2000, 2))
    assert on_manifold(noise, SineBand()) < 0.1


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((0, 2)), r"not \(0, 2\)"),
        (np.zeros((5, 3)), r"not \(5, 3\)"),
        (np.array([[0.0, np.nan], [1, 1]]), "all 2 points must be finite, not 1"),
    ],
)
@pytest.mark.parametrize("distance", DISTANCES)
def test_invalid_sets_of_points_are_refused(distance, points, message):
    with pytest.raises(InputError, match=message):
        distance(points, np.zeros((4, 2)))


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, float("nan")])
def test_a_bandwidth_must_be_above_zero(bandwidth):
    with pytest.raises(InputError, match="the bandwidth must be above 0"):
        maximum_mean_discrepancy(np.ones((3, 2)), np.zeros((3, 2)), bandwidth)


def test_coverage_of_an_unknown_shape_is_refused():
    with pytest.raises(InputError, match="not object"):
        manifold_of(object())
