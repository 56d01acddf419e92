"""Regions of the background that change their color as a whole: found, exchanged, drawn."""

import numpy as np
import pytest
import torch

from atarigan.images.pixel_values import color_codes
from atarigan.images.pixels import ale_grays, ale_palette, floats_to_frames, frames_to_floats
from atarigan.models.families import NETWORKS
from atarigan.models.families.network import NetworkShape
from atarigan.models.families.recolored_regions import RecoloredRegions
from atarigan.models.search.region_search import find_regions

SIZE = (20, 24)
NUM_BYTES = 6
COLORS = np.array([[40, 10, 5], [90, 200, 30], [180, 60, 250], [230, 220, 210]], np.uint8)


def flashing_frames(num, seed, *, num_channels=1, is_told=True):
    """Black above a strip of ground; where byte 2 is at least 250, black is one of four colors,
    which byte 4 tells as the console does, without its lowest bit. A ball moves by bytes 0 and 1.
    """
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 256, (num, NUM_BYTES)).astype(np.uint8)
    states[:, 0] %= 12
    states[:, 1] %= 20
    states[:, 4] = rng.integers(0, 8, num)
    is_flash = states[:, 2] >= 250
    colors = COLORS[states[:, 4] >> 1 if is_told else rng.integers(0, 4, num), :num_channels]
    frames = np.zeros((num, *SIZE, num_channels), np.uint8)
    frames[is_flash] = colors[is_flash, None, None]
    frames[:, 15:] = 100
    for frame, (row, column) in zip(frames, states[:, :2].tolist(), strict=True):
        frame[row : row + 2, column : column + 2] = 255
    return frames, states


def of_frames(frames, states):
    regions = RecoloredRegions(SIZE[0] * SIZE[1], frames.shape[-1], NUM_BYTES)
    regions.fit(find_regions(frames, states))
    return regions


def regions_and_other_frames(num_channels):
    """Regions, and frames and states that they were not found in."""
    regions = of_frames(*flashing_frames(3000, 0, num_channels=num_channels))
    others = flashing_frames(500, 1, num_channels=num_channels)
    return regions, *(torch.from_numpy(each) for each in others)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_bytes_tell_when_and_which_color(num_channels):
    frames, states = flashing_frames(3000, 0, num_channels=num_channels)
    (region,) = find_regions(frames, states)
    assert set(region.pixels) == set(range(15 * 24))
    assert (region.on_bytes, region.color_byte) == ((2, 2), 4)
    assert region.share == pytest.approx(6 / 256, abs=0.01)
    assert region.right == 1
    codes = color_codes(COLORS[:, :num_channels])
    assert region.colors[:8].tolist() == np.repeat(codes, 2).tolist()
    assert "byte 2 tells when, byte 4 which color, 100.0% right" in str(region)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_colors_are_exchanged_and_back_and_objects_stay(num_channels):
    regions, frames, states = regions_and_other_frames(num_channels)
    plain = regions.plain(frames, states)
    assert set(plain.flatten(0, 2).unique(dim=0)[:, 0].tolist()) == {0, 100, 255}
    assert torch.equal(regions.recolored(plain, states), frames)
    images = regions.plain(frames_to_floats(frames), states)
    assert torch.equal(floats_to_frames(images), plain)
    assert torch.equal(images, frames_to_floats(plain))
    assert torch.equal(floats_to_frames(regions.recolored(images, states)), frames)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_what_is_drawn_a_few_levels_off_takes_part_in_a_flash_and_other_colors_do_not(num_channels):
    regions, frames, states = regions_and_other_frames(num_channels)
    plain = regions.plain(frames, states)
    is_flash = (plain != frames).flatten(1).any(1)
    drawn = plain.clone()
    drawn[:, 2, :, -1] = torch.where(drawn[:, 2, :, -1] == 0, 4, 255)
    expected = frames.clone()
    expected[~is_flash] = drawn[~is_flash]  # a frame of usual colors is left alone
    assert torch.equal(regions.recolored(drawn, states), expected)
    images = regions.recolored(frames_to_floats(drawn), states)
    assert torch.equal(floats_to_frames(images), expected)
    drawn[:, 2, :, -1] = torch.where(drawn[:, 2, :, -1] == 4, 5, 255)
    assert torch.equal(regions.recolored(drawn, states)[:, 2], drawn[:, 2])


def test_colors_on_either_side_of_the_usual_one_take_part():
    frames, states = flashing_frames(3000, 0)
    is_dark = states[:, 3] >= 248
    frames[is_dark, 15:] = 7
    regions = of_frames(frames, states)
    drawn = regions.plain(*(torch.from_numpy(each[is_dark]) for each in (frames, states)))
    shades = torch.tensor([95, 96, 100, 104, 105], dtype=torch.uint8)
    drawn[:, 16, :5, 0] = shades
    expected = [95, 7, 7, 7, 105]
    states = torch.from_numpy(states[is_dark])
    for given in (drawn, frames_to_floats(drawn)):
        found = regions.recolored(given, states)
        found = floats_to_frames(found) if found.is_floating_point() else found
        assert (found[:, 16, :5, 0] == torch.tensor(expected)).all()


def test_a_region_that_keeps_its_color_is_left_alone_while_another_changes():
    frames, states = flashing_frames(3000, 0)
    frames[states[:, 3] >= 248, 15:] = 7
    regions = of_frames(frames, states)
    is_alone = (states[:, 2] >= 250) & (states[:, 3] < 248)
    frames, states = (torch.from_numpy(each[is_alone]) for each in (frames, states))
    drawn = regions.plain(frames, states)
    drawn[:, 15:] = 101
    assert (regions.recolored(drawn, states)[:, 15:] == 101).all()


def test_colors_that_no_byte_tells_are_left_alone():
    frames, states = flashing_frames(3000, 0, is_told=False)
    assert find_regions(frames, states) == []


def plus(constant):
    return lambda values: values + constant & 0xFE


@pytest.mark.parametrize(
    ("num_channels", "index_of"),
    [(1, plus(-2)), (3, plus(6)), (1, lambda values: (values ^ 0x0E) & 0xFE)],
    ids=["minus 2", "plus 6", "counts down to white"],
)
def test_colors_that_did_not_occur_follow_from_the_console_s_palette(num_channels, index_of):
    frames, states = flashing_frames(3000, 0, num_channels=num_channels)
    is_flash = states[:, 2] >= 250
    states[:, 4] = np.random.default_rng(1).choice([2, 33, 64, 146, 200], 3000)
    table = ale_grays("ntsc")[:, None] if num_channels == 1 else ale_palette("ntsc")
    frames[is_flash, :12] = table[index_of(states[is_flash, 4].astype(int))][:, None, None]
    (region,) = find_regions(frames, states)
    assert region.color_byte == 4
    expected = color_codes(table[index_of(np.arange(256))])
    assert region.colors.tolist() == expected.tolist()


def test_a_flash_of_one_color_keeps_it_for_all_values():
    frames, states = flashing_frames(3000, 0)
    is_flash = states[:, 2] >= 250
    frames[is_flash, :15] = np.where(frames[is_flash, :15] == 255, 255, 236)
    (region,) = find_regions(frames, states)
    assert set(region.colors.tolist()) == {236}


def test_two_regions_change_apart():
    frames, states = flashing_frames(3000, 0)
    is_dark = states[:, 3] >= 248
    frames[is_dark, 15:] = 7
    first, second = find_regions(frames, states)
    assert (first.on_bytes, second.on_bytes) == ((2, 2), (3, 3))
    assert set(second.pixels) == set(range(15 * 24, 20 * 24))
    regions = of_frames(frames, states)
    assert [each.on_bytes for each in regions.found()] == [(2, 2), (3, 3)]
    frames, states = (torch.from_numpy(each) for each in (frames, states))
    plain = regions.plain(frames, states)
    assert (plain[:, 15:] == 100).all()
    assert torch.equal(regions.recolored(plain, states), frames)
    regions.fit([])
    assert regions.found() == []
    assert torch.equal(regions.recolored(plain, states), plain)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_images_keep_their_dtype(dtype):
    regions = of_frames(*flashing_frames(3000, 0))
    frames, states = (torch.from_numpy(each) for each in flashing_frames(300, 1))
    images = regions.plain(frames_to_floats(frames), states).to(dtype)
    assert regions.recolored(images, states).dtype == dtype


def test_frames_of_the_usual_color_are_left_alone():
    regions = of_frames(*flashing_frames(3000, 0))
    frames, states = (torch.from_numpy(each) for each in flashing_frames(300, 1))
    is_usual = (regions.plain(frames, states) == frames).flatten(1).all(1)
    assert 0 < is_usual.sum() < len(frames)
    assert torch.equal(regions.recolored(frames[is_usual], states[is_usual]), frames[is_usual])


def test_a_batch_of_any_size_can_be_exported():
    frames, states = flashing_frames(3000, 0)
    regions = of_frames(frames, states)

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.regions = regions

        def forward(self, frames, states):
            return self.regions.recolored(frames, states)

    frames, states = (torch.from_numpy(each[:9]) for each in flashing_frames(40, 1))
    size = torch.export.Dim("size", min=2)
    program = torch.export.export(
        Exported(), (frames[:3], states[:3]), dynamic_shapes=({0: size}, {0: size})
    )
    exported = program.module()(frames, states)
    assert torch.equal(exported, regions.recolored(frames, states))


def test_two_bytes_may_tell_when():
    frames, states = flashing_frames(3000, 0)
    states[:, 5] = np.random.default_rng(1).integers(0, 2, 3000)
    frames[(states[:, 5] == 0) & (states[:, 2] >= 250)] = flashing_frames(1, 2)[0]
    (region,) = find_regions(frames, states)
    assert region.on_bytes == (2, 5)
    assert "bytes 2 and 5 tell when" in str(region)
    regions = of_frames(frames, states)
    frames, states = (torch.from_numpy(each) for each in (frames, states))
    plain = regions.plain(frames, states)
    assert (plain[:, :12] == frames[:, :12]).flatten(1).all(1).float().mean() < 0.995
    assert set(plain[:, :15].unique().tolist()) == {0, 255}


def test_few_frames_and_frames_without_a_flash_have_no_regions():
    frames, states = flashing_frames(3000, 0)
    assert find_regions(frames[:40], states[:40]) == []
    is_usual = states[:, 2] < 250
    assert find_regions(frames[is_usual], states[is_usual]) == []


def test_a_color_that_is_frequent_is_left_to_the_network():
    frames, states = flashing_frames(3000, 0)
    is_flash = states[:, 2] >= 250
    is_kept = is_flash | (np.arange(3000) % 8 == 0)
    assert is_flash[is_kept].mean() > 0.1
    assert find_regions(frames[is_kept], states[is_kept]) == []


def test_a_generator_draws_flashes_that_it_was_not_shown():
    frames, states = flashing_frames(1500, 0)
    shape = NetworkShape((1, *SIZE), latent_size=2, condition_size=4, state_size=NUM_BYTES)
    generator = NETWORKS["shifted_profiles"]().generator(shape)
    generator.fit(torch.from_numpy(frames), torch.from_numpy(states))
    assert generator.moving_groups().regions[0].on_bytes == (2, 2)
    assert generator.colors.colors.flatten().tolist() == [0, 100, 255]
    others, states = flashing_frames(200, 1)
    latents, features = torch.zeros(200, 2), torch.zeros(200, 4)
    with torch.no_grad():
        drawn = generator.frames(latents, features, torch.from_numpy(states))
        images = generator(latents, features, torch.from_numpy(states))
    assert torch.equal(floats_to_frames(images), drawn)
    is_flash = states[:, 2] >= 250
    expected, shown = others[is_flash, :15], drawn.numpy()[is_flash, :15]
    assert len(expected) >= 3
    assert (shown == expected)[expected != 255].mean() > 0.95


@pytest.mark.parametrize(("name", "value"), [("addresses", NUM_BYTES), ("on", 2), ("region_of", 2)])
def test_damaged_tables_are_refused(name, value):
    regions = of_frames(*flashing_frames(3000, 0))
    weights = {key: each.clone() for key, each in regions.state_dict().items()}
    empty = RecoloredRegions(SIZE[0] * SIZE[1], 1, NUM_BYTES)
    with pytest.raises(ValueError, match=r"usual must be \(1, 3\), not \(1, 1\)"):
        RecoloredRegions(SIZE[0] * SIZE[1], 3, NUM_BYTES).load_state_dict(weights)
    empty.load_state_dict(weights)
    assert empty.found()[0].on_bytes == (2, 2)
    weights[name].view(-1)[0] = value
    with pytest.raises(ValueError, match=f"{name} must be 0 to {value - 1}, not"):
        empty.load_state_dict(weights)
