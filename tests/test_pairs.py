"""Generated frames beside the true ones: what is right, what is missing, how far it is off."""

import numpy as np
import pytest

from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.pairs import pair_scores


def play(num=120):
    """A dot of 2 × 2 that moves everywhere over black."""
    frames = np.zeros((num, 50, 50, 1), np.uint8)
    for number, frame in enumerate(frames):
        row, column = number * 7 % 45, number * 11 % 47
        frame[row : row + 2, column : column + 2] = 200
    return frames


@pytest.fixture(scope="module")
def scene():
    return GameStatistics.of(play())


def test_the_true_frames_are_perfect(scene):
    found = pair_scores(play(), play(), scene)
    for name in ("pixel_accuracy", "foreground_accuracy", "small_found"):
        assert found[name]["value"] == found[name]["floor"] == 1
    assert found["small_offset"]["value"] == found["small_offset"]["floor"] == 0


def test_true_frames_with_faint_objects_are_perfect(scene):
    faint = play()
    faint[:60:2] = np.minimum(faint[:60:2], 5)
    found = pair_scores(faint, faint, scene)
    assert found["small_found"]["value"] == 1
    assert found["small_offset"]["value"] == 0


def test_small_errors_of_level_do_not_count_and_larger_ones_do(scene):
    near, far = play() + 8, play() + 9
    assert pair_scores(near, play(), scene)["pixel_accuracy"]["value"] == 1
    assert pair_scores(far, play(), scene)["pixel_accuracy"]["value"] == 0


def test_what_is_missing_and_what_is_moved(scene):
    missing = play()
    missing[::4] = 0
    found = pair_scores(missing, play(), scene)
    assert found["small_found"]["value"] == pytest.approx(0.75, abs=0.01)
    assert found["foreground_accuracy"]["value"] == pytest.approx(0.75, abs=0.01)
    assert found["pixel_accuracy"]["value"] == pytest.approx(1 - 0.25 * 4 / 2500)
    moved = np.roll(play(), 1, axis=2)
    found = pair_scores(moved, play(), scene)
    assert found["small_offset"]["value"] == pytest.approx(1, abs=0.05)
    assert found["foreground_accuracy"]["value"] == pytest.approx(0.5, abs=0.02)
    low, high = found["small_offset"]["interval"]
    assert 0 <= low <= 1 <= high


def test_an_empty_screen_has_only_pixels(scene):
    empty = np.zeros((6, 50, 50, 1), np.uint8)
    assert set(pair_scores(empty, empty, scene)) == {"pixel_accuracy"}
