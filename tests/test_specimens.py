"""Files of an earlier release, read with the present code (tests/write_specimens.py wrote them).

Images may differ by one level and weights by 1e-4, because other processors round otherwise.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from atarigan import FrameBuffer, FrameGenerator, train
from atarigan.models.checkpoint import find_checkpoint
from tests.write_specimens import RAM, VECTOR, VECTORS

SPECIMENS = Path(__file__).parent / "specimens"


def expected(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(SPECIMENS / f"{name}.npz"))


def assert_same_frames(frames: np.ndarray, those: np.ndarray) -> None:
    assert frames.dtype == those.dtype == np.uint8
    np.testing.assert_allclose(frames.astype(int), those.astype(int), atol=1)


@pytest.fixture
def specimens(tmp_path: Path) -> Path:
    """A copy: opening a buffer or a run must not write into the tests' folder."""
    return shutil.copytree(SPECIMENS, tmp_path / "specimens")


def test_a_frame_buffer_gives_the_same_transitions(specimens: Path) -> None:
    buffer = FrameBuffer.open(specimens / "breakout")
    assert len(buffer) == 40
    assert buffer.meta.origin.env_id == "ALE/Breakout-v5"
    batch = buffer.sample_transitions(8, 2, seed=0)
    np.testing.assert_array_equal(batch.frames, expected("transitions")["frames"])
    np.testing.assert_array_equal(batch.actions, expected("transitions")["actions"])
    assert len({ram.tobytes() for ram in buffer.values_at("ram", np.arange(40))}) > 20


def test_a_buffer_without_frames_holds_the_same_states(specimens: Path) -> None:
    """Both buffers are of one game: the first 40 steps, and the last 40 of 60."""
    states = FrameBuffer.open(specimens / "breakout-ram")
    frames = FrameBuffer.open(specimens / "breakout")
    assert "frames" not in states.meta.columns
    for column in ("ram", "actions", "rewards"):
        shared = states.values_at(column, np.arange(20, 40))
        np.testing.assert_array_equal(shared, frames.values_at(column, np.arange(20)))


def test_a_buffer_of_vectors_holds_the_same(specimens: Path) -> None:
    buffer = FrameBuffer.open(specimens / "vectors")
    assert buffer.meta.state == VECTOR
    rows = np.arange(36)
    expected_states = np.stack([rows % 3, rows % 2 / 2], axis=1)
    np.testing.assert_array_equal(buffer.values_at("state", rows), expected_states)


def test_a_generator_of_vectors_draws_the_same_frames() -> None:
    generator = FrameGenerator.load(SPECIMENS / "vectors-packed", device="cpu")
    assert_same_frames(generator.sample(8, seed=0), expected("vectors")["sampled"])
    drawn = generator.decode(generator.latents(len(VECTORS), seed=0), VECTORS)
    assert_same_frames(drawn, expected("vectors")["of_vectors"])


@pytest.mark.parametrize("name", ["run", "packed"])
def test_a_generator_draws_the_same_frames(name: str) -> None:
    generator = FrameGenerator.load(SPECIMENS / name, device="cpu")
    assert_same_frames(generator.sample(8, seed=0), expected(name)["sampled"])
    drawn = generator.decode(generator.latents(len(RAM), seed=0), RAM)
    assert_same_frames(drawn, expected(name)["of_ram"])
    assert len({frame.tobytes() for frame in drawn}) == len(RAM)


def test_a_generator_draws_the_same_points() -> None:
    generator = FrameGenerator.load(SPECIMENS / "points", device="cpu")
    points = generator.sample_points(8, seed=0)
    np.testing.assert_allclose(points, expected("points")["sampled"], rtol=1e-4, atol=1e-6)


def test_an_exported_network_draws_the_same_frames() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = SPECIMENS / "generator.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    generator = FrameGenerator.load(SPECIMENS / "run", device="cpu")
    size = generator.model.run.latent_size  # without the numbers that decide a state
    latents = generator.latents(len(RAM), seed=0)[:, :size]
    [frames] = session.run(None, {"latents": latents, "conditions": RAM})
    assert_same_frames(frames, expected("run")["of_ram"])


@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize("name", ["run", "points"])
def test_a_run_goes_on_as_it_would_have(name: str, specimens: Path) -> None:
    words = ["--resume", "--out", str(specimens / name), "--max-images", "48"]
    words += ["--data", str(specimens / "toy")] if name == "run" else []
    assert train.main(words) == 0
    weights = load_file(find_checkpoint(specimens / name) / "generator.safetensors")
    before = load_file(find_checkpoint(SPECIMENS / name) / "generator.safetensors")
    after = expected(f"{name}-resumed")
    assert any(not np.array_equal(weight, before[key]) for key, weight in after.items())
    for key, weight in after.items():
        np.testing.assert_allclose(weights[key], weight, rtol=1e-4, atol=1e-6, err_msg=key)
