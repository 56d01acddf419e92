"""What moves in stacks of frames: a dot that walks, stands, blinks, or is elsewhere every time."""

import numpy as np
import pytest

from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.motion import blinks, describe_motion, moves, to_nearest

SIDE = 84


def frames_with(places):
    """A frame with a dot of one pixel at each place, none where the place is None."""
    frames = np.zeros((len(places), SIDE, SIDE, 1), np.uint8)
    for frame, place in zip(frames, places, strict=True):
        if place is not None:
            frame[place] = 200
    return frames


@pytest.fixture(scope="module")
def scene():
    return GameStatistics.of(frames_with([(row, row) for row in range(SIDE)]))


def described(scene, *places):
    return describe_motion(scene, frames_with(places)[None])


def test_a_dot_that_walks_is_followed(scene):
    found = described(scene, (10, 10), (13, 14), (16, 18), (19, 22))
    assert found["pixels_changed"].tolist() == [[2, 2, 2]]
    assert np.flatnonzero(found["small_moves"][0]).tolist() == [5]
    assert found["small_moves"].sum() == 3
    assert found["pixels_returned"].tolist() == [[1, 1]]  # those that it had passed over
    assert (found["small_kept"].tolist(), found["small_blinked"].tolist()) == ([2], [0])


def test_one_that_stands_changes_nothing(scene):
    found = described(scene, *[(10, 10)] * 4)
    assert not found["pixels_changed"].any()
    assert not found["pixels_returned"].any()
    assert found["small_moves"][0].tolist() == [3] + [0] * 21


def test_one_that_is_gone_for_a_frame_blinks_and_one_that_stays_away_does_not(scene):
    found = described(scene, (10, 10), None, (10, 12), (10, 14))
    assert (found["small_kept"].tolist(), found["small_blinked"].tolist()) == ([1], [1])
    assert found["small_moves"][0, -1] == 1
    assert described(scene, (10, 10), None, (10, 10))["pixels_returned"].tolist() == [[1]]
    away = described(scene, (10, 10), (10, 12), None, None)
    assert (away["small_kept"].tolist(), away["small_blinked"].tolist()) == ([0], [0])


def test_pairs_of_frames_tell_nothing_of_flicker(scene):
    found = described(scene, (10, 10), (13, 14))
    assert set(found) == {"pixels_changed", "small_moves"}


def test_moves_are_in_parts_of_the_shorter_side_whatever_the_size():
    for side in (84, 168):
        step = side / 84
        counts = moves([np.array([[5.0, 5.0]]) * step, np.array([[5.0, 8.5]]) * step], side)
        assert np.flatnonzero(counts).tolist() == [3]


def test_two_dots_are_told_apart_and_empty_frames_are_no_trouble():
    nobody = np.empty((0, 2))
    two = np.array([[0.0, 0.0], [50.0, 50.0]])
    assert to_nearest(two, np.array([[3.0, 4.0]]))[0] == 5
    assert np.isinf(to_nearest(two, nobody)).all()
    assert to_nearest(nobody, two).shape == (0,)
    assert blinks([two, two[:1], two], reach=10) == (2, 1)
    assert blinks([nobody, two, nobody], reach=10) == (0, 0)
    assert moves([nobody, two, nobody], 84).tolist() == [0] * 21 + [2]
