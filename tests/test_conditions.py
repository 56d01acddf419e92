"""Training and sampling by class, and images in the colors and at the size that flags ask for."""

import dataclasses
import os

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from atarigan import sample
from atarigan.cli.stop_request import StopRequest
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources.image_set import ImageSet
from atarigan.errors import InputError
from atarigan.models.frame_generator import FrameGenerator
from atarigan.training.build import build_trainer

CONFIG = RunConfig(
    source="mnist",
    condition="class",
    network="mlp",
    objective="non_saturating",
    penalty="r1",
    penalty_weight=0.1,
    critic_steps=1,
    latent_size=4,
    batch_size=32,
    generator_lr=1e-3,
    critic_lr=1e-3,
    beta2=0.99,
    device="cpu",
    max_images=9_600,
)


def two_gray_levels(config):
    """Class 0 is dark, class 1 is light."""
    labels = np.arange(64) % 2
    images = np.broadcast_to((40 + 160 * labels)[:, None, None, None], (64, 4, 4, 1))
    return ImageSet(images.astype(np.uint8), config, labels, num_classes=2)


@pytest.fixture
def trainer():
    if "ATARIGAN_DATA" not in os.environ:  # its evaluator reads MNIST's test images
        pytest.skip("ATARIGAN_DATA names no folder with the data sets")
    return build_trainer(CONFIG, source=two_gray_levels(CONFIG))


@pytest.mark.slow
def test_each_class_is_drawn_when_it_is_asked_for(trainer):
    trainer.run([], StopRequest())
    generator = FrameGenerator(trainer.model, trainer.averaged_generator, torch.device("cpu"))
    assert generator.num_classes == 2
    dark, light = (generator.sample(50, seed=1, labels=[label] * 50) for label in (0, 1))
    assert abs(dark.mean() - 40) < 25
    assert abs(light.mean() - 200) < 25
    in_turn = generator.sample(50, seed=1)
    np.testing.assert_array_equal(in_turn[::2], dark[::2])
    np.testing.assert_array_equal(in_turn[1::2], light[1::2])


def test_labels_that_do_not_fit_are_refused(trainer):
    generator = FrameGenerator(trainer.model, trainer.averaged_generator, torch.device("cpu"))
    with pytest.raises(InputError, match=r"labels must be 0 to 1, not 2"):
        generator.sample(1, labels=[2])
    with pytest.raises(InputError, match=r"conditions must be \(3, 2\), not None"):
        generator.decode(generator.latents(3, 0))
    plain = build_trainer(dataclasses.replace(CONFIG, condition="none"))
    generator = FrameGenerator(plain.model, plain.averaged_generator, torch.device("cpu"))
    with pytest.raises(InputError, match="trained without classes"):
        generator.sample(1, labels=[0])


@pytest.mark.parametrize("penalty", ["gradient", "r1r2", "dragan", "spectral"])
def test_penalties_see_the_conditions_of_their_points(trainer, penalty):
    config = dataclasses.replace(CONFIG, penalty=penalty, max_images=96)
    other = build_trainer(config)
    other.run([], StopRequest())
    assert all(loss.isfinite() for loss in other.updates.losses.values())


def test_sources_without_labels_are_refused_by_name(tmp_path):
    (tmp_path / "images").mkdir()
    iio.imwrite(tmp_path / "images" / "a.png", np.zeros((8, 8, 3), np.uint8))
    with FrameBuffer.create(tmp_path / "buffer", 4, (8, 8, 1)) as buffer:
        buffer.add(np.zeros((8, 8, 1), np.uint8))
    for source, data in (
        ("folder", tmp_path / "images"),
        ("frames", tmp_path / "buffer"),
        ("sine", None),
    ):
        config = dataclasses.replace(CONFIG, source=source, data=data and str(data))
        with pytest.raises(InputError, match="--condition"):
            build_trainer(config)


@pytest.mark.parametrize(("color", "channels"), [("stored", 3), ("rgb", 3), ("gray", 1)])
def test_a_folder_in_other_colors_and_at_another_size(tmp_path, color, channels):
    picture = np.zeros((10, 8, 3), np.uint8)
    picture[..., 0] = 255
    iio.imwrite(tmp_path / "red.png", picture)
    config = RunConfig(source="folder", data=str(tmp_path), color=color, image_size="5x4")
    source = build_trainer(dataclasses.replace(config, network="dcgan", device="cpu")).source
    assert source.spec.shape == (channels, 5, 4)
    (batch,) = next(source.batches(1, 0)).samples
    assert batch.shape == (5, 4, channels)
    assert (batch[..., 0] == (76 if channels == 1 else 255)).all()


def test_frames_in_other_colors_and_at_another_size(tmp_path):
    with FrameBuffer.create(tmp_path, 4, (10, 8, 1)) as buffer:
        buffer.add(np.full((10, 8, 1), 90, np.uint8))
    config = RunConfig(data=str(tmp_path), color="rgb", image_size="20x12", network="dcgan")
    source = build_trainer(dataclasses.replace(config, device="cpu")).source
    assert source.spec.shape == (3, 20, 12)
    batch = next(source.batches(2, 0)).samples
    assert batch.shape == (2, 20, 12, 3)
    assert (batch == 90).all()


def test_points_have_no_colors_and_no_size():
    for setting in ({"color": "gray"}, {"image_size": "8x8"}):
        with pytest.raises(InputError, match="--.* needs a source of images"):
            build_trainer(RunConfig(source="sine", network="mlp", device="cpu", **setting))


def test_sampling_one_class_by_command(trainer, tmp_path):
    from atarigan.models.checkpoint import save_checkpoint

    weights = trainer.averaged_generator.state_dict()
    checkpoint = save_checkpoint(tmp_path, trainer.model, weights, trainer.state_dict())
    generator = FrameGenerator.load(checkpoint, device="cpu")
    words = ["--run", str(tmp_path), "--out", str(tmp_path / "ones.npz"), "--num", "3"]
    assert sample.main([*words, "--label", "1"]) == 0
    frames = np.load(tmp_path / "ones.npz")["frames"]
    np.testing.assert_array_equal(frames, generator.sample(3, labels=[1, 1, 1]))
    for suffix in ("png", "gif"):
        out = tmp_path / f"walk.{suffix}"
        assert sample.main([*words, "--out", str(out)]) == 0
        assert out.exists()
