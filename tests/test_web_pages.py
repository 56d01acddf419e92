"""A page that plays a model draws Python's frames and plays Python's games."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atarigan import FrameGenerator, export
from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import SampleSpec
from atarigan.envs import DreamEnv
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat
from atarigan.models import shipped
from atarigan.models.build import build_generator
from atarigan.models.dynamics.dream import Dream, DreamSettings, Starts
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.model_config import ModelConfig
from atarigan.models.packed_weights import dequantized, quantized
from atarigan.models.search.pixel_search import Fields, FoundPixels
from atarigan.models.search.positions import (
    DECODINGS,
    NO_BYTE,
    MovingGroup,
    PositionByte,
    PositionTable,
)
from atarigan.models.search.region_search import Region
from atarigan.models.web_pages.dream_tables import dream_model
from atarigan.models.web_pages.generator_tables import STEPS, PagePalette, compact
from atarigan.models.web_pages.page import web_model, write_page
from atarigan.models.web_pages.shown_bytes import shown_bytes
from atarigan.pictures import play_page
from tests.node_pages import FRAMES, GAME, STATES, answer_of, part_of
from tests.plain_trees import formula_tables, random_tables


@pytest.fixture(scope="module")
def pong_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pages") / "new" / "pong.html"
    assert export.main(["--run", "pong", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def pong() -> FrameGenerator:
    return FrameGenerator.load("pong", "cpu")


def check_frames(page: Path, generator: FrameGenerator, num: int) -> None:
    """States and frames of a page are those of Python, to the pixel. Among many, torch's float32
    sums may fall on the other side of a border between two colors, in one pixel in a million.
    """
    latents, question = generator.latents(num, seed=1), {}
    conditions: Any = None
    if generator.reads_ram:
        conditions = generator.states(latents)
        question["rams"] = conditions.tolist()
        states = answer_of(page, STATES, latents.tolist())
        assert (states != conditions).any(1).sum() <= num // 200
    elif generator.num_classes:
        question["labels"] = (np.arange(num) % generator.num_classes).tolist()
        conditions = generator.conditions(question["labels"])
    found = answer_of(page, FRAMES, {"latents": latents.tolist(), **question})
    rgb = generator.frame_format.to_rgb(generator.decode(latents, conditions))
    different = (np.reshape(found, (*rgb.shape[:3], 4))[..., :3] != rgb).any(-1)
    assert different.sum() <= different.size // 1_000_000


def test_frames_are_those_of_python(pong_page: Path, pong: FrameGenerator) -> None:
    check_frames(pong_page, pong, 24)


@pytest.mark.slow  # a minute of frames
@pytest.mark.parametrize("name", shipped.names())
def test_frames_of_every_shipped_generator_are_those_of_python(name: str, tmp_path: Path) -> None:
    generator = FrameGenerator.load(name, "cpu")
    play_page.write_play_page(tmp_path / "page.html", name, *web_model(generator))
    check_frames(tmp_path / "page.html", generator, 300)


@pytest.mark.parametrize("network", ["codebook", "profiles", "shifted_profiles"])
@pytest.mark.parametrize(
    ("shape", "name", "settings", "condition_shape"),
    [
        ((3, 20, 17), "rgb", {"latent_prior": "uniform"}, None),
        ((1, 9, 14), "palette", {"condition": "class"}, (5,)),
        ((1, 12, 10), "gray", {"condition": "ram", "latent_prior": "unit"}, (8,)),
    ],
    ids=["rgb", "classes", "ram"],
)
def test_any_size_and_any_condition(
    network: str, shape: Any, name: Any, settings: Any, condition_shape: Any, tmp_path: Path
) -> None:
    frame_format = FrameFormat(name, *shape[1:], palette="ntsc" if name == "palette" else None)
    config = RunConfig(network=network, latent_size=6, source="folder", **settings)
    model = ModelConfig(config, SampleSpec(shape, frame_format, condition_shape))
    generator = FrameGenerator(model, _fitted(model), torch.device("cpu"))
    model_of_page = web_model(generator)
    assert model_of_page.settings["dream"] is None
    play_page.write_play_page(tmp_path / "page.html", "a game", *model_of_page)
    check_frames(tmp_path / "page.html", generator, 10)


def _fitted(model: ModelConfig) -> Any:
    """A generator that has seen frames of few colors, and whose weights differ from each other."""
    rng = np.random.default_rng(0)
    height, width, channels = model.sample.frame_format.shape
    colors = 2 * rng.integers(128, size=(6, channels), dtype=np.uint8)
    frames = torch.from_numpy(colors[rng.integers(6, size=(64, height, width))])
    num_bytes = math.prod(model.sample.condition_shape or ())
    rams = torch.from_numpy(rng.integers(40, size=(64, num_bytes), dtype=np.uint8))
    generator = build_generator(model)
    if model.reads_ram:
        generator.fit_states(rams)
    generator.fit(frames, rams if model.reads_ram else None)
    if model.reads_ram and model.run.network == "shifted_profiles":
        _add_parts(generator.network, colors[:, 0])
    for parameter in generator.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return generator


def _add_parts(network: Any, colors: Any) -> None:
    """What a search may find: a thing that moves both ways and is absent at times, one that moves
    across, pixels of few fields, and a region that changes its color at some values.
    """
    table = PositionTable(0, np.arange(256) ** 2 % 30)
    grid = (30, 25)  # no multiple of the frame's 12 and 10 lines
    network.groups.set_grid_and_tables(grid, [table])
    v, hmove, absent = (DECODINGS.index(name) for name in ("2v", "hmove", "v < 160"))
    patch = np.random.default_rng(0).normal(size=(7, 5))
    along, across = PositionByte(0, v), PositionByte(1, absent)
    moving = MovingGroup(along, across, 28, 7, 23, 5, 0.5, 0.9, patch)
    fixed = dataclasses.replace(moving, row=PositionByte(NO_BYTE, 0), column=PositionByte(2, hmove))
    learned = dataclasses.replace(moving, row=PositionByte(7, len(DECODINGS)))
    part = dataclasses.replace(moving, top=4)  # of the same figure
    network.groups.append([moving, fixed, learned, part], 6)
    network.groups.reorder([1, 2, 0], [True, False, True])
    fields = Fields(torch.tensor([3, 4, 5]), torch.tensor([1, 64, 240], dtype=torch.uint8))
    pixels, explained = torch.arange(0, 120, 2), torch.tensor([1.0, 0.5, 0.5] * 20)
    terms, tables = torch.tensor([[0, 1, 2]] * 60), 0.3 * torch.randn(60, 3, 16)
    found = FoundPixels(pixels, fields, terms, tables, torch.zeros(60), explained)
    network.terms.fit(found, network.background.detach()[0])
    told = 2 * np.arange(256, dtype=np.int32) % 250  # colors that no pixel has otherwise
    is_on = np.arange(1 << 16) % 7 < 3
    usual = colors[:2].astype(int) ^ 3  # which no pixel has; the nearest color counts as it
    first, second = (
        Region(pixels, int(color), told, 6, is_on, (7, 3), 0.3, 1.0)
        for pixels, color in zip((np.arange(60), np.arange(60, 90)), usual, strict=True)
    )
    network.regions.fit([first, second])


def test_games_are_those_of_python(pong_page: Path) -> None:
    seed = 2**63 + 5  # beyond what a number of JavaScript holds
    actions = np.random.default_rng(0).integers(6, size=240).repeat(5).tolist()
    found = answer_of(pong_page, GAME, {"seed": str(seed), "actions": actions})
    env = DreamEnv("pong", obs_type="ram")
    env.reset(seed=seed)
    num_ends = 0
    for action, (reward, is_over, lives, is_unseen, *ram) in zip(actions, found, strict=True):
        _, expected_reward, terminated, truncated, info = env.step(action)
        assert not truncated
        expected = (expected_reward, terminated, info["lives"], info["is_unseen"])
        assert (reward, is_over, lives, is_unseen) == expected
        np.testing.assert_array_equal(ram, info["ram"])
        if terminated:
            num_ends += 1
            env.reset()
    assert num_ends


@pytest.mark.parametrize("tables_of", [random_tables, formula_tables])
@pytest.mark.parametrize("seed", range(3))
def test_random_trees_are_walked_as_in_python(tmp_path: Path, seed: int, tables_of: Any) -> None:
    """Of every kind of feature and coding."""
    rng = np.random.default_rng(seed)
    trees = dataclasses.replace(tables_of(rng), num_inputs=3)  # a joystick's
    starts = Starts(rng.integers(0, 256, (50, 8)).astype(np.uint8), np.full(50, 3, np.uint8))
    settings = DreamSettings("ALE/Pong-v5", {}, ("NOOP", "UP", "LEFTFIRE"), has_paddle=False)
    dream, page = Dream(settings, TreeDynamics(trees), starts), tmp_path / "dream.html"
    play_page.write_play_page(page, "Dream", *dream_model(dream))
    actions = rng.integers(3, size=200).tolist()
    found = answer_of(page, GAME, {"seed": str(seed), "actions": actions})
    env = DreamEnv(dream, obs_type="ram")
    env.reset(seed=seed)
    for action, (reward, is_over, lives, _, *ram) in zip(actions, found, strict=True):
        _, expected_reward, terminated, _, info = env.step(action)
        assert (reward, is_over, lives) == (expected_reward, terminated, info["lives"])
        assert ram == info["ram"].tolist()
        if terminated:
            env.reset()


def test_the_page_needs_nothing_else_and_is_small(pong_page: Path) -> None:
    html = pong_page.read_text()
    assert len(html.encode()) < 2_500_000
    assert not re.search(r"\b(src|href)=|https?:|@import|\bfetch\(|^import |^export ", html, re.M)
    assert "</script" not in part_of(html, "code")
    assert "<title>Pong</title>" in html


def test_bytes_that_move_things_are_found(pong: FrameGenerator) -> None:
    moves = {each.address: each.moves for each in shown_bytes(pong)}
    assert moves[49] == "across"  # the ball, as in data/collection/scripted/paddle_games.py
    assert moves[54] == moves[51] == "along"
    assert moves[13] == moves[14] == ""  # the score


def test_weights_of_8_bits_are_stored_in_8_bits_and_others_whole() -> None:
    torch.manual_seed(0)
    weights = dequantized(quantized({"w": torch.randn(300, 40)}))["w"].numpy()
    weights[0] = 0
    small = compact("w", weights)
    assert small["w"].dtype == np.int8
    np.testing.assert_array_equal(small["w"] * small["w" + STEPS], weights)
    weights[5, 3] *= np.float32(1.0001)
    assert compact("w", weights).keys() == {"w"}
    np.testing.assert_array_equal(compact("w", weights)["w"], weights)


def test_what_no_page_can_run_is_named(
    pong_page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RunConfig(network="dcgan", source="folder")
    model = ModelConfig(config, SampleSpec((1, 16, 16), FrameFormat("gray", 16, 16)))
    generator = FrameGenerator(model, build_generator(model), torch.device("cpu"))
    with pytest.raises(InputError, match="codebook, profiles, shifted_profiles, not dcgan"):
        web_model(generator)
    with pytest.raises(InputError, match="must be a new file"):
        export.main(["--run", "pong", "--out", str(pong_page)])
    with pytest.raises(InputError, match="must end in .onnx or .html, not '.html'"):
        export.ExportArguments("pong", ".html")
    with pytest.raises(InputError, match="must end in .onnx or .html, not 'pong.htm'"):
        export.ExportArguments("pong", "pong.htm")
    with pytest.raises(InputError, match="nowhere"):
        write_page(tmp_path / "nowhere", tmp_path / "page.html")
    monkeypatch.setattr(play_page, "MOST_BYTES", 1000)
    noise = np.random.default_rng(0).integers(256, size=40_000, dtype=np.uint8)
    with pytest.raises(InputError, match=r"at most 0 MB, not 0.1 MB: pack the generator first"):
        play_page.write_play_page(tmp_path / "page.html", "a game", {}, {"noise": noise})
    assert not (tmp_path / "page.html").exists()


def test_colors_are_near_in_every_channel() -> None:
    palette = PagePalette(FrameFormat("rgb", 2, 2))
    palette.numbers(np.array([[10, 20, 30], [14, 16, 34], [10, 20, 35], [10, 20, 26]], np.uint8))
    usual = np.array([[10, 20, 30], [200, 0, 0]], np.uint8)
    near = {tuple(row) for row in palette.rgb()[palette.near(usual)[0] == 1].tolist()}
    assert near == {(10, 20, 30), (14, 16, 34), (10, 20, 26)}
    assert not palette.near(usual)[1].any()
