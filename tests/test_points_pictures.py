"""Pictures of points: positions, and colors by the critic's output."""

import numpy as np
import pytest

from atarigan.pictures.points import FIELD_SHAPE, SQUARE, WIDE, PointCanvas, scatter

NOTHING = np.empty((0, 2), np.float32)


def where(picture, empty):
    """Return the center of the changed pixels, relative to the picture, from the left and below."""
    rows, columns = np.nonzero((picture != empty).any(-1))
    height, width = picture.shape[:2]
    return columns.mean() / width, 1 - rows.mean() / height


def color_at_change(picture, empty):
    changed = (picture != empty).any(-1)
    return picture[changed].astype(int).mean(0)


@pytest.mark.parametrize("size", [WIDE, SQUARE])
def test_points_are_drawn_at_their_position(size):
    canvas = PointCanvas(NOTHING, size)
    empty = canvas.draw(NOTHING)
    assert empty.shape[1] / empty.shape[0] == size[0] / size[1]
    right_above = where(canvas.draw(np.array([[1.2, 1.2]], np.float32)), empty)
    left_below = where(canvas.draw(np.array([[-1.2, -1.2]], np.float32)), empty)
    assert right_above[0] > 0.8
    assert right_above[1] > 0.7
    assert left_below[0] < 0.2
    assert left_below[1] < 0.3
    np.testing.assert_array_equal(canvas.draw(NOTHING), empty)


def test_points_classified_as_real_are_green_and_others_red():
    canvas = PointCanvas(NOTHING)
    empty = canvas.draw(NOTHING)
    point = np.zeros((1, 2), np.float32)
    red, green, _ = color_at_change(canvas.draw(point, np.array([True])), empty)
    assert green > red
    red, green, _ = color_at_change(canvas.draw(point, np.array([False])), empty)
    assert red > green


def test_real_points_are_faint_orange():
    empty = PointCanvas(NOTHING).draw(NOTHING)
    real = PointCanvas(np.zeros((50, 2), np.float32)).draw(NOTHING)
    red, green, blue = color_at_change(real, empty)
    assert red > green > blue


def test_the_field_is_green_above_zero_and_red_below():
    canvas = PointCanvas(NOTHING)
    places = canvas.field_points()
    assert places.shape == (FIELD_SHAPE[0] * FIELD_SHAPE[1], 2)
    picture = canvas.draw(NOTHING, field=places[:, 0]).astype(int)  # high on the right
    middle = picture[picture.shape[0] // 2]
    left, right = middle[picture.shape[1] // 8], middle[-picture.shape[1] // 8]
    assert left[0] > left[1]
    assert right[1] > right[0]
    above = canvas.draw(NOTHING, field=places[:, 1]).astype(int)  # high above
    column = above[:, above.shape[1] // 2]
    assert column[len(column) // 6][1] > column[len(column) // 6][0]


def test_text_is_drawn():
    canvas = PointCanvas(NOTHING)
    assert (canvas.draw(NOTHING, text="epoch 3") != canvas.draw(NOTHING)).any()


def test_scatter_draws_points_at_their_position():
    column, height = where(scatter(np.array([[1.0, 1.0]], np.float32)), scatter(NOTHING))
    assert column > 0.6
    assert height > 0.6
