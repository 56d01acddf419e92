"""Reading the layout of image observations off their space."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from atarigan.errors import InputError
from atarigan.images.layout import LayoutGuessWarning, layout_of_frames, layout_of_space
from atarigan.images.pixels import FrameFormat


def image_box(*shape: int) -> gym.spaces.Box:
    return gym.spaces.Box(0, 255, shape, np.uint8)


ignores_guesses = pytest.mark.filterwarnings("ignore::atarigan.images.layout.LayoutGuessWarning")


@ignores_guesses
@pytest.mark.parametrize(
    ("shape", "axes", "frames"),
    [
        ((84, 60), "HW", (1, 84, 60, 1)),
        ((84, 60, 1), "HWK", (1, 84, 60, 1)),
        ((84, 60, 3), "HWKC", (1, 84, 60, 3)),
        ((84, 60, 4), "HWK", (4, 84, 60, 1)),
        ((84, 60, 12), "HWKC", (4, 84, 60, 3)),
        ((1, 84, 60), "KHW", (1, 84, 60, 1)),
        ((3, 84, 60), "KCHW", (1, 84, 60, 3)),
        ((4, 84, 60), "KHW", (4, 84, 60, 1)),
        ((12, 84, 60), "KCHW", (4, 84, 60, 3)),
        ((4, 84, 60, 1), "KHWC", (4, 84, 60, 1)),
        ((4, 84, 60, 3), "KHWC", (4, 84, 60, 3)),
        ((2, 84, 60, 4), "KHWC", (2, 84, 60, 4)),
        ((4, 3, 84, 60), "KCHW", (4, 84, 60, 3)),
    ],
)
def test_axes_are_read_off_the_shape(
    shape: tuple[int, ...], axes: str, frames: tuple[int, ...]
) -> None:
    layout = layout_of_space(image_box(*shape))
    assert layout is not None
    assert layout.axes == axes
    assert layout.stack(np.zeros(shape, np.uint8)).shape == frames
    assert layout.space == image_box(*shape)


@pytest.mark.parametrize(
    ("shape", "meaning", "other"),
    [
        ((84, 60, 4), "a stack of 4 gray frames", "'HWC' would mean one RGBA frame"),
        ((84, 60, 6), "a stack of 2 RGB frames", "'HWK' would mean 6 gray frames"),
        ((3, 84, 60), "one RGB frame", "'KHW' would mean 3 gray frames; layout='CHW' confirms"),
        ((9, 84, 60), "a stack of 3 RGB frames", "'KHW' would mean 9 gray frames"),
    ],
)
def test_a_guess_between_two_layouts_is_said(
    shape: tuple[int, ...], meaning: str, other: str
) -> None:
    with pytest.warns(LayoutGuessWarning, match=f"are read as {meaning}, .* layout={other}"):
        layout_of_space(image_box(*shape))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_rgba_frames_are_blended_over_black_and_made_opaque(dtype: Any) -> None:
    high = 255 if dtype is np.uint8 else 1
    layout = layout_of_space(gym.spaces.Box(0, high, (9, 10, 4), dtype), "HWC")
    assert layout is not None
    assert layout.frame_format == FrameFormat("rgb", 9, 10)
    pixel = np.array([200, 100, 51, 0.5 * 255]) // 1
    observation = np.broadcast_to(pixel / (255 / high), (9, 10, 4)).astype(dtype)
    np.testing.assert_array_equal(layout.newest(observation)[0, 0], [100, 50, 25])
    shown = layout.from_frames(np.full((9, 10, 3), 51, np.uint8))
    np.testing.assert_allclose(shown[0, 0], np.array([51, 51, 51, 255]) * (high / 255))
    assert shown.dtype == dtype


@ignores_guesses
@pytest.mark.parametrize("shape", [(2, 9, 10, 3), (9, 10, 6), (6, 9, 10), (2, 3, 9, 10)])
def test_stack_is_a_view_with_the_oldest_frame_first(shape: tuple[int, ...]) -> None:
    layout = layout_of_space(image_box(*shape))
    assert layout is not None
    observation = np.zeros(shape, np.uint8)
    stack = layout.stack(observation)
    stack[0], stack[1] = 1, np.array([10, 20, 30])
    assert sorted(np.unique(observation)) == [1, 10, 20, 30]
    np.testing.assert_array_equal(layout.newest(observation)[4, 5], [10, 20, 30])
    # what stable-baselines3 calls the newest frame: the last channels
    if len(shape) == 3:
        newest = observation[..., 3:] if shape[2] == 6 else observation[3:].transpose(1, 2, 0)
        np.testing.assert_array_equal(layout.newest(observation), newest)


def test_a_stack_of_another_memory_order_is_still_a_view() -> None:
    layout = layout_of_space(image_box(6, 9, 10), "KCHW")
    assert layout is not None
    observation = np.zeros((9, 10, 6), np.uint8).transpose(2, 0, 1)
    layout.stack(observation)[:] = 7
    assert observation.min() == 7


def test_explicit_axes_decide_what_the_shape_leaves_open() -> None:
    gray = layout_of_space(image_box(84, 84, 3), "HWK")
    assert gray is not None
    assert (gray.num_stack, gray.num_channels) == (3, 1)
    wide = layout_of_space(image_box(10, 9, 12), "KHW")
    assert wide is not None
    assert (wide.num_stack, wide.height, wide.width) == (10, 9, 12)


def test_rows_and_columns_may_be_swapped() -> None:
    assert layout_of_space(image_box(84, 84, 4), "WHK") is not None


@pytest.mark.parametrize("axes", ["HW", "CHW", "KHWC", "HWHK", "hwk", "HKC"])
def test_axes_that_do_not_fit_are_refused(axes: str) -> None:
    space = image_box(84, 84, 4)
    with pytest.raises(InputError, match=r"does not fit observations of shape \(84, 84, 4\)"):
        layout_of_space(space, axes)


@pytest.mark.parametrize(
    "space",
    [
        image_box(128),
        image_box(4, 128),
        gym.spaces.Box(-2, 2, (84, 84), np.float32),
        gym.spaces.Box(0, 255, (84, 84), np.int64),
        gym.spaces.Discrete(3),
        gym.spaces.Dict(image=image_box(84, 84)),
    ],
)
def test_what_is_no_image_has_no_layout(space: gym.Space) -> None:
    assert layout_of_space(space) is None
    with pytest.raises(InputError, match="'HW'"):
        layout_of_space(space, "HW")


def test_float_observations_are_levels_in_0_to_1() -> None:
    layout = layout_of_space(gym.spaces.Box(0, 1, (9, 9), np.float32))
    assert layout is not None
    levels = np.arange(256, dtype=np.uint8).reshape(-1, 1, 1, 1) * np.ones((9, 9, 1), np.uint8)
    for frame, converted in zip(levels, layout.from_frames(levels), strict=True):
        assert converted.dtype == np.float32
        assert converted.max() <= 1
        np.testing.assert_array_equal(layout.newest(converted[..., 0]), frame)


def test_generated_frames_as_observations_show_palette_indices_as_rgb() -> None:
    assert layout_of_frames(FrameFormat("gray", 20, 30)).space == image_box(20, 30, 1)
    assert layout_of_frames(FrameFormat("palette", 20, 30, "ntsc")).space == image_box(20, 30, 3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255)])
def test_floats_have_the_range_of_their_space(low: float, high: float, dtype: Any) -> None:
    space = gym.spaces.Box(low, high, (16, 16, 1), dtype)
    layout = layout_of_space(space)
    assert layout is not None
    assert layout.space == space
    frames = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    floats = layout.from_frames(frames)
    assert floats.dtype == dtype
    assert (floats.min(), floats.max()) == (low, high)
    assert np.array_equal(layout.newest(floats), frames)


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [(-10, 10, np.float32), (-np.inf, np.inf, np.float32), (0, 1, np.uint8), (0, 255, np.int32)],
)
def test_other_ranges_are_no_images(low: float, high: float, dtype: Any) -> None:
    assert layout_of_space(gym.spaces.Box(low, high, (16, 16, 1), dtype)) is None
