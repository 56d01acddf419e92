"""Frames conditioned on RAM: encoded, learned, drawn, and shown to agents."""

import dataclasses
import warnings

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from atarigan import collect, evaluate, sample, train
from atarigan.cli.stop_request import StopRequest
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources.image_set import ImageSet
from atarigan.envs import GeneratedObservation, GeneratedVectorObservation
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import frames_to_floats
from atarigan.models.build import build_generator
from atarigan.models.families import NETWORKS
from atarigan.models.families.profiles import ProfilesGenerator
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.latent_stream import LatentStream
from atarigan.models.model_config import ModelConfig
from atarigan.models.state.ram_encoder import EncoderSettings, RamEncoder, bits_of
from atarigan.training.build import build_trainer

SHAPE = (20, 24, 1)
CONFIG = RunConfig(
    condition="ram",
    network="codebook",
    generator_width=32,
    critic_width=4,
    latent_size=2,
    objective="non_saturating",
    penalty="r1",
    penalty_every=4,
    critic_steps=1,
    reconstruction_steps=4,
    batch_size=32,
    generator_lr=3e-3,
    beta1=0.9,
    beta2=0.99,
    average_half_life=500,
    device="cpu",
    max_images=9_000,
)


def dot_at(row, column):
    frame = np.full(SHAPE, 30, np.uint8)
    frame[:2] = 90
    frame[row : row + 2, column : column + 2] = 200
    return frame


@pytest.fixture(scope="module")
def buffer(tmp_path_factory):
    """A dot whose coordinates are in RAM; one position in ten is left out."""
    path = tmp_path_factory.mktemp("data") / "buffer"
    rng = np.random.default_rng(0)
    with FrameBuffer.create(path, 800, SHAPE, ram_size=6) as made:
        while len(made) < 800:
            row, column = rng.integers(2, 18), rng.integers(0, 22)
            if (row * 22 + column) % 10:
                ram = np.array([7, row, column * 3, rng.integers(256), 0, 0], np.uint8)
                made.add(dot_at(row, column), ram=ram)
    return path


@pytest.fixture(scope="module")
def trainer(buffer):
    trainer = build_trainer(dataclasses.replace(CONFIG, data=str(buffer)))
    trainer.run([], StopRequest())
    assert trainer.updates.losses["reconstruction_loss"].isfinite()
    return trainer


@pytest.fixture(scope="module")
def generator(trainer):
    return FrameGenerator(trainer.model, trainer.averaged_generator, torch.device("cpu"))


def test_unseen_states_are_drawn_correctly(generator):
    unseen = [number for number in range(2 * 22, 18 * 22) if number % 10 == 0]
    positions = [divmod(number, 22) for number in unseen]
    ram = np.array([[7, row, column * 3, 5, 0, 0] for row, column in positions], np.uint8)
    drawn = generator.decode(generator.latents(len(ram), 0), ram)
    real = np.stack([dot_at(*position) for position in positions])
    assert (drawn == real).mean() > 0.998
    assert ((drawn == real).all((1, 2, 3))).mean() > 0.4


def test_samples_without_a_given_state_resemble_the_data(generator, buffer):
    """The generator draws the states: some of them are unseen combinations."""
    frames = generator.sample(60, seed=1)
    np.testing.assert_array_equal(frames, generator.sample(60, seed=1))
    assert ((frames == 200).sum((1, 2, 3)) >= 3).mean() > 0.8
    latents = generator.latents(2000, seed=2)
    states = generator.states(latents)
    np.testing.assert_array_equal(frames, generator.decode(generator.latents(60, 1)))
    np.testing.assert_array_equal(generator.decode(latents), generator.decode(latents, states))
    stored = FrameBuffer.open(buffer).values_at("ram", np.arange(800))
    assert (states[:, 0] == 7).all()
    assert set(states[:, 1]) <= set(stored[:, 1])
    are_new = [not (stored[:, :3] == state[:3]).all(1).any() for state in states]
    assert 0.02 < np.mean(are_new) < 0.9


def test_mismatches_are_refused(generator, buffer, tmp_path):
    with pytest.raises(InputError, match=r"conditions must be \(3, 6\), not \(3, 5\)"):
        generator.decode(generator.latents(3, 0), np.zeros((3, 5), np.uint8))
    with pytest.raises(InputError, match="trained without classes"):
        generator.sample(2, labels=[0, 1])
    config = dataclasses.replace(CONFIG, data=str(buffer))
    with pytest.raises(InputError, match="--reconstruction-steps 4 needs --condition"):
        build_trainer(dataclasses.replace(config, condition="none"))
    with FrameBuffer.create(tmp_path / "blind", 4, SHAPE) as blind:
        blind.add(dot_at(5, 5))
    with pytest.raises(InputError, match="stores none: use --recipe codes, which needs"):
        build_trainer(dataclasses.replace(config, data=str(tmp_path / "blind")))
    with pytest.raises(InputError, match="--condition needs"):
        build_trainer(dataclasses.replace(CONFIG, source="sine", network="mlp"))
    with pytest.raises(InputError, match="--condition ram needs frames with RAM"):
        ImageSet(np.zeros((4, *SHAPE), np.uint8), config)


def test_resumed_training_is_the_same(buffer):
    config = dataclasses.replace(CONFIG, data=str(buffer), max_images=640)
    whole = build_trainer(config)
    whole.run([], StopRequest())
    first = build_trainer(dataclasses.replace(config, max_images=320))
    first.run([], StopRequest())
    rest = build_trainer(config)
    rest.load_state_dict(first.state_dict())
    rest.run([], StopRequest())
    assert rest.num_images == whole.num_images == 640
    for name, weight in whole.updates.generator.state_dict().items():
        assert torch.equal(weight, rest.updates.generator.state_dict()[name]), name


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(name, marks=[] if name in ("profiles", "subpixel") else pytest.mark.slow)
        for name in sorted(NETWORKS)
    ],
)
def test_every_family_can_be_conditioned_on_ram(buffer, network):
    family = NETWORKS[network]
    objective = "energy" if family.critic_gives_energy else "hinge"
    sizes = {"generator_width": 0, "critic_width": 0} if family.lists_layers else {}
    config = dataclasses.replace(
        CONFIG, data=str(buffer), network=network, objective=objective, penalty="none", **sizes
    )
    trainer = build_trainer(dataclasses.replace(config, batch_size=4, max_images=20))
    trainer.run([], StopRequest())
    assert all(loss.isfinite() for loss in trainer.updates.losses.values())


def test_palettes_come_from_more_frames_than_are_fitted(buffer, monkeypatch):
    monkeypatch.setattr(ProfilesGenerator, "num_fitted", 64)
    config = dataclasses.replace(CONFIG, network="profiles", data=str(buffer))
    colors = build_trainer(config).updates.generator.network.colors
    frames = FrameBuffer.open(buffer).values_at("frames", np.arange(800))
    positions = torch.from_numpy(np.where(frames == 200, 1.0, np.where(frames == 90, -0.3, -1.0)))
    np.testing.assert_array_equal(colors.frames(positions[..., 0]).numpy(), frames)


def test_the_encoder_finds_the_bytes_and_bits_that_vary():
    ram = torch.tensor([[1, 4, 0], [1, 9, 2], [1, 4, 0]], dtype=torch.uint8)
    encoder = RamEncoder(3, num_features=5)
    encoder.fit(ram)
    assert encoder.varying.tolist() == [1, 2]
    assert encoder.value_rows.shape == (4, 5)
    assert encoder.bit_rows.shape == (4, 5)  # bits 0, 2 and 3 of byte 1, bit 1 of byte 2
    with torch.no_grad():
        encoder.bit_rows.normal_()
    table, bits = encoder.value_rows, encoder.bit_rows
    of_second = table[1] + table[3] + bits[0] + bits[2] + bits[3]
    torch.testing.assert_close(encoder(ram)[1], of_second)
    torch.testing.assert_close(encoder(ram)[0], table[0] + table[2] + bits[1])
    unseen = torch.tensor([[77, 6, 255]], dtype=torch.uint8)  # 6 is nearest to 4, 255 to 2
    expected = table[0] + table[3] + bits[1] + bits[3]
    torch.testing.assert_close(encoder(unseen)[0], expected)


def test_bits_equal_those_of_numpy():
    values = np.arange(256, dtype=np.uint8).reshape(64, 4)
    expected = np.unpackbits(values, axis=1, bitorder="little")
    np.testing.assert_array_equal(bits_of(torch.from_numpy(values)).numpy(), expected)


def test_constant_ram_has_no_features():
    encoder = RamEncoder(4, num_features=3)
    ram = torch.full((10, 4), 9, dtype=torch.uint8)
    encoder.fit(ram)
    assert torch.equal(encoder(ram), torch.zeros(10, 3))
    with torch.no_grad():
        assert torch.equal(encoder(ram), torch.zeros(10, 3))


def test_rare_values_are_told_apart_by_their_bits_alone():
    settings = EncoderSettings(num_features=4, value_scale=1.0, bit_scale=1.0, rare_share=0.05)
    encoder = RamEncoder(1, settings=settings)
    encoder.fit(torch.tensor([0] * 49 + [255] * 49 + [3, 5], dtype=torch.uint8)[:, None])
    with torch.no_grad():
        by_value = encoder(torch.arange(8, dtype=torch.uint8)[:, None])
    lowest_bit = by_value[3] - by_value[2]
    torch.testing.assert_close(by_value[7] - by_value[6], lowest_bit)
    torch.testing.assert_close(by_value[5] - by_value[4], lowest_bit)
    assert (by_value[1] - by_value[0] - lowest_bit).abs().max() < 1e-6  # the nearest value is 0
    encoder.fit(torch.tensor([0] * 9 + [3, 5], dtype=torch.uint8)[:, None])
    assert len(encoder.value_rows) == 3


def test_loading_a_state_resizes_the_tables(trainer, generator):
    fresh = build_generator(generator.model)
    fresh.load_state_dict(trainer.averaged_generator.state_dict())
    again = FrameGenerator(generator.model, fresh, torch.device("cpu"))
    np.testing.assert_array_equal(again.sample(4), generator.sample(4))


def test_reconstruction_weights_rare_values():
    model = ModelConfig(
        dataclasses.replace(CONFIG, condition="none"),
        dataclasses.replace(build_spec(), condition_shape=None),
    )
    network = build_generator(model)
    stored = torch.zeros(100, 4, 5, 1, dtype=torch.uint8)
    stored[:4, 1, 1] = 255
    network.fit(stored)
    frames = frames_to_floats(stored)
    latents = torch.randn(1, 2)

    def cost(real, shown):
        network.bias.data.zero_()
        network.bias.data[shown, 1, 1] = 50.0
        return network.reconstruction_loss(latents, None, frames[real : real + 1]).item()

    missing, false = cost(0, 0), cost(50, 1)
    assert missing / false == pytest.approx((0.96 / 0.04) ** 0.75, rel=0.3)


def build_spec():
    from atarigan.data.sample_spec import SampleSpec
    from atarigan.images.pixels import FrameFormat

    return SampleSpec((1, 4, 5), FrameFormat("gray", 4, 5))


@pytest.fixture(scope="module")
def pong(tmp_path_factory):
    """A short run on Pong."""
    folder = tmp_path_factory.mktemp("pong")
    words = ["--env-id", "ALE/Pong-v5", "--num-steps", "400", "--num-envs", "1"]
    assert collect.main([*words, "--policy", "scripted", "--out", str(folder / "data")]) == 0
    words = ["--recipe", "atari", "--data", str(folder / "data"), "--log", "none"]
    words += ["--device", "cpu", "--max-images", "1", "--reconstruction-steps", "8"]
    words += ["--out", str(folder / "run")]
    assert train.main(words) == 0
    return folder


def test_an_agent_sees_its_own_game():
    generator = FrameGenerator.load("pong", device="cpu")
    env = gym.make("ALE/Pong-v5", frameskip=4, repeat_action_probability=0.0)
    env = gym.wrappers.GrayscaleObservation(gym.wrappers.ResizeObservation(env, (84, 84)))
    env = GeneratedObservation(env, generator)
    observation, _ = env.reset(seed=3)
    assert observation.shape == (84, 84)
    stream = LatentStream(generator, "step", walk_length=50.0)
    stream.seed(3)
    ram = env.unwrapped.ale.getRAM()
    shown = generator.decode(stream.begin()[None], ram[None])
    assert (observation == shown[0, ..., 0]).all()
    env.close()


@pytest.mark.slow  # tests/test_ram_info.py has the wrapper that reads RAM checked
def test_the_wrapper_passes_the_checker():
    env = GeneratedObservation(gym.make("ALE/Pong-v5"), "pong")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version")
        check_env(env, skip_render_check=True)
    env.close()


def test_the_wrapper_needs_an_ale_environment():
    with pytest.raises(InputError, match="reading RAM needs an ALE environment, not <"):
        GeneratedObservation(gym.make("tests.fakes:Counting-v0"), "pong", allow_other_game=True)


@pytest.mark.parametrize(  # tests/test_ram_info.py has frames of each mode show their own RAM
    "autoreset_mode",
    [
        gym.vector.AutoresetMode.NEXT_STEP,
        pytest.param(gym.vector.AutoresetMode.SAME_STEP, marks=pytest.mark.slow),
        pytest.param(gym.vector.AutoresetMode.DISABLED, marks=pytest.mark.slow),
    ],
)
def test_a_vector_shows_each_agent_its_own_game(autoreset_mode, monkeypatch):
    generator = FrameGenerator.load("pong", device="cpu")
    silent = np.zeros((2, generator.latent_size), np.float32)
    monkeypatch.setattr(generator, "latents", lambda num, seed: silent[:num])
    options = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": autoreset_mode}}
    envs = gym.make_vec("ALE/Pong-v5", num_envs=2, obs_type="grayscale", **options)
    envs = GeneratedVectorObservation(envs, generator)
    observations, infos = envs.reset(seed=3)
    for _ in range(3):
        shown = generator.decode(silent, infos["ram"])
        for observation, frame in zip(observations, shown, strict=True):
            expected = pixels.resize(frame, 210, 160)[..., 0]
            assert (np.abs(observation.astype(int) - expected) < 3).all()
        observations, *_, infos = envs.step(np.array([2, 3]))
    assert (infos["ram"][0] != infos["ram"][1]).any()
    envs.close()


@pytest.mark.slow
def test_evaluation_compares_with_the_real_frames(pong, capsys):
    assert evaluate.main(["--run", str(pong / "run"), "--num", "60"]) == 0
    table = capsys.readouterr().out
    for name in ("pixel_accuracy", "foreground_accuracy", "frechet_distance", "motion_distance"):
        assert name in table
    assert "<h2>Frames of the same states</h2>" in (pong / "run" / "evaluation.html").read_text()


def test_sampling_by_command(tmp_path, capsys):
    for suffix in ("png", "gif", "npz"):
        out = tmp_path / f"samples.{suffix}"
        assert sample.main(["--run", "pong", "--num", "6", "--out", str(out)]) == 0
        assert out.exists()
    capsys.readouterr()
