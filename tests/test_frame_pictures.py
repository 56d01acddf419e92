"""The examples that the page of an evaluation shows."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from atarigan.evaluation.frame_pictures import most_different, ranked_examples


def test_most_different_samples_are_each_shown_once():
    features = np.array([[0.0], [0.0], [10.0], [10.0], [4.0]])
    np.testing.assert_array_equal(most_different(features, 3), [0, 2, 4])
    np.testing.assert_array_equal(most_different(features, 99), [0, 2, 4])
    np.testing.assert_array_equal(most_different(np.zeros((7, 2)), 3), [0])


def test_the_best_examples_are_not_all_the_screen_that_returns_most():
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (400, 8))
    features[:30] = 5.0  # the start of a game, which every episode repeats exactly
    distances = rng.uniform(0.2, 1, 400)
    distances[:30] = 0
    evaluated: Any = SimpleNamespace(descriptors={"features": features})
    best, typical, worst = ranked_examples(evaluated, distances).values()
    assert [len(each) for each in (best, typical, worst)] == [11, 12, 12]
    assert (best < 30).sum() == 1
    assert distances[best].max() < distances[typical].min()
    assert distances[typical].max() < distances[worst].min()


def test_few_samples_have_examples_too():
    evaluated: Any = SimpleNamespace(descriptors={"features": np.arange(4.0)[:, None]})
    for chosen in ranked_examples(evaluated, np.arange(4.0)).values():
        assert len(chosen) >= 1
