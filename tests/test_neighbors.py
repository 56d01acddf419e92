"""Nearest neighbors of features: precision, recall, density, coverage, copies."""

import numpy as np
import pytest

from atarigan.evaluation.metrics.neighbors import copied_share, nearest, neighborhood_scores


def cloud(num, seed, center=0.0):
    return np.random.default_rng(seed).standard_normal((num, 8)) + center


def test_neighborhood_scores_equal_their_definitions():
    samples, real = cloud(40, 0, 0.5), cloud(50, 1)
    k = 5

    def distances(first, second):
        return np.sqrt(((first[:, None] - second[None]) ** 2).sum(-1))

    reach_real = np.sort(distances(real, real), axis=1)[:, k]
    reach_fake = np.sort(distances(samples, samples), axis=1)[:, k]
    across = distances(samples, real)
    expected = {
        "precision": (across <= reach_real[None]).any(1).mean(),
        "recall": (across <= reach_fake[:, None]).any(0).mean(),
        "density": (across <= reach_real[None]).sum() / (k * len(samples)),
        "coverage": (across.min(0) <= reach_real).mean(),
    }
    assert neighborhood_scores(samples, real) == pytest.approx(expected, abs=1e-6)


def test_scores_of_an_identical_and_of_a_distant_set():
    real = cloud(60, 0)
    itself, far = neighborhood_scores(real, real), neighborhood_scores(real + 100, real)
    assert (itself["precision"], itself["recall"], itself["coverage"]) == (1, 1, 1)
    assert set(far.values()) == {0}


def test_sets_smaller_than_the_number_of_neighbors():
    found = neighborhood_scores(cloud(2, 0), cloud(3, 1))
    assert all(np.isfinite(list(found.values())))


def test_copied_share_separates_copies_from_new_samples():
    training, fresh, samples = (cloud(400, seed) for seed in range(3))
    assert copied_share(training[::2], training, fresh) == 1
    assert copied_share(fresh, training, fresh) == pytest.approx(0.05, abs=0.005)
    assert copied_share(samples, training, fresh) == pytest.approx(0.05, abs=0.03)
    half = np.concatenate([training[:200], samples[:200]])
    assert copied_share(half, training, fresh) == pytest.approx(0.525, abs=0.03)


def test_with_repeated_real_samples_only_repeats_count_as_copies():
    training = np.zeros((50, 8))
    fresh = np.concatenate([np.zeros((10, 8)), cloud(90, 0, 9.0)])
    assert copied_share(fresh, training, fresh) == pytest.approx(0.1)


def test_the_nearest_is_found_across_blocks():
    among = cloud(1500, 0)
    picked = np.array([1499, 3, 700])
    found = nearest(among[picked] + 1e-3, among)
    np.testing.assert_array_equal(found.indices, picked)
    np.testing.assert_allclose(found.distances, 1e-3 * np.sqrt(8), rtol=1e-2)
