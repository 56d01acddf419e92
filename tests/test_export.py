"""A generator as an ONNX file gives what torch gives, to every batch, and drives the wrappers."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from atarigan import FrameGenerator, export
from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import SampleSpec
from atarigan.envs import GeneratedObservation
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat
from atarigan.models import onnx_file
from atarigan.models.build import build_generator
from atarigan.models.model_config import ModelConfig
from atarigan.models.onnx_generator import METADATA_KEY, OnnxGenerator

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def pong_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("onnx") / "deep" / "pong.onnx"
    assert export.main(["--run", "pong", "--out", str(out)]) == 0
    return out


def untrained(network: str, shape: tuple[int, ...], **settings: Any) -> FrameGenerator:
    frame_format = None
    if len(shape) == 3:
        frame_format = FrameFormat("gray" if shape[0] == 1 else "rgb", *shape[1:])
    config = RunConfig(network=network, latent_size=6, **settings)
    model = ModelConfig(config, SampleSpec(shape, frame_format))
    import torch

    return FrameGenerator(model, build_generator(model), torch.device("cpu"))


@pytest.mark.parametrize("num", [1, 5, 300])
def test_frames_are_those_of_torch(pong_file: Path, num: int) -> None:
    pong = FrameGenerator.load("pong", "cpu")
    states = pong.states(pong.latents(num, seed=1))
    again = OnnxGenerator.load(pong_file)
    frames = again.decode(again.latents(num, seed=2), states)
    latents = pong.latents(num, seed=2)
    latents[:, : again.latent_size] = again.latents(num, seed=2)
    np.testing.assert_array_equal(frames, pong.decode(latents, states))


def test_the_wrapper_plays_through_a_file(pong_file: Path) -> None:
    env, torchs = (
        GeneratedObservation(gym.make("ALE/Pong-v5", obs_type="grayscale"), generator)
        for generator in (pong_file, "pong")
    )
    env.reset(seed=0), torchs.reset(seed=0)
    for _ in range(30):  # latents differ, as those of torch's also draw states, and say little
        assert (env.step(2)[0] == torchs.step(2)[0]).mean() > 0.999


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        ("mlp", (2,)),
        ("subpixel", (3, 20, 17)),
        pytest.param("codebook", (1, 24, 20), marks=pytest.mark.slow),
        pytest.param("dcgan", (1, 28, 28), marks=pytest.mark.slow),
        pytest.param("profiles", (3, 20, 17), marks=pytest.mark.slow),
        pytest.param("residual", (3, 16, 16), marks=pytest.mark.slow),
        pytest.param("upsample", (1, 20, 20), marks=pytest.mark.slow),
    ],
)
def test_every_family_can_be_exported(network: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    generator = untrained(network, shape, source="sine" if len(shape) == 1 else "folder")
    out = tmp_path / "it.onnx"
    onnx_file.write_onnx(generator, out)
    inputs = onnx_file.example_inputs(generator, 11)
    found = onnxruntime.InferenceSession(str(out)).run(None, {"latents": inputs[0].numpy()})[0]
    if len(shape) == 1:
        np.testing.assert_allclose(found, generator.sample_points(11), atol=1e-5)
    else:
        differences = found.astype(int) - generator.sample(11)
        assert (differences == 0).mean() > 0.99
        assert np.abs(differences).max() <= 1 or network in ("codebook", "profiles")


def test_wrong_files_and_wrong_shapes_are_named(pong_file: Path, tmp_path: Path) -> None:
    again = OnnxGenerator.load(pong_file)
    with pytest.raises(InputError, match=r"takes .*conditions.* not .*latents"):
        again.decode(again.latents(2))
    with pytest.raises(InputError, match="is not a readable ONNX file"):
        OnnxGenerator.load(tmp_path / "none.onnx")
    spoiled = onnx.load(pong_file)
    for entry in spoiled.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = json.dumps({"run": {}, "sample": {"shape": "wide"}})
    onnx.save(spoiled, tmp_path / "spoiled.onnx")
    with pytest.raises(InputError, match="spoiled.onnx"):
        OnnxGenerator.load(tmp_path / "spoiled.onnx")
    del spoiled.metadata_props[:]
    onnx.save(spoiled, tmp_path / "foreign.onnx")
    with pytest.raises(InputError, match="was not written by python -m atarigan.export"):
        OnnxGenerator.load(tmp_path / "foreign.onnx")


def test_nothing_is_replaced(pong_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a new file"):
        export.main(["--run", "pong", "--out", str(pong_file)])
    with pytest.raises(SystemExit):
        export.main(["--run", "pong", "--out", str(tmp_path / "pong.bin")])
