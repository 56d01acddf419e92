"""Motion of a dot in stacks of frames: moving, resting, blinking."""

import numpy as np
import pytest

from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.motion import blinks, describe_motion, moves, to_nearest

SIDE = 84


def frames_with(positions):
    """Return a frame per position with a dot of one pixel there; no dot for None."""
    frames = np.zeros((len(positions), SIDE, SIDE, 1), np.uint8)
    for frame, position in zip(frames, positions, strict=True):
        if position is not None:
            frame[position] = 200
    return frames


@pytest.fixture(scope="module")
def statistics():
    return GameStatistics.of(frames_with([(row, row) for row in range(SIDE)]))


def described(statistics, *positions):
    return describe_motion(statistics, frames_with(positions)[None])


def test_a_moving_dot_is_tracked(statistics):
    found = described(statistics, (10, 10), (13, 14), (16, 18), (19, 22))
    assert found["pixels_changed"].tolist() == [[2, 2, 2]]
    assert np.flatnonzero(found["small_moves"][0]).tolist() == [5]
    assert found["small_moves"].sum() == 3
    assert found["pixels_returned"].tolist() == [[1, 1]]  # the pixel of the frame between
    assert (found["small_kept"].tolist(), found["small_blinked"].tolist()) == ([2], [0])


def test_a_resting_dot_changes_no_pixels(statistics):
    found = described(statistics, *[(10, 10)] * 4)
    assert not found["pixels_changed"].any()
    assert not found["pixels_returned"].any()
    assert found["small_moves"][0].tolist() == [3] + [0] * 21


def test_a_dot_missing_in_one_frame_blinks_and_a_vanished_dot_does_not(statistics):
    found = described(statistics, (10, 10), None, (10, 12), (10, 14))
    assert (found["small_kept"].tolist(), found["small_blinked"].tolist()) == ([1], [1])
    assert found["small_moves"][0, -1] == 1
    assert described(statistics, (10, 10), None, (10, 10))["pixels_returned"].tolist() == [[1]]
    away = described(statistics, (10, 10), (10, 12), None, None)
    assert (away["small_kept"].tolist(), away["small_blinked"].tolist()) == ([0], [0])


def test_stacks_of_two_frames_have_no_descriptors_of_flicker(statistics):
    found = described(statistics, (10, 10), (13, 14))
    assert set(found) == {"pixels_changed", "small_moves"}


def test_moves_are_relative_to_the_shorter_side():
    for side in (84, 168):
        step = side / 84
        counts = moves([np.array([[5.0, 5.0]]) * step, np.array([[5.0, 8.5]]) * step], side)
        assert np.flatnonzero(counts).tolist() == [3]


def test_several_dots_and_empty_frames():
    empty = np.empty((0, 2))
    two = np.array([[0.0, 0.0], [50.0, 50.0]])
    assert to_nearest(two, np.array([[3.0, 4.0]]))[0] == 5
    assert np.isinf(to_nearest(two, empty)).all()
    assert to_nearest(empty, two).shape == (0,)
    assert blinks([two, two[:1], two], reach=10) == (2, 1)
    assert blinks([empty, two, empty], reach=10) == (0, 0)
    assert moves([empty, two, empty], 84).tolist() == [0] * 21 + [2]
