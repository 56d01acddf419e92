"""Scores: values, floors, and the coverage of confidence intervals."""

import numpy as np
import pytest

from atarigan.evaluation.metrics.score import METRICS, joined_rows, rows, scores


def mean(samples, real):
    return {"on_manifold": float(samples["x"].mean())}


def columns(num, seed, share=0.7):
    return {"x": (np.random.default_rng(seed).random(num) < share).astype(float)}


def test_value_and_floor_are_computed_from_equally_many_samples():
    def count(samples, real):
        return {"on_manifold": float(len(samples["x"]))}

    found = scores(count, {"x": np.arange(10.0)}, columns(4, 0), {"x": np.ones(6)})
    assert found["on_manifold"]["value"] == 4
    assert found["on_manifold"]["floor"] == 4
    assert found["on_manifold"]["better"] == "higher"


def test_samples_are_drawn_from_the_whole_of_a_longer_set():
    def range_of(samples, real):
        return {"object_counts": float(np.ptp(samples["x"])), "small_offset": np.ptp(real["x"])}

    rising = {"x": np.arange(1000.0)}
    found = scores(range_of, rising, {"x": np.arange(300.0)}, {"x": np.arange(200.0)})
    assert found["object_counts"]["value"] > 900
    assert found["small_offset"]["value"] > 250


def test_intervals_cover_the_true_value_in_95_percent_of_cases():
    num_covered = 0
    for seed in range(200):
        found = scores(mean, columns(400, seed), columns(400, 999), columns(400, 998), seed)
        low, high = found["on_manifold"]["interval"]
        num_covered += low <= 0.7 <= high
    assert 180 <= num_covered <= 199  # 190 are expected


def test_interval_width_falls_with_the_square_root_of_the_number():
    def width(num):
        found = [scores(mean, *[columns(num, seed)] * 3, seed) for seed in range(10)]
        return np.mean([np.diff(each["on_manifold"]["interval"]) for each in found])

    assert width(6400) / width(400) == pytest.approx(1 / 4, rel=0.25)


def test_the_interval_of_a_share_is_clipped_to_1():
    found = scores(mean, columns(50, 0, 0.99), columns(50, 1), columns(50, 2))
    low, high = found["on_manifold"]["interval"]
    assert 0 < low < high == 1


def test_scores_are_reproducible_by_seed():
    sets = [columns(100, seed) for seed in range(3)]
    assert scores(mean, *sets, seed=4) == scores(mean, *sets, seed=4)
    assert scores(mean, *sets, seed=4) != scores(mean, *sets, seed=5)


def test_columns_are_selected_and_joined_by_row():
    whole = {"a": np.arange(6), "b": np.arange(12).reshape(6, 2)}
    parts = [rows(whole, slice(0, 4)), rows(whole, np.array([4, 5]))]
    for name, column in joined_rows(parts).items():
        np.testing.assert_array_equal(column, whole[name])


def test_every_metric_has_a_direction_and_a_meaning():
    for name, metric in METRICS.items():
        assert metric.better in ("lower", "higher"), name
        assert 10 < len(metric.meaning) < 70
