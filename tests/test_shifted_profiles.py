"""Images placed at positions read from RAM: found in data, drawn, learned, extended, kept."""

import copy
import dataclasses
import itertools

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from atarigan.cli.stop_request import StopRequest
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.images.pixels import frames_to_floats
from atarigan.models import onnx_file
from atarigan.models.build import build_generator
from atarigan.models.families import NETWORKS, shifted_profiles
from atarigan.models.families.network import NetworkShape
from atarigan.models.families.shifted_groups import RANK, ShiftedGroups
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.onnx_generator import OnnxGenerator
from atarigan.models.search.position_search import SearchLimits, find_grid, find_groups
from atarigan.models.search.positions import (
    CONSOLE_GRIDS,
    DECODINGS,
    NO_BYTE,
    MovingGroup,
    PositionByte,
    candidates,
    decoded_positions,
)
from atarigan.training.build import build_trainer
from tests.test_state_conditioned import CONFIG as RAM_CONFIG

NATIVE = (210, 160)
V, HMOVE, HALF = (DECODINGS.index(name) for name in ("v", "hmove", "v/2"))
FIXED = PositionByte(NO_BYTE, 0)


def group_of(row, column, *, top=0, left=0, patch=None):
    patch = np.ones((8, 6)) if patch is None else patch
    height, width = patch.shape
    return MovingGroup(row, column, top, height, left, width, 0.5, 0.9, patch)


@pytest.mark.parametrize("size", [(84, 84), NATIVE, (105, 80), (50, 61)])
def test_groups_are_drawn_on_the_console_s_screen_and_resized_by_area(size):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    groups = ShiftedGroups(5, *size, num_bytes=4)
    groups.grid.copy_(torch.tensor(NATIVE))
    row, column = PositionByte(1, V), PositionByte(2, HMOVE)
    given = [
        group_of(row, column, top=200, left=155, patch=rng.normal(size=(20, 12))),
        group_of(PositionByte(0, HALF), FIXED, top=3, left=100, patch=rng.normal(size=(9, 11))),
    ]
    groups.append(given, num_latents=1)
    states = torch.from_numpy(rng.integers(0, 256, (6, 4)).astype(np.uint8))
    features = torch.randn(6, 5)
    with torch.no_grad():
        shown = groups(torch.zeros(6, size[0] * size[1]), features, states).view(6, *size)
        shown = shown.numpy()
        codes = functional.linear(features, groups.codes).unflatten(1, (len(given), -1))
        of_lines = torch.arange(len(given)).repeat_interleave(
            torch.tensor([sum(group.patch.shape) * RANK for group in given])
        )
        linear = (codes[:, of_lines] * groups.weight).sum(2) + groups.bias
    profiles = linear.view(6, -1, RANK).numpy()
    for number, state in enumerate(states.tolist()):
        screen, first = np.zeros(NATIVE, np.float32), 0
        for group in given:
            (height, width), lines = group.patch.shape, profiles[number, first:]
            rows, columns = lines[:height], lines[height : height + width]
            picture = rows @ columns.T
            down, across = (
                0 if byte == NO_BYTE else int(decoded_positions(decoding)[state[byte]])
                for byte, decoding in (group.row, group.column)
            )
            at = np.ix_(
                (group.top + down + np.arange(height)) % 210,
                (group.left + across + np.arange(width)) % 160,
            )
            screen[at] += picture
            first += height + width
        expected = cv2.resize(screen, size[::-1], interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(shown[number], expected, atol=1e-5)


def test_a_group_is_not_there_where_its_byte_says_so():
    groups = ShiftedGroups(2, 84, 84, num_bytes=1)
    groups.grid.copy_(torch.tensor(NATIVE))
    groups.append([group_of(FIXED, PositionByte(0, DECODINGS.index("v < 160")))], num_latents=0)
    states = torch.tensor([[159], [160], [255]], dtype=torch.uint8)
    drawn = groups(torch.zeros(3, 84 * 84), torch.zeros(3, 2), states)
    assert [bool(each.any()) for each in drawn] == [True, False, False]


def moving_frames(num, size, rng, *, spread=1):
    """Two figures on a screen of 210 lines, resized; bytes 1 and 4 move the first, byte 2 the
    second, whose shape byte 3 chooses. Two bits of byte 0 are lamps, the rest is noise.
    """
    states = rng.integers(0, 256, (num, 5)).astype(np.uint8)
    states[:, 1] = rng.integers(20, 150, num)
    states[:, 2] = rng.integers(0, 140, num)
    states[:, 3] %= 2
    low = rng.integers(0, 9, num)
    states[:, 4] = low | rng.integers(0, 16, num) << 4
    frames = np.zeros((num, *size), np.float32)
    for frame, state in zip(frames, states, strict=True):
        screen = np.zeros(NATIVE, np.float32)
        column = int(decoded_positions(HMOVE)[state[4]]) + 8
        screen[state[1] : state[1] + 12, column : column + 8] = 1.0
        width = 8 if state[3] else 16
        screen[180 : 180 + width, state[2] : state[2] + width] = 0.8
        screen[100:110, 60:68] = state[0] & 1
        screen[100:110, 72:80] = state[0] >> 6 & 1
        frame[:] = cv2.resize(screen, size[::-1], interpolation=cv2.INTER_AREA)
    return torch.from_numpy(frames), torch.from_numpy(states)


def test_the_search_finds_the_bytes_their_decodings_and_the_screen():
    residual, states = moving_frames(600, (84, 84), np.random.default_rng(0))
    grids = (*CONSOLE_GRIDS, (84, 84))
    assert find_grid(residual, states, grids) == NATIVE
    first, second = find_groups(residual, states, NATIVE, limits=SearchLimits(num_steps=4))[:2]
    assert (first.row, first.column) == (PositionByte(1, V), PositionByte(4, HMOVE))
    assert (second.row.byte, second.column) == (NO_BYTE, PositionByte(2, V))
    assert first.share + second.share > 0.6
    assert min(first.consistency, second.consistency) > 0.5
    assert second.top <= 180
    assert second.top + second.height >= 196
    assert "byte 1 as v" in str(first)
    assert "byte 4 as hmove" in str(first)


def test_few_frames_do_not_choose_the_screen():
    residual, states = moving_frames(40, (84, 84), np.random.default_rng(0))
    assert find_grid(residual, states, [(250, 160), NATIVE]) == (250, 160)


@pytest.mark.parametrize(("num_scenes", "contrast"), [(8, 20), (30, 60)])
def test_a_figure_is_found_before_a_landscape_that_changes(num_scenes, contrast, monkeypatch):
    """Also where 16 principal components are not most of it, and not only as a small object."""
    monkeypatch.setattr(shifted_profiles, "find_small_groups", lambda *_: [])
    rng = np.random.default_rng(0)
    states = rng.integers(0, 256, (600, 5)).astype(np.uint8)
    states[:, 1] = rng.integers(20, 150, 600)
    states[:, 2] = rng.integers(0, 140, 600)
    scenes = np.repeat(np.repeat(rng.normal(size=(num_scenes, 7, 7)), 12, 1), 12, 2)
    landscapes = np.tensordot(rng.normal(size=(600, num_scenes)), scenes, 1) * contrast + 120
    frames = np.clip(landscapes, 0, 255).astype(np.uint8)
    for frame, state in zip(frames, states, strict=True):
        top, left = int(state[1]) * 84 // 210, int(state[2]) * 84 // 160
        frame[top : top + 10, left : left + 6] = 255
    shape = NetworkShape((1, 84, 84), latent_size=2, condition_size=8, state_size=5)
    generator = NETWORKS["shifted_profiles"]().generator(shape)
    generator.fit(torch.from_numpy(frames)[..., None], torch.from_numpy(states))
    found = [(group.row.byte, group.column.byte) for group in generator.moving_groups().groups]
    assert (1, 2) in found


def test_figures_of_a_kind_are_found_by_one_of_them():
    """Their positions are in consecutive bytes, and most of them are seldom there."""
    rng = np.random.default_rng(0)
    states = rng.integers(0, 140, (500, 8)).astype(np.uint8)
    screens = np.zeros((500, *NATIVE), np.float32)
    for screen, state in zip(screens, states, strict=True):
        for number in range(4):
            if number == 0 or rng.random() < 0.3:
                row, column = state[number], state[4 + number]
                screen[row : row + 12, column : column + 8] = 1.0
    residual = torch.from_numpy(screens[:, ::5, ::4].copy())
    limits = SearchLimits(num_steps=1)
    found = find_groups(residual, torch.from_numpy(states), NATIVE, limits=limits)
    pairs = {(group.row, group.column) for group in found}
    assert pairs == {(PositionByte(k, V), PositionByte(4 + k, V)) for k in range(4)}
    assert len({(group.top, group.height, group.left, group.width) for group in found}) == 1


def test_figures_of_a_kind_are_found_beside_a_copy_of_a_byte():
    """Byte 7 is a copy of byte 1, and of the other figure there is only byte 6, no byte 0."""
    rng = np.random.default_rng(0)
    states = rng.integers(0, 140, (500, 8)).astype(np.uint8)
    states[:, 7] = states[:, 1]
    screens = np.zeros((500, *NATIVE), np.float32)
    for screen, state in zip(screens, states, strict=True):
        for row, column in ((state[1], state[4]), (state[6], state[3])):
            if column == state[4] or rng.random() < 0.3:
                screen[row : row + 12, column : column + 8] = 1.0
    residual = torch.from_numpy(screens[:, ::5, ::4].copy())
    limits = SearchLimits(num_steps=1)
    found = find_groups(residual, torch.from_numpy(states), NATIVE, limits=limits)
    assert [(group.row.byte, group.column.byte) for group in found] == [(1, 4), (6, 3)]


def test_noise_moves_nothing():
    rng = np.random.default_rng(0)
    states = torch.from_numpy(rng.integers(0, 256, (300, 4)).astype(np.uint8))
    residual = torch.from_numpy(rng.normal(size=(300, 20, 24)).astype(np.float32)) * 0.1
    assert find_groups(residual, states, (20, 24)) == []


def test_a_byte_that_only_says_whether_a_figure_is_there_is_no_position():
    values = np.r_[np.zeros(50), np.arange(160, 256)].astype(np.uint8)
    moves = np.r_[np.arange(100), np.full(46, 200)].astype(np.uint8)
    states = torch.from_numpy(np.stack([values, moves], 1))
    names = candidates(states, axis=1).names
    where_absent = DECODINGS.index("v < 160")
    assert PositionByte(0, V) in names
    assert [each.byte for each in names if each.decoding == where_absent] == [1]


def test_positions_of_which_each_occurs_once_agree_with_nothing():
    states = np.random.default_rng(0).integers(0, 256, (60, 2)).astype(np.uint8)
    states[:, 1] = np.arange(60)
    residual = np.zeros((60, 60, 60), np.float32)
    for number, frame in enumerate(residual):
        frame[20:30, (np.arange(10) + number) % 60] = 1.0
    assert find_groups(torch.from_numpy(residual), torch.from_numpy(states), (60, 60)) == []


SHAPE = (30, 24, 1)
CONFIG = dataclasses.replace(
    RAM_CONFIG,
    network="shifted_profiles",
    generator_width=0,
    reconstruction_steps=8,
    adversarial_weight=0.01,
    final_lr=0.01,
    max_images=6_000,
)


@pytest.fixture(scope="module")
def buffer(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "buffer"
    residual, states = moving_frames(800, SHAPE[:2], np.random.default_rng(1))
    with FrameBuffer.create(path, 800, SHAPE, ram_size=5) as made:
        for frame, ram in zip(residual.numpy(), states.numpy(), strict=True):
            made.add((30 + 200 * frame).astype(np.uint8)[..., None], ram=ram)
    return path


@pytest.fixture(scope="module")
def trainer(buffer):
    trainer = build_trainer(dataclasses.replace(CONFIG, data=str(buffer)))
    trainer.run([], StopRequest())
    return trainer


@pytest.mark.slow
def test_windows_of_many_lines_are_cut_into_slabs():
    rng = np.random.default_rng(0)
    states = rng.integers(0, 256, (400, 4)).astype(np.uint8)
    states[:, 1] = rng.integers(0, 100, 400)
    frames = np.zeros((400, 210, 160, 1), np.uint8)
    for frame, state in zip(frames, states, strict=True):
        frame[50:150, state[1] : state[1] + 30 : 6] = 200
    shape = NetworkShape((1, 210, 160), latent_size=2, condition_size=8, state_size=4)
    generator = NETWORKS["shifted_profiles"]().generator(shape)
    generator.fit(torch.from_numpy(frames), torch.from_numpy(states))
    slabs = [each for each in generator.moving_groups().groups if each.column == PositionByte(1, V)]
    assert len(slabs) >= 3
    assert max(each.height for each in slabs) <= 40
    for above, below in itertools.pairwise(slabs):
        assert above.top + above.height == below.top
        assert (above.left, above.width) == (below.left, below.width)
    assert slabs[0].top <= 50
    assert slabs[-1].top + slabs[-1].height >= 150


def test_figures_are_drawn_at_places_and_in_shapes_that_were_not_seen(trainer):
    generator = FrameGenerator(trainer.model, trainer.averaged_generator, torch.device("cpu"))
    shown, states = moving_frames(200, SHAPE[:2], np.random.default_rng(2))
    drawn = generator.decode(generator.latents(200, 0), states.numpy())
    real = (30 + 200 * shown.numpy()).astype(np.uint8)[..., None]
    is_figure = real > 60
    assert (np.abs(drawn.astype(int) - real)[is_figure] <= 30).mean() > 0.9


def test_bfloat16_draws_about_the_same(trainer):
    generator = trainer.averaged_generator
    _, states = moving_frames(50, SHAPE[:2], np.random.default_rng(2))
    latents = torch.zeros(50, CONFIG.latent_size)
    with torch.no_grad():
        expected = generator.frames(latents, states).int()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            drawn = generator.frames(latents, states).int()
    assert ((drawn - expected).abs() <= 8).float().mean() > 0.97


def test_pixels_that_bits_determine_are_drawn_in_every_combination(trainer):
    generator = FrameGenerator(trainer.model, trainer.averaged_generator, torch.device("cpu"))
    states = np.full((4, 5), 100, np.uint8)
    states[:, 0] = [0, 1, 64, 65]
    states[:, 1:4] = [20, 0, 0]
    drawn = generator.decode(generator.latents(4, 0), states)
    lamps = drawn[:, 15, [9, 11], 0]
    np.testing.assert_array_equal(lamps > 100, [[0, 0], [1, 0], [0, 1], [1, 1]])


def test_training_extends_the_network_and_tells_what_was_found(trainer):
    generator = trainer.updates.generator
    assert generator.num_extensions == len(generator.extension_fractions) == 2
    assert trainer.averaged_generator.num_extensions == 2
    found = generator.moving_groups()
    assert found.grid == NATIVE
    assert {(group.row.byte, group.column.byte) for group in found.groups} >= {(1, 4)}


def test_a_wrong_frame_still_counts_where_most_frames_are_right(trainer):
    generator = trainer.averaged_generator
    states = moving_frames(16, SHAPE[:2], np.random.default_rng(3))[1]
    inputs = torch.zeros(16, trainer.model.run.latent_size), generator.encoder(states).detach()
    with torch.no_grad():
        real = frames_to_floats(generator.network.frames(*inputs, states))
    right = generator.network.reconstruction_loss(*inputs, real, states)
    real[0] = real[0].flip(-1)
    wrong = generator.network.reconstruction_loss(*inputs, real, states)
    assert wrong > 4 * right


def test_a_loaded_state_draws_alike_and_trains_on(trainer, buffer):
    fresh = build_generator(trainer.model)
    fresh.load_state_dict(trainer.averaged_generator.state_dict())
    both = [
        FrameGenerator(trainer.model, each, torch.device("cpu"))
        for each in (fresh, trainer.averaged_generator)
    ]
    frames = [each.sample(4) for each in both]
    np.testing.assert_array_equal(*frames)
    resumed = build_trainer(dataclasses.replace(CONFIG, data=str(buffer), max_images=6_200))
    resumed.load_state_dict(trainer.state_dict())
    resumed.run([], StopRequest())
    assert resumed.updates.losses["reconstruction_loss"].isfinite()


@pytest.mark.parametrize("name", ["slope", "opacity"])
def test_opacities_of_another_number_of_groups_are_refused(trainer, name):
    weights = dict(trainer.averaged_generator.state_dict())
    weights[f"network.groups.{name}"] = weights[f"network.groups.{name}"][1:]
    with pytest.raises(ValueError, match=f"{name} must be"):
        build_generator(trainer.model).load_state_dict(weights)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [(0, 5, "must fit"), (1, 99, "must fit"), (4, 4000, "must fit"), (5, 9000, "groups must be")],
)
def test_damaged_groups_are_refused(trainer, column, value, message):
    weights = {
        name: weight.clone() for name, weight in trainer.averaged_generator.state_dict().items()
    }
    weights["network.groups.groups"][0, column] = value
    with pytest.raises(ValueError, match=message):
        build_generator(trainer.model).load_state_dict(weights)


def test_shades_of_another_number_of_pixels_are_refused(trainer):
    weights = dict(trainer.averaged_generator.state_dict())
    shades = weights["network.terms.shades"]
    weights["network.terms.shades"] = torch.cat([shades, shades.new_zeros(1, 4)])
    with pytest.raises(ValueError, match="shades must be"):
        build_generator(trainer.model).load_state_dict(weights)


@pytest.mark.parametrize("name", ["byte", "mask", "pixels", "terms"])
def test_damaged_pixel_terms_are_refused(trainer, name):
    weights = dict(trainer.averaged_generator.state_dict())
    wrong = 3 if name == "mask" else 5000
    weights["network.terms." + name] = weights["network.terms." + name] + wrong
    with pytest.raises(ValueError, match=f"{name} must be"):
        build_generator(trainer.model).load_state_dict(weights)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_an_exported_file_draws_the_same_frames_in_every_batch(trainer, tmp_path):
    for name in onnx_file.MODULES:
        pytest.importorskip(name)
    covering = copy.deepcopy(trainer.averaged_generator.eval())
    groups = covering.network.groups
    groups.reorder(range(len(groups)), [True] * len(groups))
    generator = FrameGenerator(trainer.model, covering, torch.device("cpu"))
    onnx_file.write_onnx(generator, tmp_path / "it.onnx")
    again = OnnxGenerator.load(tmp_path / "it.onnx")
    for num in (1, 300):
        latents = generator.latents(num, seed=1)
        states = generator.states(latents)
        few = np.ascontiguousarray(latents[:, : again.latent_size])
        np.testing.assert_array_equal(again.decode(few, states), generator.decode(latents, states))
