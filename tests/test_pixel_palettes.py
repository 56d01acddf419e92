"""Pixels take the nearest color of their own palette."""

import numpy as np
import pytest
import torch

from atarigan.images.pixels import floats_to_frames, frames_to_floats
from atarigan.models.families.pixel_palettes import (
    MAX_COLORS,
    PixelPalettes,
    keys_of_frames,
    keys_of_images,
    nearest_of_keys,
    num_keys,
)

WALL, FLOOR, BALL = 142, 0, 200


@pytest.fixture
def gray():
    """A static wall above a floor, where a ball is seen in one frame of 50."""
    frames = np.full((500, 4, 5, 1), FLOOR, np.uint8)
    frames[:, :1] = WALL
    frames[::50, 2, 3] = BALL
    colors = PixelPalettes(4, 5, 1)
    usual = colors.fit(frames)
    return colors, frames, usual


def position(level):
    return level / 127.5 - 1


def test_the_fitted_positions_give_the_most_frequent_colors(gray):
    colors, frames, usual = gray
    np.testing.assert_array_equal(colors.frames(usual[None])[0].numpy(), frames[1])


@pytest.mark.parametrize("level", [0, 99, 101, 255])
def test_a_pixel_takes_the_nearest_of_its_own_colors_only(gray, level):
    colors, _, _ = gray
    shown = colors.frames(torch.full((1, 4, 5), position(level)))[0, :, :, 0].numpy()
    assert (shown[0] == WALL).all()
    assert shown[2, 3] == (BALL if level > 100 else FLOOR)
    others = np.ones((4, 5), bool)
    others[0], others[2, 3] = False, False
    assert (shown[others] == FLOOR).all()


def test_images_equal_the_frames_and_have_a_straight_through_gradient(gray):
    colors, _, _ = gray
    positions = torch.empty(3, 4, 5).uniform_(-2, 2).requires_grad_()
    image = colors.images(positions)
    torch.testing.assert_close(floats_to_frames(image.detach()), colors.frames(positions))
    upstream = torch.randn(3, 1, 4, 5)
    (gradient,) = torch.autograd.grad(image, positions, upstream)
    torch.testing.assert_close(gradient, upstream[:, 0] * (positions.abs() <= 1))


def test_the_error_is_the_distance_to_the_interval_of_the_real_color(gray):
    colors, frames, usual = gray
    with_ball = frames_to_floats(torch.from_numpy(frames[:1]))
    without = frames_to_floats(torch.from_numpy(frames[1:2]))
    assert colors.position_error(usual[None], without) == 0
    beyond = usual.clone()
    beyond[0] = 9.0  # the wall has one color, whatever the position
    assert colors.position_error(beyond[None], without) == 0
    # The border between floor and ball is at level 100; the intervals end 30 % of the way from it
    # to either color.
    missing_ball = colors.position_error(usual[None], with_ball)
    expected = (130 - FLOOR) / 127.5 / 20
    assert missing_ball.item() == pytest.approx(expected, rel=1e-4)
    false_ball = usual.clone()
    false_ball[2, 3] = position(BALL)
    expected = (BALL - 70) / 127.5 / 20
    assert colors.position_error(false_ball[None], without).item() == pytest.approx(
        expected, rel=1e-4
    )
    assert colors.position_error(false_ball[None], with_ball) == 0


def test_the_loss_leads_to_the_real_color(gray):
    colors, frames, usual = gray
    positions = torch.nn.Parameter(usual.clone())
    real = frames_to_floats(torch.from_numpy(frames[:1]))
    optimizer = torch.optim.SGD([positions], lr=0.5)
    for _ in range(60):
        optimizer.zero_grad()
        colors.position_error(positions[None], real).backward()
        optimizer.step()
    np.testing.assert_array_equal(colors.frames(positions[None])[0].detach().numpy(), frames[0])


def test_colors_of_one_luminance_have_different_positions():
    palette = np.array([[0, 0, 0], [60, 60, 60], [0, 102, 0], [201, 0, 0], [255, 255, 255]])
    frames = palette[np.random.default_rng(0).integers(5, size=(200, 3, 4))].astype(np.uint8)
    colors = PixelPalettes(3, 4, 3)
    colors.fit(frames)
    assert {tuple(color) for color in colors.colors.tolist()} == {*map(tuple, palette.tolist())}
    line = colors.positions
    assert (line.diff() > 0.01).all()
    for color, where in zip(colors.colors, line, strict=True):
        shown = colors.frames(where.expand(1, 3, 4))
        assert (shown == color).all()
        real = frames_to_floats(color.expand(1, 3, 4, 3))
        assert colors.position_error(where.expand(1, 3, 4), real) == 0
    image = colors.images(line[2].expand(1, 3, 4))
    assert image.shape == (1, 3, 3, 4)


def test_the_most_frequent_of_too_many_colors_are_kept():
    rng = np.random.default_rng(0)
    frames = rng.integers(256, size=(40, 6, 6, 3)).astype(np.uint8)
    frames[:, 0] = (8, 96, 200)
    colors = PixelPalettes(6, 6, 3)
    usual = colors.fit(frames)
    assert len(colors.colors) == MAX_COLORS
    assert (colors.frames(usual[None])[0, 0] == torch.tensor([8, 96, 200])).all()


def test_a_loaded_state_gives_the_same_frames(gray):
    colors, _, _ = gray
    again = PixelPalettes(4, 5, 1)
    again.load_state_dict(colors.state_dict())
    positions = torch.empty(6, 4, 5).uniform_(-1.5, 1.5)
    assert torch.equal(again.frames(positions), colors.frames(positions))


def test_observed_colors_enter_the_palette_of_their_pixel(gray):
    colors, frames, _ = gray
    late = frames[1:4].copy()
    late[2, 3, 4] = BALL
    at_ball = torch.full((1, 4, 5), position(BALL))
    assert colors.frames(at_ball)[0, 3, 4, 0] == FLOOR
    colors.observe([late[:2], late[2:]])
    shown = colors.frames(at_ball)[0, :, :, 0].numpy()
    assert shown[3, 4] == shown[2, 3] == BALL
    assert (shown == BALL).sum() == 2
    assert (shown[0] == WALL).all()


def test_an_observed_shade_close_to_a_known_one_enters_the_palette():
    frames = np.full((60, 2, 3, 1), FLOOR, np.uint8)
    frames[::9, 1, 1] = BALL
    frames[0, 0, 0] = BALL - 2
    colors = PixelPalettes(2, 3, 1)
    colors.fit(frames)
    late = frames[1:3].copy()
    late[1, 1, 1] = BALL - 2
    at_shade = colors.positions[list(colors.colors[:, 0]).index(BALL - 2)].expand(1, 2, 3)
    assert colors.frames(at_shade)[0, 1, 1, 0] == BALL
    colors.observe([late])
    assert colors.frames(at_shade)[0, 1, 1, 0] == BALL - 2


def random_frames(num_channels):
    levels = np.random.default_rng(0).integers(0, 256, (3, 20, 24, num_channels))
    return torch.from_numpy(levels.astype(np.uint8))


def test_images_have_the_keys_of_their_frames():
    for num_channels in (1, 3):
        frames = random_frames(num_channels)
        keys = keys_of_frames(frames)
        assert torch.equal(keys_of_images(frames_to_floats(frames)), keys)
        assert keys.shape == (3, 20, 24)
        assert 0 <= keys.min() <= keys.max() < num_keys(num_channels)


def test_every_gray_level_has_a_key_of_its_own():
    every = torch.arange(256, dtype=torch.uint8)[:, None]
    assert keys_of_frames(every).unique().numel() == 256
    images = frames_to_floats(every[None, None])
    assert torch.equal(keys_of_images(images).flatten(), keys_of_frames(every))


def test_keys_map_to_the_nearest_color():
    colors = torch.tensor([[0, 0, 0], [200, 72, 72], [66, 158, 130]], dtype=torch.uint8)
    table = nearest_of_keys(colors)
    assert table[keys_of_frames(colors).long()].tolist() == [0, 1, 2]
    others = torch.tensor([[20, 5, 9], [220, 90, 80], [60, 140, 140]], dtype=torch.uint8)
    assert table[keys_of_frames(others).long()].tolist() == [0, 1, 2]
