"""Grids, pictures side by side, and animations."""

import cv2
import imageio.v3 as iio
import numpy as np
import pytest

from atarigan.errors import InputError
from atarigan.pictures import animations, grids


def frames(num, height=6, width=4):
    return np.stack([np.full((height, width, 3), 10 * n, np.uint8) for n in range(num)])


def test_grid_holds_every_frame_in_reading_order():
    picture = grids.grid(frames(5), columns=3, scale=2)
    assert picture.shape == (2 * (12 + 2) + 2, 3 * (8 + 2) + 2, 3)
    seen = [
        picture[2 + row * 14 + 5, 2 + column * 10 + 3, 0] for row in (0, 1) for column in range(3)
    ]
    assert seen == [0, 10, 20, 30, 40, 255]


@pytest.mark.parametrize(("height", "width"), [(210, 160), (84, 84), (1, 9), (30, 300)])
def test_grids_of_any_frame_size(height, width):
    assert grids.grid(frames(7, height, width)).dtype == np.uint8


def test_side_by_side_pads_the_smaller_picture():
    both = grids.side_by_side(frames(1, 30, 20)[0], frames(1, 10, 20)[0], ("real", "generated"))
    assert both.shape[0] == 30 + 28
    assert both[28:58, :20].max() == 0
    assert both[38:58, -20:].min() == 255


@pytest.mark.parametrize("suffix", animations.SUFFIXES)
@pytest.mark.parametrize(("height", "width"), [(16, 18), (21, 17)])
def test_animations_hold_every_picture(tmp_path, suffix, height, width):
    path = tmp_path / f"new/film{suffix}"
    animations.save_animation(path, frames(5, height, width), 10, 'note: {"a": "b=c;"}')
    assert b'note: {"a": "b=c;"}' in path.read_bytes()
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 5


def test_other_animation_suffixes_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.gif or \.mp4"):
        animations.save_animation(tmp_path / "film.webm", frames(2), 10)


def test_saved_pictures_are_lossless(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    grids.save_picture(tmp_path / "a/b.png", picture)
    np.testing.assert_array_equal(iio.imread(tmp_path / "a/b.png"), picture)
