import ale_py
import gymnasium as gym
import numpy as np
import pytest
import torch

from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import FrameFormat, Frames

gym.register_envs(ale_py)


def random_frames(*shape: int) -> Frames:
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(2, 1, 1, 1), (3, 7, 5, 3), (1, 210, 160, 3), (2, 13, 84, 1)])
def test_frames_come_back_from_floats_unchanged(shape: tuple[int, ...]) -> None:
    frames = torch.from_numpy(random_frames(*shape))
    assert torch.equal(pixels.floats_to_frames(pixels.frames_to_floats(frames)), frames)


def test_all_levels_come_back_and_span_minus_one_to_one() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1)
    floats = pixels.frames_to_floats(levels)
    assert floats.dtype == torch.float32
    assert floats.shape == (1, 1, 16, 16)
    assert (floats.min(), floats.max()) == (-1.0, 1.0)
    assert torch.equal(pixels.floats_to_frames(floats), levels)


def test_floats_keep_each_pixel_and_channel_in_place() -> None:
    frames = torch.from_numpy(random_frames(2, 7, 5, 3))
    floats = pixels.frames_to_floats(frames)
    expected = frames.double() / 127.5 - 1
    assert torch.allclose(floats.double(), expected.permute(0, 3, 1, 2), atol=1e-6)
    assert floats.is_contiguous(memory_format=torch.channels_last)


def test_conversion_leaves_its_argument_alone() -> None:
    frames = torch.from_numpy(random_frames(1, 2, 2, 1))
    floats = pixels.frames_to_floats(frames)
    before = frames.clone(), floats.clone()
    pixels.floats_to_frames(floats)
    assert torch.equal(frames, before[0])
    assert torch.equal(floats, before[1])


def test_floats_are_rounded_to_the_nearest_level_and_clipped() -> None:
    floats = torch.tensor([-7.0, -1.0, -0.999, 0.0, 0.9999, 1.0, 7.0]).reshape(1, 1, 1, 7)
    frames = pixels.floats_to_frames(floats)
    assert frames.dtype == torch.uint8
    assert frames.is_contiguous()
    assert frames.flatten().tolist() == [0, 0, 0, 128, 255, 255, 255]


def test_half_precision_is_converted_as_exactly_as_it_can_hold() -> None:
    frames = torch.from_numpy(random_frames(4, 9, 9, 3))
    halves = pixels.frames_to_floats(frames).bfloat16()
    error = pixels.floats_to_frames(halves).int() - frames.int()
    assert error.abs().max() <= 1


def test_format_shapes() -> None:
    assert FrameFormat("gray", 84, 96).shape == (84, 96, 1)
    assert FrameFormat("rgb", 210, 160).shape == (210, 160, 3)
    assert FrameFormat("palette", 210, 160, "ntsc").shape == (210, 160, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("grey", 84, 84), "frame format must be one of gray, rgb, palette, not 'grey'"),
        (("gray", 0, 84), r"frame size must be at least 1x1, not 0x84 \(height x width\)"),
        (("gray", 84, -1), r"frame size must be at least 1x1, not 84x-1 \(height x width\)"),
        (("palette", 84, 84), "'palette' goes with palette ntsc or pal, not None"),
        (("palette", 84, 84, "secam"), "'palette' goes with palette ntsc or pal, not 'secam'"),
        (("rgb", 84, 84, "ntsc"), "'rgb' goes with palette None, not 'ntsc'"),
    ],
)
def test_impossible_format_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FrameFormat(*arguments)  # type: ignore[arg-type]


def test_gray_frames_show_as_three_equal_channels() -> None:
    frames = random_frames(2, 5, 7, 1)
    rgb = FrameFormat("gray", 5, 7).to_rgb(frames)
    assert rgb.shape == (2, 5, 7, 3)
    assert all(np.array_equal(rgb[..., channel], frames[..., 0]) for channel in range(3))


def test_formats_convert_to_the_same_gray_one_by_one_or_at_once() -> None:
    frames = random_frames(3, 5, 7, 3)
    together = FrameFormat("rgb", 5, 7).to_gray(frames)
    assert together.shape == (3, 5, 7, 1)
    assert np.array_equal(together, np.stack([pixels.rgb_to_gray(frame) for frame in frames]))
    gray = FrameFormat("gray", 5, 7)
    assert np.array_equal(gray.to_gray(together), together)


def test_luminance_weights_are_those_of_bt601() -> None:
    colors = random_frames(1, 4096, 3)
    exact = colors @ np.array([0.299, 0.587, 0.114])
    assert np.abs(pixels.rgb_to_gray(colors)[..., 0] - exact).max() <= 0.51


@pytest.mark.parametrize(
    ("env_id", "palette", "size"),
    [("ALE/Breakout-v5", "ntsc", (210, 160)), ("ALE/AirRaid-v5", "pal", (250, 160))],
)
def test_palette_frames_have_the_emulators_own_colors(
    env_id: str, palette: str, size: tuple[int, int]
) -> None:
    env = gym.make(env_id)
    env.reset(seed=0)
    ale = env.unwrapped.ale  # type: ignore[attr-defined]
    for _ in range(60):
        env.step(env.action_space.sample())
    stored = ale.getScreen()[..., None]
    frame_format = FrameFormat("palette", *size, palette)
    assert stored.shape == frame_format.shape
    assert len(np.unique(stored)) > 3
    assert np.array_equal(frame_format.to_rgb(stored), ale.getScreenRGB())
    assert np.array_equal(frame_format.to_gray(stored)[..., 0], ale.getScreenGrayscale())
    env.close()


def test_palettes_differ_and_cannot_be_changed() -> None:
    assert not np.array_equal(pixels.ale_palette("ntsc"), pixels.ale_palette("pal"))
    assert pixels.ale_palette("pal").shape == (256, 3)
    assert pixels.ale_grays("pal").shape == (256,)
    with pytest.raises(ValueError, match="read-only"):
        pixels.ale_palette("ntsc")[0] = 0


def test_shrinking_averages_over_the_covered_area() -> None:
    frame = random_frames(6, 8, 3)
    shrunk = pixels.resize(frame, 3, 4)
    blocks = frame.reshape(3, 2, 4, 2, 3).mean(axis=(1, 3))
    assert shrunk.shape == (3, 4, 3)
    assert np.abs(shrunk - blocks).max() <= 0.51


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (84, 84), (211, 161)])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_resized_frames_have_the_size_asked_for(size: tuple[int, int], num_channels: int) -> None:
    assert pixels.resize(random_frames(21, 16, num_channels), *size).shape == (*size, num_channels)


def test_color_indices_are_picked_not_mixed() -> None:
    indices = np.where(random_frames(21, 16, 1) > 127, 200, 0).astype(np.uint8)
    for size in ((7, 5), (63, 64)):
        assert set(np.unique(pixels.resize(indices, *size, indices=True))) == {0, 200}


def test_resize_to_the_same_size_gives_the_frame_itself() -> None:
    frame = random_frames(5, 4, 1)
    assert pixels.resize(frame, 5, 4) is frame
