"""Values of a pixel over many frames: found, counted, and coded as one number."""

import numpy as np

from atarigan.images.pixel_values import color_codes, colors_of, frequent_values


def test_frequent_values_counts():
    frames = np.zeros((10, 1, 2, 1), np.uint8)
    frames[:3, 0, 0] = 9
    frames[:6, 0, 1] = 5
    values, counts = frequent_values(frames, 3)
    assert values[:, 0, :, 0].tolist() == [[0, 5], [9, 0], [0, 5]]
    assert counts[:, 0].tolist() == [[7, 6], [3, 4], [0, 0]]


def test_codes_tell_colors_apart_and_lead_back():
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    codes = color_codes(frames)
    assert codes.shape == (2, 4, 5)
    np.testing.assert_array_equal(colors_of(codes, 3), frames)
