"""Learned codes: training, drawing, wrappers, evaluation, replay, pack and export."""

import copy
import dataclasses
import json
import math
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import AddRenderObservation
from stable_baselines3.common.env_util import make_vec_env

from atarigan import (
    FrameBuffer,
    FrameGenerator,
    GeneratedReplay,
    convert,
    evaluate,
    export,
    pack,
    train,
)
from atarigan.config.recipes import load_recipe
from atarigan.config.run_config import RunConfig
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.envs import GeneratedObservation, GeneratedVecEnv, GeneratedVectorObservation
from atarigan.errors import InputError
from atarigan.models.checkpoint import write_checkpoint
from atarigan.models.code_conditioned import CodeConditionedGenerator
from atarigan.models.onnx_generator import OnnxGenerator
from atarigan.models.state.cell_grid import CellGrid
from atarigan.models.state.code_use import CodeUse
from atarigan.models.state.frame_encoder import FrameEncoder
from atarigan.models.state.scalar_quantizer import ScalarQuantizer
from atarigan.training.build import build_trainer
from atarigan.training.trainer import Trainer
from tests.moving_square import HEIGHT, WIDTH, write_squares

CONFIG = dataclasses.replace(
    load_recipe("codes"),
    generator_width=32,
    latent_size=2,
    batch_size=16,
    code_size=12,
    code_frames=2,
    evaluate_every_s=0.0,
)


def squares(path: Path, num: int, config: RunConfig = CONFIG, seed: int = 0) -> BufferedFrames:
    return BufferedFrames(write_squares(path, num, seed=seed), config)


def trained(source: BufferedFrames, num_updates: int, config: RunConfig = CONFIG) -> Trainer:
    """After updates by reconstruction, with the prior fitted and trained for as many again."""
    torch.manual_seed(0)
    trainer = build_trainer(dataclasses.replace(config, data="squares"), source=source)
    batches, updates = trainer.open_batches(), trainer.updates
    for step in range(2 * num_updates):
        if step == num_updates:
            batch = next(source.batches(200, 0))
            updates.extend(torch.from_numpy(batch.samples), torch.from_numpy(batch.condition))
        updates.set_learning_rates(1e-2 * (1 - step / (2 * num_updates)), 1e-3)
        updates.update_reconstruction(*next(batches))
    return trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The checkpoint of a few updates."""
    folder = tmp_path_factory.mktemp("codes")
    trainer = trained(squares(folder / "data", 200), 20)
    weights = trainer.updates.generator.state_dict()
    write_checkpoint(folder / "run", trainer.model, weights, trainer.state_dict())
    return folder / "run"


@pytest.fixture(scope="module")
def generator(run: Path) -> FrameGenerator:
    return FrameGenerator.load(run, device="cpu")


@pytest.mark.parametrize("levels", [(4, 4, 4, 4), (8, 8, 4), (5, 3), (2,)])
def test_every_byte_is_reached_and_comes_back(levels: tuple[int, ...]) -> None:
    quantizer = ScalarQuantizer(levels)
    codes = torch.arange(math.prod(levels), dtype=torch.uint8)
    values = quantizer.values_of(codes)
    assert (quantizer.bytes(values) == codes).all()
    assert values.abs().max() <= 1
    far = (
        quantizer(torch.full((1, len(levels)), 99.0)),
        quantizer(torch.full((1, len(levels)), -99.0)),
    )
    assert [int(quantizer.bytes(each)) for each in far] == [len(codes) - 1, 0]
    numbers = torch.randn(500, len(levels))
    bounded = torch.tanh(numbers.double() + quantizer.shifts) * quantizer.half_widths
    nearest = (bounded - quantizer.offsets).round() / quantizer.halves
    assert torch.allclose(quantizer(numbers).double(), nearest)


def test_the_gradient_passes_the_rounding() -> None:
    quantizer = ScalarQuantizer((5, 4))
    numbers = torch.randn(7, 2, requires_grad=True)
    quantizer(numbers).sum().backward()
    slope = (1 - torch.tanh(numbers + quantizer.shifts) ** 2) * quantizer.half_widths
    assert torch.allclose(numbers.grad, slope / quantizer.halves)


@pytest.mark.parametrize(
    ("num", "height", "width", "shape"),
    [(64, 84, 84, (8, 8)), (12, 20, 24, (3, 4)), (32, 210, 160, (8, 4)), (7, 8, 8, (1, 7))],
)
def test_cells_cover_the_frame(num: int, height: int, width: int, shape: tuple[int, int]) -> None:
    grid = CellGrid.of(num, height, width)
    assert (grid.rows, grid.columns) == shape
    images = torch.rand(2, 3, height, width)
    patches = grid.patches(images)
    assert patches.shape == (2, num, grid.patch_size(3))
    (tall, wide), (above, beside) = grid.cell, grid.margin
    inner = patches.view(2, num, 3, tall + 2 * above, wide + 2 * beside)
    inner = inner[:, :, 1, above : above + tall, beside : beside + wide].flatten(2)
    assert (grid.joined(inner) == images[:, 1]).all()
    around = grid.neighbors().view(grid.rows, grid.columns, 9)
    assert (around[:, :, 4].flatten() == torch.arange(num)).all()
    assert around[0, 0, :4].tolist() == [num] * 4


@pytest.mark.slow
def test_codes_tell_where_the_square_is(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, code_frames=1)
    trainer = trained(squares(tmp_path / "data", 1200, config), 500, config)
    unseen = squares(tmp_path / "unseen", 100, config, seed=9)
    true = unseen.samples_at(np.arange(100))
    frames = torch.from_numpy(unseen.conditions_at(np.arange(100)))
    generator = trainer.updates.generator
    assert isinstance(generator, CodeConditionedGenerator)
    with torch.inference_mode():
        latents = torch.zeros(100, CONFIG.latent_size)
        drawn = generator.frames(latents, generator.codes(frames)).numpy()
    apart = np.abs(true.astype(int) - drawn)
    assert (apart <= 40)[true != 0].mean() > 0.9
    assert (apart <= 8).mean() > 0.97


def test_the_encoder_settles_and_the_prior_draws_its_codes(generator: FrameGenerator) -> None:
    assert generator.state is not None
    assert (generator.state.kind, generator.state.size) == ("code", 12)
    latents = generator.latents(9, seed=0)
    assert latents.shape[1] > CONFIG.latent_size
    codes = generator.states(latents)
    assert (codes.dtype, codes.shape) == (np.uint8, (9, 12))
    assert len(np.unique(codes, axis=0)) > 1
    assert (generator.decode(latents, codes) == generator.sample(9, seed=0)).all()


def test_the_encoder_learns_before_it_settles_and_not_after(tmp_path: Path) -> None:
    source = squares(tmp_path / "data", 60)
    trainer = build_trainer(dataclasses.replace(CONFIG, data="squares"), source=source)
    batches, updates = trainer.open_batches(), trainer.updates
    encoder = updates.generator.encoder
    before = [each.clone() for each in encoder.parameters()]
    for _ in range(2):  # the second layers of residual blocks begin as zeros
        updates.update_reconstruction(*next(batches))
    settled = [each.clone() for each in encoder.parameters()]
    assert all((a != b).any() for a, b in zip(before, settled, strict=True))
    batch = next(source.batches(60, 0))
    updates.extend(torch.from_numpy(batch.samples), torch.from_numpy(batch.condition))
    rows = updates.generator.prior.directions.clone()
    updates.update_reconstruction(*next(batches))
    updates.update_generator(*next(batches))
    assert all((a == b).all() for a, b in zip(settled, encoder.parameters(), strict=True))
    assert (updates.generator.prior.directions != rows).any()


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    source = squares(tmp_path / "data", 60)
    whole = trained(source, 2)
    again = build_trainer(dataclasses.replace(CONFIG, data="squares"), source=source)
    again.load_state_dict(copy.deepcopy(whole.state_dict()))
    assert again.updates.generator.num_extensions == 1
    for trainer in (whole, again):
        trainer.num_steps = 1
        trainer.updates.set_learning_rates(1e-2, 1e-3)
        batches = trainer.open_batches()
        trainer.updates.update_reconstruction(*next(batches))
        trainer.updates.update_critic(*next(batches), with_penalty=True)
    for a, b in zip(
        whole.updates.generator.parameters(), again.updates.generator.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_conditions_are_the_newest_frames_of_the_episode(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, code_frames=3)
    source = squares(tmp_path / "data", 30, config)
    frames = source.samples_at(np.arange(30))
    stacks = source.conditions_at(np.array([10, 11, 29]))
    expected = frames[np.array([[10, 10, 10], [10, 10, 11], [27, 28, 29]])]
    assert (stacks == expected).all()
    assert source.spec.condition_shape == (12,)


def test_frames_to_encode_must_fit(generator: FrameGenerator) -> None:
    frames = np.zeros((2, 2, HEIGHT, WIDTH, 1), np.uint8)
    codes = generator.encode(frames)
    assert (codes.dtype, codes.shape) == (np.uint8, (2, 12))
    for wrong in (frames[:, :1], frames.astype(np.float32), frames[:, :, 1:]):
        with pytest.raises(InputError, match="frames to encode must be uint8"):
            generator.encode(wrong)
    with pytest.raises(InputError, match="trained without --condition code"):
        FrameGenerator.load("pong", device="cpu").encode(frames)


def rendered(**kwargs: object) -> gym.Env:
    return AddRenderObservation(gym.make("Square-v0", render_mode="rgb_array", **kwargs))


def test_single_and_vector_wrappers_show_the_same(generator: FrameGenerator) -> None:
    env = GeneratedObservation(rendered(), generator)
    assert env.observation_space.shape == (HEIGHT, WIDTH, 3)
    real = rendered()
    seen, frames = [env.reset(seed=3)[0]], [real.reset(seed=3)[0]]
    for _ in range(7):
        observation, _, terminated, *_ = env.step(1)
        seen.append(observation)
        frames.append(real.step(1)[0])
    assert terminated
    gray = np.stack(frames)[..., :1]
    moments = np.stack([gray[[max(0, n - 1), n]] for n in range(8)])
    codes, generated = generator.encode(moments), np.stack(seen)[..., :1].astype(int)
    right, wrong = (
        (np.abs(generated - generator.decode(generator.latents(8, seed=0), each)) <= 8).mean()
        for each in (codes, codes[::-1])
    )
    assert right > max(0.95, wrong)  # latents hardly matter
    for mode in AutoresetMode:
        envs = GeneratedVectorObservation(
            gym.vector.SyncVectorEnv([rendered] * 2, autoreset_mode=mode), generator
        )
        shown = [envs.reset(seed=2)[0][1]]
        for _ in range(6):
            shown.append(envs.step(np.array([0, 1]))[0][1])
        observations, _, terminations, _, infos = envs.step(np.array([0, 1]))
        assert terminations.all()
        is_same_step = mode is AutoresetMode.SAME_STEP
        shown.append(infos["final_obs"][1] if is_same_step else observations[1])
        assert (np.stack(shown) == np.stack(seen)).all()
    venv = GeneratedVecEnv(make_vec_env(rendered, n_envs=2, seed=2), generator)
    shown = [venv.reset()[1]]
    for _ in range(6):
        shown.append(venv.step(np.array([0, 1]))[0][1])
    shown.append(venv.step(np.array([0, 1]))[3][1]["terminal_observation"])
    assert (np.stack(shown) == np.stack(seen)).all()


def test_observations_that_are_no_images_are_refused(generator: FrameGenerator) -> None:
    with pytest.raises(InputError, match=r"must be images, not Box\(.*AddRenderObservation"):
        GeneratedObservation(gym.make("Square-v0"), generator)


@pytest.mark.slow
def test_the_commands_take_a_run(run: Path, tmp_path: Path, capsys) -> None:
    write_squares(tmp_path / "data", 60, seed=4)
    flags = ["--run", str(run), "--data", str(tmp_path / "data"), "--num", "16"]
    assert evaluate.main([*flags, "--json", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())["metrics"]
    assert 0 < scores["foreground_accuracy"]["value"] <= 1
    assert pack.main(["--run", str(run), "--out", str(tmp_path / "packed")]) == 0
    packed = FrameGenerator.load(tmp_path / "packed", device="cpu")
    latents = packed.latents(4, seed=0)
    assert packed.decode(latents).shape == (4, HEIGHT, WIDTH, 1)
    capsys.readouterr()


def test_replay_draws_frames_of_codes_alone(
    run: Path, generator: FrameGenerator, tmp_path: Path, capsys
) -> None:
    frames = write_squares(tmp_path / "data", 60, seed=4)
    words = [
        "--data",
        str(tmp_path / "data"),
        "--codes",
        str(run),
        "--out",
        str(tmp_path / "coded"),
    ]
    assert convert.main(words) == 0
    assert "6 episodes of 60 agent steps, 12 bytes a frame" in capsys.readouterr().out
    coded = FrameBuffer.open(tmp_path / "coded")
    assert "frames" not in coded.meta.columns
    source = BufferedFrames(frames, CONFIG)
    expected = generator.encode(source.conditions_at(np.arange(60)))
    assert (coded.values_at("state", np.arange(60)) == expected).all()
    replay = GeneratedReplay(coded, run)
    batch = replay.sample_transitions(8, num_stack=2, seed=0)
    assert batch.next_frames.shape == (8, 2, HEIGHT, WIDTH, 1)
    assert (replay.frames_of(batch.state) == batch.frames[:, -1]).all()
    with pytest.raises(InputError, match="holds codes of an encoder with the checksum"):
        GeneratedReplay(coded, other_weights(run, tmp_path / "other"))
    with pytest.raises(InputError, match="--codes needs a run that was trained with"):
        convert.main([*words[:3], "pong", "--out", str(tmp_path / "not")])
    with pytest.raises(InputError, match="--codes needs frames to encode"):
        convert.main(["--data", str(coded.path), *words[2:4], "--out", str(tmp_path / "not")])


def other_weights(run: Path, folder: Path) -> Path:
    assert pack.main(["--run", str(run), "--out", str(folder)]) == 0
    return folder


@pytest.mark.slow
def test_an_onnx_file_decodes_codes_and_encodes_no_frames(
    run: Path, generator: FrameGenerator, tmp_path: Path, capsys
) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    file = tmp_path / "codes.onnx"
    assert export.main(["--run", str(run), "--out", str(file)]) == 0
    latents = generator.latents(5, seed=0)
    codes = generator.states(latents)
    drawn = OnnxGenerator.load(file).decode(latents, codes)
    assert (drawn == generator.decode(latents, codes)).mean() > 0.999
    with pytest.raises(InputError, match="its encoder is missing, as it is from ONNX files"):
        GeneratedObservation(rendered(), file)
    assert "encoder" in capsys.readouterr().out


def test_the_use_of_a_code_is_measured() -> None:
    codes = np.array([[0, 5], [1, 5], [2, 5], [3, 5]], np.uint8)
    use = CodeUse.of(codes, num_words=4)
    assert (use.bits, use.bits_at_most, use.places_constant) == (2, 4, 1)
    assert use.words_used == (1 + 1 / 4) / 2


def test_a_buffer_without_states_is_trained_with_codes(tmp_path: Path) -> None:
    with FrameBuffer.create(tmp_path / "data", 30, (9, 7, 3)) as buffer:
        rng = np.random.default_rng(0)
        for _ in range(30):
            buffer.add(rng.choice([0, 90, 200], (9, 7, 3)).astype(np.uint8))
    words = f"--data {tmp_path / 'data'} --out {tmp_path / 'run'} --max-images 40 --batch-size 4"
    words += " --reconstruction-steps 8 --generator-width 8 --critic-width 4 --log none"
    assert train.main([*words.split(), "--evaluate-every-s", "0", "--device", "cpu"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())["run"]
    assert (config["condition"], config["network"]) == ("code", "cells")
    assert json.loads((tmp_path / "run" / "codes.json").read_text())["num_bytes"] == 64
    assert FrameGenerator.load(tmp_path / "run", device="cpu").sample(3).shape == (3, 9, 7, 3)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_tiny_and_constant_pictures_train(tmp_path: Path, num_channels: int) -> None:
    with FrameBuffer.create(tmp_path / "data", 20, (8, 8, num_channels)) as buffer:
        for _ in range(20):
            buffer.add(np.full((8, 8, num_channels), 7, np.uint8))
    config = dataclasses.replace(CONFIG, code_size=64, data=str(tmp_path / "data"))
    source = BufferedFrames(FrameBuffer.open(tmp_path / "data"), config)
    generator = trained(source, 2, config).updates.generator
    with torch.inference_mode():
        quantiles = torch.zeros(3, generator.prior.num_quantiles)
        frames = generator.frames(torch.zeros(3, 2), generator.prior.states(quantiles))
    assert (frames == 7).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"code_levels": (1, 4)}, "--code-levels must each be at least 2"),
        ({"code_levels": (16, 17)}, "with a product of at most 256"),
        ({"code_levels": ()}, "--code-levels must each be at least 2"),
        ({"code_size": 0}, "--code-size must be at least 1"),
        ({"code_size": 2000}, "--code-size must be at most 1024, not 2000"),
        ({"code_frames": 5}, "--code-frames must be at most 4, not 5"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(CONFIG, **settings)


def test_an_encoder_without_change_gives_one_code() -> None:
    encoder = FrameEncoder(12, (4, 4), 1, (1, 8, 8), width=8)
    frames = torch.full((3, 1, 8, 8, 1), 9, dtype=torch.uint8)
    encoder.fit(frames[:, 0])
    codes = encoder.codes(frames)
    assert (codes == codes[0]).all()
    assert torch.equal(encoder(codes), encoder(frames))
