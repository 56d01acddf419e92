"""A generator loads without its data and gives the same frames for the same seed."""

import doctest
import shutil

import numpy as np
import pytest
import torch

import atarigan
from atarigan import FrameGenerator, errors
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer import frame_buffer
from atarigan.data.sample_spec import SampleSpec
from atarigan.errors import InputError
from atarigan.files import typed_json
from atarigan.images.pixels import FrameFormat
from atarigan.models import frame_generator, generated_replay
from atarigan.models.build import build_generator
from atarigan.models.checkpoint import save_checkpoint
from atarigan.models.latents import LARGEST_BATCH
from atarigan.models.model_config import ModelConfig
from tests.fakes import noise_frames


def save_run(path, *, network="subpixel", frame_format=None, latent_prior="normal"):
    """A run folder with an untrained generator."""
    frame_format = frame_format or FrameFormat("gray", 20, 24)
    height, width, channels = frame_format.shape
    config = RunConfig(
        network=network, latent_size=6, latent_prior=latent_prior, generator_width=8, data="gone"
    )
    model = ModelConfig(config, SampleSpec((channels, height, width), frame_format))
    torch.manual_seed(0)
    network = build_generator(model)
    network.fit(noise_frames(8, (channels, height, width)))
    return save_checkpoint(path, model, network.state_dict(), {"num_images": 64})


@pytest.fixture
def run(tmp_path):
    save_run(tmp_path)
    return tmp_path


@pytest.mark.parametrize("network", ["dcgan", "subpixel", "codebook", "profiles"])
@pytest.mark.parametrize("name", ["gray", "rgb"])
def test_frames_in_the_sources_format(tmp_path, network, name):
    frame_format = FrameFormat(name, 21, 17)
    save_run(tmp_path, network=network, frame_format=frame_format)
    generator = FrameGenerator.load(tmp_path)
    frames = generator.sample(3)
    assert frames.dtype == np.uint8
    assert frames.shape == (3, *frame_format.shape) == (3, *generator.frame_shape)
    assert generator.frame_format == frame_format


def test_same_seed_same_frames_other_seed_other_frames(run):
    generator, again = FrameGenerator.load(run), FrameGenerator.load(run)
    np.testing.assert_array_equal(generator.sample(8, seed=5), again.sample(8, seed=5))
    assert not np.array_equal(generator.sample(8, seed=5), generator.sample(8, seed=6))


def test_any_number_of_frames_and_more_begin_with_the_same(run):
    generator = FrameGenerator.load(run)
    many = generator.sample(2 * LARGEST_BATCH + 3, seed=1)
    assert len(many) == 2 * LARGEST_BATCH + 3
    for num in (0, 1, 7, LARGEST_BATCH):
        few = generator.sample(num, seed=1)
        assert len(few) == num
        # sums in another order may round the other way
        assert np.abs(few.astype(int) - many[:num]).max(initial=0) <= 1


def test_decode_draws_what_sample_draws(run):
    generator = FrameGenerator.load(run)
    latents = generator.latents(4, seed=9)
    assert latents.shape == (4, 6)
    assert latents.dtype == np.float32
    np.testing.assert_array_equal(generator.decode(latents), generator.sample(4, seed=9))


@pytest.mark.parametrize("latent_prior", ["normal", "uniform"])
def test_latents_have_the_configured_distribution(tmp_path, latent_prior):
    save_run(tmp_path, latent_prior=latent_prior)
    latents = FrameGenerator.load(tmp_path).latents(5000, seed=0)
    assert abs(latents.mean()) < 0.02
    assert abs(latents.std() - {"normal": 1, "uniform": 3**-0.5}[latent_prior]) < 0.02
    assert (np.abs(latents).max() <= 1) == (latent_prior == "uniform")


def test_loading_needs_no_data(run):
    assert atarigan.FrameGenerator is FrameGenerator
    assert FrameGenerator.load(str(run)).model.run.data == "gone"


def test_a_checkpoint_of_another_frame_shape(run):
    other = save_run(run / "other", frame_format=FrameFormat("gray", 40, 40))
    checkpoint = run / "checkpoints" / "images-000000000064"
    shutil.copy(other / "generator.safetensors", checkpoint)
    (checkpoint / "SHA256SUMS").unlink()
    with pytest.raises(InputError, match=r"does not fit its own config\.json.*size mismatch"):
        FrameGenerator.load(run)


def test_an_unknown_network_in_the_config(run):
    path = run / "checkpoints" / "images-000000000064" / "config.json"
    path.write_text(path.read_text().replace('"subpixel"', '"subpixl"'))
    path.with_name("SHA256SUMS").unlink()
    with pytest.raises(InputError, match="did you mean 'subpixel'"):
        FrameGenerator.load(run)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda g: g.sample(-1), "at least 0, not -1"),
        (lambda g: g.decode(np.zeros((2, 5), np.float32)), r"\(N, 6\), not \(2, 5\)"),
        (lambda g: g.sample_points(3), "not points"),
    ],
)
def test_wrong_requests(run, ask, message):
    with pytest.raises(InputError, match=message):
        ask(FrameGenerator.load(run))


def test_wrong_device(run):
    with pytest.raises(InputError, match="'tpu'"):
        FrameGenerator.load(run, device="tpu")


def test_what_is_missing_is_called_missing(tmp_path):
    with pytest.raises(
        InputError, match=r"^pongg does not exist: .* did you mean 'pong'\? known: asterix, b"
    ):
        FrameGenerator.load("pongg")
    with pytest.raises(InputError, match=r"gone does not exist: expected a folder that .* wrote$"):
        FrameGenerator.load(tmp_path / "gone")
    (tmp_path / "run.onnx").touch()
    with pytest.raises(InputError, match="run.onnx is a file: expected a folder"):
        FrameGenerator.load(tmp_path / "run.onnx")
    with pytest.raises(InputError, match="holds no checkpoint"):
        FrameGenerator.load(tmp_path)


def test_points(tmp_path):
    model = ModelConfig(RunConfig(source="sine", network="mlp"), SampleSpec((2,)))
    save_checkpoint(tmp_path, model, build_generator(model).state_dict(), {"num_images": 1})
    generator = FrameGenerator.load(tmp_path)
    points = generator.sample_points(10, seed=2)
    assert points.shape == (10, 2)
    assert points.dtype == np.float32
    with pytest.raises(InputError, match="not frames"):
        generator.sample(1)


def test_config_round_trip(run):
    checkpoint = run / "checkpoints" / "images-000000000064"
    model = typed_json.read_json(checkpoint / "config.json", ModelConfig)
    assert model == FrameGenerator.load(run).model


@pytest.mark.parametrize("module", [errors, frame_buffer, frame_generator, generated_replay])
def test_the_examples_in_docstrings_run(module):
    result = doctest.testmod(module)
    assert result.attempted >= 2
    assert result.failed == 0
