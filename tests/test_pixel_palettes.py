"""Pixels take the nearest of the colors that they really show."""

import numpy as np
import pytest
import torch

from atarigan.images.pixels import floats_to_frames, frames_to_floats
from atarigan.models.families.pixel_palettes import MOST_COLORS, PixelPalettes

WALL, FLOOR, BALL = 142, 0, 200


@pytest.fixture
def gray():
    """A wall above that never changes; below it floor, and one time in 50 a ball."""
    frames = np.full((500, 4, 5, 1), FLOOR, np.uint8)
    frames[:, :1] = WALL
    frames[::50, 2, 3] = BALL
    colors = PixelPalettes(4, 5, 1)
    usual = colors.fit(frames)
    return colors, frames, usual


def place(level):
    return level / 127.5 - 1


def test_the_usual_place_shows_the_most_frequent_color(gray):
    colors, frames, usual = gray
    np.testing.assert_array_equal(colors.frames(usual[None])[0].numpy(), frames[1])


@pytest.mark.parametrize("level", [0, 99, 101, 255])
def test_a_pixel_takes_the_nearest_of_its_own_colors_only(gray, level):
    colors, _, _ = gray
    shown = colors.frames(torch.full((1, 4, 5), place(level)))[0, :, :, 0].numpy()
    assert (shown[0] == WALL).all()
    assert shown[2, 3] == (BALL if level > 100 else FLOOR)
    others = np.ones((4, 5), bool)
    others[0], others[2, 3] = False, False
    assert (shown[others] == FLOOR).all()


def test_images_are_the_frames_as_floats_with_the_places_gradient(gray):
    colors, _, _ = gray
    places = torch.empty(3, 4, 5).uniform_(-2, 2).requires_grad_()
    image = colors.snapped(places)
    torch.testing.assert_close(floats_to_frames(image.detach()), colors.frames(places))
    upstream = torch.randn(3, 1, 4, 5)
    (gradient,) = torch.autograd.grad(image, places, upstream)
    torch.testing.assert_close(gradient, upstream[:, 0] * (places.abs() <= 1))


def test_misplacement_is_the_distance_to_where_the_color_is_surely_shown(gray):
    colors, frames, usual = gray
    with_ball = frames_to_floats(torch.from_numpy(frames[:1]))
    without = frames_to_floats(torch.from_numpy(frames[1:2]))
    assert colors.misplacement(usual[None], without) == 0
    beyond = usual.clone()
    beyond[0] = 9.0  # the wall has one color, wherever its pixels point
    assert colors.misplacement(beyond[None], without) == 0
    # The border between floor and ball is at level 100; three tenths of the way from it to either
    # color it is surely that color.
    missed = colors.misplacement(usual[None], with_ball)
    expected = (130 - FLOOR) / 127.5 / 20
    assert missed.item() == pytest.approx(expected, rel=1e-4)
    made_up = usual.clone()
    made_up[2, 3] = place(BALL)
    expected = (BALL - 70) / 127.5 / 20
    assert colors.misplacement(made_up[None], without).item() == pytest.approx(expected, rel=1e-4)
    assert colors.misplacement(made_up[None], with_ball) == 0


def test_the_loss_leads_to_the_real_color(gray):
    colors, frames, usual = gray
    places = torch.nn.Parameter(usual.clone())
    real = frames_to_floats(torch.from_numpy(frames[:1]))
    optimizer = torch.optim.SGD([places], lr=0.5)
    for _ in range(60):
        optimizer.zero_grad()
        colors.misplacement(places[None], real).backward()
        optimizer.step()
    np.testing.assert_array_equal(colors.frames(places[None])[0].detach().numpy(), frames[0])


def test_colors_of_one_luminance_are_told_apart():
    palette = np.array([[0, 0, 0], [60, 60, 60], [0, 102, 0], [201, 0, 0], [255, 255, 255]])
    frames = palette[np.random.default_rng(0).integers(5, size=(200, 3, 4))].astype(np.uint8)
    colors = PixelPalettes(3, 4, 3)
    colors.fit(frames)
    assert {tuple(color) for color in colors.colors.tolist()} == {*map(tuple, palette.tolist())}
    line = colors.places
    assert (line.diff() > 0.01).all()
    for color, where in zip(colors.colors, line, strict=True):
        shown = colors.frames(where.expand(1, 3, 4))
        assert (shown == color).all()
        real = frames_to_floats(color.expand(1, 3, 4, 3))
        assert colors.misplacement(where.expand(1, 3, 4), real) == 0
    image = colors.snapped(line[2].expand(1, 3, 4))
    assert image.shape == (1, 3, 3, 4)


def test_of_too_many_colors_the_most_frequent_are_kept():
    rng = np.random.default_rng(0)
    frames = rng.integers(256, size=(40, 6, 6, 3)).astype(np.uint8)
    frames[:, 0] = (8, 96, 200)
    colors = PixelPalettes(6, 6, 3)
    usual = colors.fit(frames)
    assert len(colors.colors) == MOST_COLORS
    assert (colors.frames(usual[None])[0, 0] == torch.tensor([8, 96, 200])).all()


def test_a_loaded_state_shows_the_same(gray):
    colors, _, _ = gray
    again = PixelPalettes(4, 5, 1)
    again.load_state_dict(colors.state_dict())
    places = torch.empty(6, 4, 5).uniform_(-1.5, 1.5)
    assert torch.equal(again.frames(places), colors.frames(places))


def test_colors_that_a_pixel_shows_late_are_noticed(gray):
    colors, frames, _ = gray
    late = frames[1:4].copy()
    late[2, 3, 4] = BALL
    at_ball = torch.full((1, 4, 5), place(BALL))
    assert colors.frames(at_ball)[0, 3, 4, 0] == FLOOR
    colors.observe([late[:2], late[2:]])
    shown = colors.frames(at_ball)[0, :, :, 0].numpy()
    assert shown[3, 4] == shown[2, 3] == BALL
    assert (shown == BALL).sum() == 2
    assert (shown[0] == WALL).all()


def test_a_shade_next_to_one_that_is_known_is_noticed_too():
    frames = np.full((60, 2, 3, 1), FLOOR, np.uint8)
    frames[::9, 1, 1] = BALL
    frames[0, 0, 0] = BALL - 2
    colors = PixelPalettes(2, 3, 1)
    colors.fit(frames)
    late = frames[1:3].copy()
    late[1, 1, 1] = BALL - 2
    at_shade = colors.places[list(colors.colors[:, 0]).index(BALL - 2)].expand(1, 2, 3)
    assert colors.frames(at_shade)[0, 1, 1, 0] == BALL
    colors.observe([late])
    assert colors.frames(at_shade)[0, 1, 1, 0] == BALL - 2
