"""Numbers for colors."""

import numpy as np
import torch

from atarigan.images.pixels import frames_to_floats
from atarigan.models.families.color_keys import (
    keys_of_frames,
    keys_of_images,
    nearest_of_keys,
    num_keys,
)


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


def test_every_level_is_told_from_its_neighbors_in_gray():
    every = torch.arange(256, dtype=torch.uint8)[:, None]
    assert keys_of_frames(every).unique().numel() == 256
    images = frames_to_floats(every[None, None])
    assert torch.equal(keys_of_images(images).flatten(), keys_of_frames(every))


def test_a_color_is_its_own_nearest_and_others_have_the_nearest_of_them():
    colors = torch.tensor([[0, 0, 0], [200, 72, 72], [66, 158, 130]], dtype=torch.uint8)
    table = nearest_of_keys(colors)
    assert table[keys_of_frames(colors).long()].tolist() == [0, 1, 2]
    others = torch.tensor([[20, 5, 9], [220, 90, 80], [60, 140, 140]], dtype=torch.uint8)
    assert table[keys_of_frames(others).long()].tolist() == [0, 1, 2]
