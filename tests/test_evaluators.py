"""Evaluators: their metrics by source, and which known defects they detect."""

import json
from typing import Any

import cv2
import numpy as np
import pytest

from atarigan.config.run_config import RunConfig
from atarigan.data.sources import SOURCES
from atarigan.data.sources.image_set import ImageSet
from atarigan.data.sources.labeled_images import open_split
from atarigan.data.sources.points import NoisySine
from atarigan.errors import InputError
from atarigan.evaluation.build import evaluator_for
from atarigan.evaluation.features import ram_probe
from atarigan.evaluation.metrics.neighbors import neighborhood_scores
from tests import defects
from tests.data_sets import needs_data


def evaluator_of(name, num=1000, **settings):
    config = RunConfig(source=name, **settings)
    return evaluator_for(SOURCES[name](config), config, num)


@pytest.mark.parametrize(  # tests/test_metrics_points.py has real points of all on their manifold
    "source",
    ["sine", "ring", *(pytest.param(name, marks=pytest.mark.slow) for name in ("grid", "spiral"))],
)
def test_real_points_score_about_the_floor(source):
    real: Any = SOURCES[source](RunConfig(source=source))
    distribution = real.distribution
    points = np.random.default_rng(5).permutation(distribution.draw(2000, seed=77))[:1000]
    scores = evaluator_of(source).scores(points)
    for name in ("sliced_wasserstein", "maximum_mean_discrepancy"):
        assert scores[name]["better"] == "lower"
        assert 1 / 3 < scores[name]["value"] / scores[name]["floor"] < 3
        assert scores[name]["interval"][0] <= scores[name]["value"] <= scores[name]["interval"][1]
    for name in ("cells_covered", "on_manifold"):
        assert scores[name]["better"] == "higher"
        assert scores[name]["value"] == pytest.approx(scores[name]["floor"], abs=0.03)
    written = json.loads(json.dumps(scores))
    assert written["on_manifold"]["value"] == scores["on_manifold"]["value"]


def test_a_missing_part_of_the_curve_is_detected_by_all_metrics_but_quality():
    points = NoisySine().draw(2000, seed=1)
    scores = evaluator_of("sine").scores(points[points[:, 0] < 0])
    for name in ("sliced_wasserstein", "energy_distance", "maximum_mean_discrepancy"):
        assert scores[name]["value"] > 4 * scores[name]["floor"]
    assert scores["cells_covered"]["value"] == pytest.approx(0.5, abs=0.02)
    assert scores["on_manifold"]["value"] == 1


def test_samples_that_do_not_fit_are_refused():
    evaluator = evaluator_of("sine", 100)
    with pytest.raises(InputError, match=r"\(N, 2\) with N at least 4, not \(3, 2\)"):
        evaluator.scores(np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match=r"not \(8, 3\)"):
        evaluator.scores(np.zeros((8, 3), np.float32))
    points = np.zeros((8, 2), np.float32)
    points[0] = np.nan
    with pytest.raises(InputError, match="all 8 samples must be finite, not 7"):
        evaluator.scores(points)
    with pytest.raises(InputError, match="at least 4 samples, not 3"):
        evaluator_of("sine", 3)


def test_a_folder_of_images_is_compared_by_thumbnails():
    rng = np.random.default_rng(0)
    config = RunConfig(source="folder")
    images = rng.integers(0, 100, (300, 21, 17, 3)).astype(np.uint8)
    evaluator = evaluator_for(ImageSet(images, config), config, 100)
    assert evaluator.features == "thumbnails-8x8"
    scores = evaluator.scores(images[:100])
    brighter = evaluator.scores(images[:100] + 100)
    for name in ("frechet_distance", "kernel_distance"):
        assert brighter[name]["value"] > 10 * abs(scores[name]["value"])
    assert brighter["precision"]["value"] == 0
    with pytest.raises(InputError, match="at least 8 real samples, not 7"):
        evaluator_for(ImageSet(images[:7], config), config, 100)


@pytest.fixture(scope="module")
def of_digits():
    """Scores of 400 test digits by defect. They are shuffled because the halves of the file have
    different writers.
    """
    test = open_split(RunConfig(source="mnist"), "test")
    order = np.random.default_rng(0).permutation(test.num_samples)
    images, labels = test.images[order], test.labels[order]
    digits = images[:400]
    evaluator = evaluator_of("mnist", 400)
    assert evaluator.features == "mnist-features-v1"
    noise = np.random.default_rng(0).integers(0, 256, digits.shape).astype(np.uint8)
    mean = digits.mean(0, keepdims=True).round().astype(np.uint8)
    samples = {
        "real": digits,
        "blurred": np.stack([cv2.GaussianBlur(image, (5, 5), 1.5)[..., None] for image in digits]),
        "half the classes": images[labels < 5][:400],
        "20 images": np.repeat(digits[:20], 20, axis=0),
        "training samples": evaluator.real[:400],
        "mean image": np.repeat(mean, 400, axis=0),
        "noise": noise,
    }
    return defects.Scores(samples, evaluator.scores)


@needs_data
def test_real_digits_score_near_the_floor(of_digits):
    real = of_digits["real"]
    assert real["frechet_distance"]["value"] < 2 * real["frechet_distance"]["floor"]
    assert real["class_entropy"]["value"] > 0.99
    assert real["mean_confidence"]["value"] > 0.98
    assert real["copied"]["value"] < 0.15


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize("metric", ["frechet_distance", "kernel_distance"])
def test_distances_rank_known_defects_of_digits(of_digits, metric):
    values = {name: scores[metric]["value"] for name, scores in of_digits.items()}
    unlike = {name for name in values if name not in ("real", "training samples")}
    assert values["real"] < 0.2 * min(values[name] for name in unlike)
    assert values["blurred"] < values["noise"]
    assert values["half the classes"] < values["mean image"]
    assert values["20 images"] < values["mean image"]


@pytest.mark.slow
@needs_data
def test_other_metrics_of_digits_detect_their_defects(of_digits):
    half = of_digits["half the classes"]
    assert half["class_entropy"]["value"] == pytest.approx(np.log(5) / np.log(10), abs=0.02)
    assert half["mean_confidence"]["value"] > 0.98
    assert half["recall"]["value"] < 0.7 * of_digits["real"]["recall"]["value"]
    assert half["precision"]["value"] > 0.9
    assert of_digits["20 images"]["coverage"]["value"] < 0.3
    assert of_digits["blurred"]["precision"]["value"] < 0.7
    assert of_digits["training samples"]["copied"]["value"] == 1
    assert of_digits["noise"]["class_entropy"]["value"] < 0.7


def opened_breakout(folder, num_steps, num, num_probe_frames):
    """Frames of Breakout with their evaluator, and frames of other episodes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ram_probe, "NUM_TRAINING_FRAMES", num_probe_frames)
        buffer = defects.breakout(folder / "buffer", num_steps)
        source, evaluator = defects.open_evaluator(buffer, num)
        others = defects.open_frames(defects.breakout(folder / "others", num_steps, seed=1))
    return source, evaluator, others


@pytest.fixture(scope="module")
def breakout(tmp_path_factory):
    return opened_breakout(tmp_path_factory.mktemp("frames"), 1600, 250, 4000)


@pytest.fixture(scope="module")
def of_frames(breakout):
    _, evaluator, others = breakout
    return defects.scores_of_defects(others, evaluator)


@pytest.fixture(scope="module")
def of_stacks(breakout):
    source, evaluator, others = breakout
    return defects.scores_of_motion_defects(source, others, evaluator, 100)


DETECTED = {
    "ball erased": {"small_presence", "places_visited"},
    "second ball": {"small_extra"},
    "blurred": {"frechet_distance", "precision", "exact_background", "object_sizes"},
    "noise of 10 levels": {"frechet_distance", "precision", "exact_background", "valid_colors"},
    "half the game": {"recall"},
    "20 frames repeated": {"recall", "coverage"},
    "training samples": {"copied"},
    "mean frame": {"frechet_distance", "coverage", "recall", "object_counts", "ram_claims"},
    "noise": {"frechet_distance", "kernel_distance", "valid_colors", "exact_background"},
}
DETECTED_IN_MOTION = {
    "still": {"motion_distance", "pixels_changed", "pixels_returned", "small_moves"},
    "every second repeated": {"pixels_changed", "small_moves"},
    "shuffled": {"pixels_returned", "small_moves"},
    "frames of different times": {
        "motion_distance",
        "pixels_changed",
        "small_moves",
        "small_blinks",
    },
    "ball frozen": {"pixels_changed", "small_moves"},
    "ball flickers": {"small_moves", "small_blinks"},
    "specks": {"motion_distance", "pixels_changed", "pixels_returned", "small_blinks"},
}
DETECTED_IN_MANY_SAMPLES = {
    "ball erased": {"recall"},
    "20 frames repeated": {"frechet_distance"},
    "second ball": {"object_counts"},
    "half the game": {"object_colors"},
    "paddle shifted": {"coverage"},
}
DETECTED_IN_MANY_STACKS = {
    "every second repeated": {"motion_distance"},
    "shuffled": {"small_blinks"},
    "ball frozen": {"motion_distance"},
    "ball flickers": {"pixels_returned"},
}


def detecting(scores, defect):
    """Names of the metrics that detect a defect."""
    return {
        name
        for name, score in scores[defect].items()
        if defects.detects(score, scores["real"][name])
    }


@pytest.mark.slow
@pytest.mark.parametrize("defect", DETECTED)
def test_defects_of_frames_are_detected(of_frames, defect):
    assert DETECTED[defect] <= detecting(of_frames, defect)


@pytest.mark.slow
@pytest.mark.parametrize("defect", DETECTED_IN_MOTION)
def test_defects_of_motion_are_detected(of_stacks, defect):
    assert DETECTED_IN_MOTION[defect] <= detecting(of_stacks, defect)


@pytest.mark.slow
def test_more_defects_are_detected_in_more_samples(tmp_path):
    source, evaluator, others = opened_breakout(tmp_path, 10_000, 700, 30_000)
    of_frames = defects.scores_of_defects(others, evaluator)
    of_stacks = defects.scores_of_motion_defects(source, others, evaluator, 240)
    for scores, *expected in (
        (of_frames, DETECTED, DETECTED_IN_MANY_SAMPLES),
        (of_stacks, DETECTED_IN_MOTION, DETECTED_IN_MANY_STACKS),
    ):
        for defect, names in [item for detected in expected for item in detected.items()]:
            assert names <= detecting(scores, defect), defect


@pytest.mark.slow
def test_metrics_ignore_defects_that_they_do_not_measure(of_frames):
    assert detecting(of_frames, "training samples") == {"copied"}
    of_pixels = {"valid_colors", "exact_background"}
    for defect in ("ball erased", "paddle shifted", "half the game", "20 frames repeated"):
        assert not detecting(of_frames, defect) & of_pixels
    assert "small_presence" not in detecting(of_frames, "second ball")
    assert "small_extra" not in detecting(of_frames, "ball erased")


@pytest.mark.slow
def test_still_objects_do_not_blink(of_stacks):
    for defect in ("still", "every second repeated", "ball frozen"):
        assert of_stacks[defect]["small_blinks"]["value"] < 0.02


@pytest.mark.slow
def test_real_motion_scores_about_the_floor(of_stacks):
    for name, score in of_stacks["real"].items():
        assert score["value"] < 3 * score["floor"], name


@pytest.mark.slow
def test_frechet_distance_ranks_frames(of_frames):
    distances = {name: scores["frechet_distance"] for name, scores in of_frames.items()}
    values = [distances[name]["value"] for name in ("real", "half the game", "noise")]
    assert values == sorted(values)
    assert distances["real"]["value"] < 3 * distances["real"]["floor"]


def test_frames_without_ram_are_compared_by_thumbnails(tmp_path):
    from atarigan.data.buffer.frame_buffer import FrameBuffer

    rng = np.random.default_rng(0)
    with FrameBuffer.create(tmp_path / "buffer", 40, (12, 9, 3)) as buffer:
        for _ in range(40):
            buffer.add(rng.integers(0, 256, (12, 9, 3)).astype(np.uint8))
    evaluator = evaluator_of("frames", 20, data=str(tmp_path / "buffer"))
    assert evaluator.features == "thumbnails-8x8"
    assert "ram_claims" not in evaluator.scores(evaluator.real)


def episodes_with_walls(path, seed, num_episodes=24, length=30):
    """A buffer of a game whose episodes have walls of their own, with a ball that bounces."""
    from atarigan.data.buffer.frame_buffer import FrameBuffer

    rng = np.random.default_rng(seed)
    with FrameBuffer.create(path, num_episodes * length, (24, 24, 1)) as buffer:
        for _ in range(num_episodes):
            wall = np.zeros((24, 24, 1), np.uint8)
            for _ in range(3):
                row, column = rng.integers(0, 16, 2)
                wall[row : row + 8, column : column + 8] = 100
            for number in range(length):
                frame = wall.copy()
                frame[number % 22 : number % 22 + 2, 11:13] = 200
                buffer.add(frame, terminated=number == length - 1)
    return FrameBuffer.open(path)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_genuine_frames_of_other_episodes_score_within_twice_the_floor(tmp_path, seed):
    paths = [tmp_path / name for name in ("first", "second")]
    first, second = (episodes_with_walls(path, 2 * seed + n) for n, path in enumerate(paths))
    evaluator = evaluator_of("frames", 360, data=str(first.path), seed=seed)
    scores = evaluator.scores(second.values_at("frames", np.arange(len(second))))
    for name in ("frechet_distance", "kernel_distance", "object_places"):
        assert scores[name]["value"] < 2 * scores[name]["floor"], name
    for name in ("precision", "recall", "coverage"):
        assert scores[name]["value"] >= scores[name]["floor"] / 2, name
    assert scores["copied"]["value"] < 0.15
    assert scores["copied"]["floor"] == pytest.approx(0.05, abs=0.02)
    shared = set(evaluator.sets.real // 30) & set(evaluator.sets.others // 30)
    assert not shared


def test_ordered_images_score_as_shuffled_ones():
    """300 of 3,000 images are evaluated: first all dark ones, then all bright ones."""
    rng = np.random.default_rng(0)
    levels = np.repeat([20, 90, 160, 230], 750)[:, None, None, None]
    images = (levels + rng.integers(-20, 20, (3000, 9, 8, 1))).astype(np.uint8)
    config = RunConfig(source="folder")
    evaluator = evaluator_for(ImageSet(images, config), config, 300)
    ordered = evaluator.evaluate(images)
    shuffled = evaluator.evaluate(rng.permutation(images))
    assert (ordered.num, ordered.num_given) == (300, 3000)
    found = [each.scores() for each in (ordered, shuffled)]
    for name in ("frechet_distance", "precision", "recall"):
        values = [each[name]["value"] for each in found]
        assert values[0] == pytest.approx(values[1], rel=0.2, abs=0.2), name
    assert found[0]["frechet_distance"]["value"] < 5


def test_classes_that_alternate_are_all_compared():
    """Evenly spaced samples, every tenth of ten classes in turn, would be of one class."""
    rng = np.random.default_rng(0)
    num = 29_991
    labels = np.arange(num) % 10
    cluster = 8 * rng.standard_normal((10, 6))
    real, samples = (cluster[labels] + rng.standard_normal((num, 6)) for _ in range(2))
    samples[labels == 9] = 0
    assert neighborhood_scores(samples, real)["precision"] == pytest.approx(0.88, abs=0.05)
