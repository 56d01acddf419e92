"""Generated frames against the true frames of the same states."""

import numpy as np
import pytest

from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.pairs import pair_scores


def true_frames(num=120):
    """Return black frames with a dot of 2 × 2 pixels that moves everywhere."""
    frames = np.zeros((num, 50, 50, 1), np.uint8)
    for number, frame in enumerate(frames):
        row, column = number * 7 % 45, number * 11 % 47
        frame[row : row + 2, column : column + 2] = 200
    return frames


@pytest.fixture(scope="module")
def statistics():
    return GameStatistics.of(true_frames())


def test_the_true_frames_score_the_floor(statistics):
    found = pair_scores(true_frames(), true_frames(), statistics)
    for name in ("pixel_accuracy", "foreground_accuracy", "small_found"):
        assert found[name]["value"] == found[name]["floor"] == 1
    assert found["small_offset"]["value"] == found["small_offset"]["floor"] == 0


def test_true_frames_with_faint_objects_score_the_floor(statistics):
    faint = true_frames()
    faint[:60:2] = np.minimum(faint[:60:2], 5)
    found = pair_scores(faint, faint, statistics)
    assert found["small_found"]["value"] == 1
    assert found["small_offset"]["value"] == 0


def test_pixels_within_8_levels_count_as_right(statistics):
    near, far = true_frames() + 8, true_frames() + 9
    assert pair_scores(near, true_frames(), statistics)["pixel_accuracy"]["value"] == 1
    assert pair_scores(far, true_frames(), statistics)["pixel_accuracy"]["value"] == 0


def test_missing_and_shifted_objects_lower_the_scores(statistics):
    missing = true_frames()
    missing[::4] = 0
    found = pair_scores(missing, true_frames(), statistics)
    assert found["small_found"]["value"] == pytest.approx(0.75, abs=0.01)
    assert found["foreground_accuracy"]["value"] == pytest.approx(0.75, abs=0.01)
    assert found["pixel_accuracy"]["value"] == pytest.approx(1 - 0.25 * 4 / 2500)
    moved = np.roll(true_frames(), 1, axis=2)
    found = pair_scores(moved, true_frames(), statistics)
    assert found["small_offset"]["value"] == pytest.approx(1, abs=0.05)
    assert found["foreground_accuracy"]["value"] == pytest.approx(0.5, abs=0.02)
    low, high = found["small_offset"]["interval"]
    assert 0 <= low <= 1 <= high


def test_empty_frames_have_pixel_accuracy_alone(statistics):
    empty = np.zeros((6, 50, 50, 1), np.uint8)
    assert set(pair_scores(empty, empty, statistics)) == {"pixel_accuracy"}


def test_intervals_count_episodes_and_not_frames(statistics):
    episodes = np.repeat(np.arange(4), len(true_frames()) // 4)
    missing = true_frames()
    missing[episodes == 0] = 0  # all wrong in one episode, all right in three
    independent = pair_scores(missing, true_frames(), statistics)["small_found"]
    clustered = pair_scores(missing, true_frames(), statistics, episodes)["small_found"]
    assert clustered["value"] == independent["value"]
    widths = [each["interval"][1] - each["interval"][0] for each in (clustered, independent)]
    assert widths[0] > 2 * widths[1]
