"""Scorecards: what is measured of which source, and that known defects show in it."""

import json
import os

import cv2
import numpy as np
import pytest

from atarigan.errors import InputError
from atarigan.metrics.extractor import Extractor, ExtractorInfo
from atarigan.metrics.scorecard import DISTRIBUTIONS, score_images, scorecard
from atarigan.run_config import RunConfig
from atarigan.sources import SOURCES
from atarigan.sources.labeled import LABELED, open_split
from atarigan.sources.points import NoisySine, ring

needs_data = pytest.mark.skipif(
    "ATARIGAN_DATA" not in os.environ, reason="ATARIGAN_DATA names no folder with the data sets"
)


@pytest.mark.parametrize("source", ["sine", "ring"])
def test_real_points_score_like_the_floor(source):
    distribution = {"sine": NoisySine(), "ring": ring()}[source]
    points = np.random.default_rng(0).permutation(distribution.draw(2000, seed=77))[:1000]
    scores = scorecard(points, source)
    assert list(scores) == [
        "sliced_wasserstein",
        "energy_distance",
        "maximum_mean_discrepancy",
        "coverage",
        "on_manifold",
    ]
    for name in ("sliced_wasserstein", "maximum_mean_discrepancy"):
        assert scores[name]["better"] == "lower"
        assert 0.5 < scores[name]["value"] / scores[name]["floor"] < 2
    for name in ("coverage", "on_manifold"):
        assert scores[name]["better"] == "higher"
        assert scores[name]["value"] == pytest.approx(scores[name]["floor"], abs=0.02)
    assert json.loads(json.dumps(scores)) == scores


def test_points_that_miss_a_part_are_noticed_by_every_measurement_but_quality():
    points = NoisySine().draw(2000, seed=1)
    scores = scorecard(points[points[:, 0] < 0], "sine")
    for name in ("sliced_wasserstein", "energy_distance", "maximum_mean_discrepancy"):
        assert scores[name]["value"] > 4 * scores[name]["floor"]
    assert scores["coverage"]["value"] == pytest.approx(0.5, abs=0.02)
    assert scores["on_manifold"]["value"] == 1


def test_a_scorecard_depends_on_its_seed_alone():
    points = ring().draw(300, seed=1)
    np.random.default_rng().random()
    assert scorecard(points, "ring", seed=4) == scorecard(points, "ring", seed=4)
    assert scorecard(points, "ring", seed=4) != scorecard(points, "ring", seed=5)


def test_every_source_of_points_has_measurements_of_its_own_distribution():
    for name in SOURCES:
        if name in (*LABELED, "frames", "folder"):
            continue
        source = SOURCES[name](RunConfig(source=name))
        drawn = DISTRIBUTIONS[name]().draw(source.num_samples, seed=0)
        np.testing.assert_array_equal(source.points, drawn)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mnst", "no measurements for source 'mnst': did you mean 'mnist'"),
        ("folder", "no measurements for source 'folder'"),
    ],
)
def test_a_source_without_measurements_is_refused(source, message):
    with pytest.raises(InputError, match=message):
        scorecard(np.zeros((4, 2)), source)


@pytest.mark.parametrize(("num_samples", "num_images"), [(1, 40), (40, 3)])
def test_too_few_images_are_refused(num_samples, num_images):
    frames = np.zeros((40, 8, 8, 1), np.uint8)
    with pytest.raises(InputError, match=f"not {num_samples} and {num_images}"):
        score_images(frames[:num_samples], frames[:num_images], "mnist-features-v1")


def test_images_are_measured_in_any_extractor_even_an_untrained_one(tmp_path):
    Extractor(ExtractorInfo("raw", (1, 8, 8), num_classes=4)).save(tmp_path / "raw.safetensors")
    rng = np.random.default_rng(0)
    real, fresh = rng.integers(0, 100, (2, 300, 8, 8, 1)).astype(np.uint8)
    path = str(tmp_path / "raw.safetensors")
    scores = score_images(fresh, real, path)
    assert list(scores) == [
        "frechet_distance",
        "kernel_distance",
        "class_entropy",
        "mean_confidence",
    ]
    brighter = score_images(fresh + 100, real, path)
    assert scores["frechet_distance"]["value"] < 2 * scores["frechet_distance"]["floor"]
    assert brighter["frechet_distance"]["value"] > 10 * scores["frechet_distance"]["value"]


@pytest.fixture(scope="module")
def digits():
    """Real test images, which the extractor has not seen, and their labels, in random order: in the
    file the first half was written by other people than the second.
    """
    test = open_split(RunConfig(source="mnist"), "test")
    order = np.random.default_rng(0).permutation(test.num_samples)
    return test.images[order], test.labels[order]


@pytest.fixture(scope="module")
def scores_of(digits):
    """Scores of 400 images with a known defect each."""
    images, labels = digits[0][:400], digits[1]
    noise = np.random.default_rng(0).integers(0, 256, images.shape).astype(np.uint8)
    mean = images.mean(0, keepdims=True).round().astype(np.uint8)
    samples = {
        "real": images,
        "blurred": np.stack([cv2.GaussianBlur(image, (5, 5), 1.5)[..., None] for image in images]),
        "half the classes": digits[0][labels < 5][:400],
        "twenty images": np.repeat(images[:20], 20, axis=0),
        "mean image": np.repeat(mean, 400, axis=0),
        "noise": noise,
    }
    return {name: scorecard(frames, "mnist") for name, frames in samples.items()}


@needs_data
def test_real_digits_score_near_the_floor(scores_of):
    real = scores_of["real"]
    assert real["frechet_distance"]["value"] < 2 * real["frechet_distance"]["floor"]
    assert real["class_entropy"]["value"] > 0.99
    assert real["mean_confidence"]["value"] > 0.98


@needs_data
@pytest.mark.parametrize("metric", ["frechet_distance", "kernel_distance"])
def test_distances_rank_known_defects_of_digits(scores_of, metric):
    values = {name: scores[metric]["value"] for name, scores in scores_of.items()}
    assert values["real"] < 0.2 * min(value for name, value in values.items() if name != "real")
    assert values["blurred"] < values["noise"]
    assert values["half the classes"] < values["mean image"]
    assert values["twenty images"] < values["mean image"]


@needs_data
def test_class_entropy_notices_missing_classes_and_confidence_does_not(scores_of):
    half = scores_of["half the classes"]
    assert half["class_entropy"]["value"] == pytest.approx(np.log(5) / np.log(10), abs=0.02)
    assert half["mean_confidence"]["value"] > 0.98
    assert scores_of["mean image"]["class_entropy"]["value"] < 0.7
    assert scores_of["noise"]["class_entropy"]["value"] < 0.7


@needs_data
def test_frames_of_another_size_are_refused_by_the_extractors_name(digits):
    with pytest.raises(InputError, match="mnist-features-v1 needs frames"):
        scorecard(np.zeros((10, 32, 32, 3), np.uint8), "mnist")
