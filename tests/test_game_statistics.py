"""Statistics of a game's frames, and objects on them."""

import numpy as np
import pytest

from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.objects import NUM_CELLS, describe_objects, find_objects


def game(num=200, channels=1):
    """Return frames with a wall on top, a moving bar at the bottom, and a dot that is anywhere."""
    frames = np.zeros((num, 40, 60, channels), np.uint8)
    frames[:, :4] = 142
    rng = np.random.default_rng(0)
    for frame in frames:
        left = rng.integers(0, 50)
        frame[36:38, left : left + 8] = 200
        row, column = rng.integers(6, 34), rng.integers(0, 58)
        frame[row : row + 2, column : column + 2] = 236
    return frames


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_hold_background_static_pixels_and_colors(channels):
    frames = game(channels=channels)
    statistics = GameStatistics.of(frames)
    assert (statistics.background[:4] == 142).all()
    assert (statistics.background[4:] == 0).all()
    assert statistics.is_static[:6].all()
    assert not statistics.is_static[36:38, 10:50].any()
    assert statistics.valid_share(frames).min() == 1
    wrong = frames[:2].copy()
    wrong[0, 10, :30] = 77
    wrong[1, 0, 0] = 0
    assert statistics.valid_share(wrong).tolist() == [1 - 30 / 2400, 1]
    assert statistics.exact_share(wrong)[1] == pytest.approx(1 - 1 / statistics.is_static.sum())
    assert statistics.exact_share(frames).min() == 1


def test_frames_of_another_screen_do_not_change_what_is_static():
    frames = game()
    frames[7] = 99
    statistics = GameStatistics.of(frames)
    assert statistics.is_static[:6].all()
    assert statistics.foreground_rate[0, 0] == 1 / len(frames)


def test_objects_are_found_with_size_and_position():
    mask = np.zeros((3, 10, 12), bool)
    mask[0, 2:4, 3:6] = True
    mask[0, 8, 8] = mask[0, 9, 9] = True  # corners touch
    mask[2, 0, :] = True
    mask[1, 9, 0] = True  # adjacent to the first row of frame 2 in the stacked mask
    found = find_objects(mask, np.full((10, 12), 0.25))
    rows = sorted(zip(found.frame, found.size, found.row, found.column, strict=True))
    assert rows == [(0, 2, 8.5, 8.5), (0, 6, 2.5, 4), (1, 1, 9, 0), (2, 12, 0, 5.5)]
    assert set(found.rate) == {0.25}


def test_the_ball_is_small_and_rare_and_the_bar_is_neither():
    frames = game()
    statistics = GameStatistics.of(frames)
    described = describe_objects(statistics, frames)
    assert (described["num_small"] == 1).mean() > 0.95
    assert (described["num_objects"] == 2).mean() > 0.95
    assert described["object_places"].shape == (200, NUM_CELLS**2)
    bar_row = 36 * NUM_CELLS // 40
    places = described["object_places"].sum(0).reshape(NUM_CELLS, NUM_CELLS)
    assert places[bar_row : bar_row + 2].sum() == pytest.approx(200, abs=25)
    erased = np.where(statistics.foreground_rate[..., None] < 0.05, statistics.background, frames)
    assert describe_objects(statistics, erased)["num_small"].sum() == 0


@pytest.mark.parametrize(("level", "is_object"), [(0, False), (8, False), (9, True), (255, True)])
def test_pixels_within_8_levels_of_the_background_are_no_objects(level, is_object):
    frames = game()
    statistics = GameStatistics.of(frames)
    with_speck = np.where(
        statistics.foreground_rate[..., None] > 0, statistics.background, frames[:1]
    )
    with_speck[0, 5, 5] = level
    assert describe_objects(statistics, with_speck)["num_small"].sum() == is_object
    assert statistics.foreground(with_speck).sum() == (level > 0)


def test_an_empty_screen_has_no_objects():
    frames = np.zeros((5, 20, 30, 3), np.uint8)
    described = describe_objects(GameStatistics.of(frames), frames)
    assert all(column.sum() == 0 and len(column) == 5 for column in described.values())
