"""Metrics of features and class probabilities, against their formulas in float64."""

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from atarigan.errors import InputError
from atarigan.evaluation.metrics.images import (
    class_entropy,
    frechet_distance,
    kernel_distance,
    mean_confidence,
)


def features(num, seed, size=6):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((num, size)) @ np.random.default_rng(99).standard_normal(
        (size, size)
    )


class ExtractedFeatures(torch.nn.Module):
    """Passes features through."""

    num_features = 6

    def forward(self, features):
        return features


def test_frechet_distance_equals_that_of_torchmetrics():
    first, second = features(200, 0), features(150, 1) * 1.3 + 0.4
    theirs = FrechetInceptionDistance(feature=ExtractedFeatures())
    theirs.update(torch.from_numpy(first), real=False)
    theirs.update(torch.from_numpy(second), real=True)
    assert frechet_distance(first, second) == pytest.approx(theirs.compute().item(), rel=1e-8)


def test_frechet_distance_allows_constant_features():
    real = np.concatenate([features(50, 0), np.ones((50, 20))], axis=1)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(real + 1, real) == pytest.approx(26)


def test_frechet_distance_of_a_shifted_and_of_a_scaled_set():
    real = features(300, 0)
    shift = np.arange(6) / 10
    assert frechet_distance(real + shift, real) == pytest.approx((shift**2).sum(), rel=1e-8)
    spread, mean = np.trace(np.cov(real.T)), (real.mean(0) ** 2).sum()
    assert frechet_distance(1.5 * real, real) == pytest.approx(0.25 * (spread + mean), rel=1e-8)


def test_frechet_distance_of_gaussians_approaches_the_closed_form():
    rng = np.random.default_rng(0)
    first = rng.standard_normal((40_000, 3)) * [1.0, 2.0, 0.5]
    second = rng.standard_normal((40_000, 3)) * [2.0, 2.0, 1.0] + [0.0, 1.0, 0.0]
    # With diagonal covariances: squared mean difference, and those of the standard deviations.
    assert frechet_distance(first, second) == pytest.approx(1 + 1 + 0.25, rel=0.03)


def test_kernel_distance_equals_its_formula():
    first, second = features(60, 0), features(60, 1) + 0.3

    def kernel(a, b):
        return (a @ b.T / 6 + 1) ** 3

    within = [(kernel(x, x).sum() - np.trace(kernel(x, x))) / (60 * 59) for x in (first, second)]
    expected = sum(within) - 2 * kernel(first, second).mean()
    assert kernel_distance(first, second) == pytest.approx(expected, rel=1e-9)


def test_kernel_distance_is_reproducible_by_seed_and_keeps_the_global_random_state():
    first, second = features(1500, 0), features(1200, 1)
    before = torch.random.get_rng_state()
    value = kernel_distance(first, second, seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(123)
    assert kernel_distance(first, second, seed=3) == value
    assert kernel_distance(first, second, seed=4) != value


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_distances_are_small_for_real_samples_and_grow_with_defects(distance):
    real, fresh = features(1000, 0), features(1000, 1)
    spread = np.trace(np.cov(real.T))
    blurred = 0.7 * fresh
    collapsed = np.repeat(fresh[:5], 200, axis=0)
    values = [distance(samples, real) for samples in (fresh, blurred, collapsed)]
    assert abs(values[0]) < 0.01 * spread
    assert values[0] < 0.5 * values[1] < 0.5 * values[2]


def one_hot(labels, num_classes):
    return np.eye(num_classes)[np.asarray(labels)]


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        (one_hot([0, 1, 2, 3], 4), 1),
        (one_hot([0, 0, 0, 0], 4), 0),
        (one_hot([0, 1, 0, 1], 4), 0.5),
        (np.full((5, 4), 0.25), 1),
        (one_hot([0, 0, 0, 1], 2), -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))),
    ],
)
def test_class_entropy_of_known_cases(probabilities, expected):
    assert class_entropy(probabilities) == pytest.approx(expected, abs=1e-12)


def test_mean_confidence_averages_the_most_probable_class():
    assert mean_confidence(np.array([[0.7, 0.2, 0.1], [0.0, 0.4, 0.6]])) == pytest.approx(0.65)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize("shape", [(1, 6), (40, 5), (40,)])
def test_features_that_do_not_fit_are_refused(distance, shape):
    with pytest.raises(InputError, match="at least 2, not"):
        distance(np.zeros(shape), features(40, 0))


@pytest.mark.parametrize("measure", [class_entropy, mean_confidence])
@pytest.mark.parametrize("shape", [(0, 10), (5, 1), (5,)])
def test_probabilities_that_do_not_fit_are_refused(measure, shape):
    with pytest.raises(InputError, match=r"must be \(N, K\)"):
        measure(np.zeros(shape))
