"""A generator as an ONNX file gives what torch gives, to every batch, and drives the wrappers."""

import copy
import json
import pickle
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
from atarigan.models.onnx_generator import LATENT_SIZE_KEY, METADATA_KEY, OnnxGenerator

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


@pytest.fixture(scope="module")
def pong() -> FrameGenerator:
    return FrameGenerator.load("pong", "cpu")


@pytest.mark.parametrize("num", [1, 5, 300])
def test_frames_are_those_of_torch(pong_file: Path, pong: FrameGenerator, num: int) -> None:
    again = OnnxGenerator.load(pong_file)
    latents = again.latents(num, seed=2)
    np.testing.assert_array_equal(latents, pong.latents(num, seed=2))
    states = pong.states(pong.latents(num, seed=1))
    np.testing.assert_array_equal(again.decode(latents, states), pong.decode(latents, states))


@pytest.mark.parametrize(
    "options",
    [{}, {"latent": "walk", "walk_length": 5}, {"mode": "mix"}, {"latent": "episode"}],
    ids=["step", "walk", "mix", "episode"],
)
def test_the_wrapper_draws_the_same_frames_through_a_file(
    pong_file: Path, pong: FrameGenerator, options: dict[str, Any]
) -> None:
    env, torchs = (
        GeneratedObservation(gym.make("ALE/Pong-v5", obs_type="grayscale"), generator, **options)
        for generator in (pong_file, pong)
    )
    np.testing.assert_array_equal(env.reset(seed=0)[0], torchs.reset(seed=0)[0])
    for _ in range(12):
        np.testing.assert_array_equal(env.step(2)[0], torchs.step(2)[0])


def test_copies_draw_the_same_frames(pong_file: Path) -> None:
    generator = OnnxGenerator.load(pong_file)
    latents = generator.latents(3, seed=0)
    states = np.zeros((3, 128), np.uint8)
    for again in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))):
        frames = again.decode(latents, states)
        np.testing.assert_array_equal(frames, generator.decode(latents, states))


def test_a_file_of_an_earlier_release_loads_with_a_warning(pong_file: Path, tmp_path: Path) -> None:
    with_size = onnx.load(pong_file)
    sizes = [entry for entry in with_size.metadata_props if entry.key == LATENT_SIZE_KEY]
    sizes[0].value = "1000000000"
    onnx.save(with_size, tmp_path / "spoiled.onnx")
    with pytest.raises(InputError, match="the size of its latents must be 4 to 132, not '1000"):
        OnnxGenerator.load(tmp_path / "spoiled.onnx")
    with_size.metadata_props.remove(sizes[0])
    onnx.save(with_size, tmp_path / "old.onnx")
    with pytest.warns(UserWarning, match="old.onnx was exported by an earlier release"):
        old = OnnxGenerator.load(tmp_path / "old.onnx")
    frames = old.decode(old.latents(2, seed=0), np.zeros((2, 128), np.uint8))
    assert frames.shape == (2, 84, 84, 1)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        ("mlp", (2,)),
        pytest.param("subpixel", (3, 20, 17), marks=pytest.mark.slow),
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
