"""Feature extractors: image shapes, files, and the shipped extractors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from atarigan.config.run_config import RunConfig
from atarigan.data.sources.labeled_images import LABELED, open_split
from atarigan.errors import InputError
from atarigan.evaluation.features import extractor as extractor_module
from atarigan.evaluation.features.extractor import (
    Extractor,
    ExtractorInfo,
    extract,
    shipped_extractors,
)
from tests.data_sets import needs_data


def random_frames(num, *shape):
    return np.random.default_rng(0).integers(0, 256, (num, *shape)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 210, 160), (1, 5, 4), (1, 1, 1)])
def test_images_of_any_shape_become_features(shape):
    channels, height, width = shape
    extractor = Extractor(ExtractorInfo("any", shape, num_classes=7, num_features=24)).eval()
    features, probabilities = extract(extractor, random_frames(3, height, width, channels))
    assert features.shape == (3, 24)
    assert probabilities.shape == (3, 7)
    assert features.dtype == probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-9)


def test_batched_extraction_equals_single_frames(monkeypatch):
    monkeypatch.setattr(extractor_module, "_BATCH", 4)
    extractor = Extractor(ExtractorInfo("any", (1, 8, 8), num_classes=3)).eval()
    frames = random_frames(10, 8, 8, 1)
    frames.flags.writeable = False  # as memory-mapped files are
    together = extract(extractor, frames)
    for number in range(10):
        alone = extract(extractor, frames[number : number + 1])
        np.testing.assert_allclose(together.features[number], alone.features[0], atol=1e-5)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (random_frames(4, 28, 28, 3), r"uint8 \(N, 28, 28, 1\), not uint8 \(4, 28, 28, 3\)"),
        (random_frames(4, 32, 32, 1), r"not uint8 \(4, 32, 32, 1\)"),
        (random_frames(4, 28, 28, 1).astype(np.float32), "not float32"),
        (random_frames(28, 28, 1), r"not uint8 \(28, 28, 1\)"),
        (random_frames(0, 28, 28, 1), "at least 1 frame, not 0"),
    ],
)
def test_frames_that_do_not_fit_are_refused_with_the_extractors_name(frames, message):
    extractor = Extractor(ExtractorInfo("digits-v1", (1, 28, 28), num_classes=10)).eval()
    with pytest.raises(InputError, match=f"digits-v1 needs .*{message}"):
        extract(extractor, frames)


def test_a_saved_extractor_keeps_weights_and_metadata(tmp_path):
    info = ExtractorInfo(
        "any", (3, 9, 7), 5, 16, test_accuracy=0.5, num_test_images=80, command="x"
    )
    extractor = Extractor(info)
    extractor(torch.randn(20, 3, 9, 7))  # updates the running statistics
    extractor.save(tmp_path / "any.safetensors")
    loaded = Extractor.load(tmp_path / "any.safetensors")
    assert loaded.info == info
    assert not loaded.training
    frames = random_frames(4, 9, 7, 3)
    expected = extract(extractor.eval(), frames)
    np.testing.assert_array_equal(extract(loaded, frames).features, expected.features)


def test_an_unknown_name_is_refused_with_a_suggestion():
    with pytest.raises(InputError, match="did you mean 'mnist-features-v1'"):
        Extractor.load("mnist-feature-v1")


def damaged(tmp_path, kind):
    path = tmp_path / "any.safetensors"
    Extractor(ExtractorInfo("any", (1, 8, 8), 3)).save(path)
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif kind == "other":
        save_file({"weight": torch.zeros(3)}, path)
    elif kind == "no JSON":
        save_file({"weight": torch.zeros(3)}, path, {"extractor": "{"})
    elif kind == "weights":
        text = '{"name": "a", "sample_shape": [1, 8, 8], "num_classes": 3}'
        save_file({"weight": torch.zeros(3)}, path, {"extractor": text})
    else:
        path.unlink()
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", "is not a readable safetensors file"),
        ("other", "must hold an extractor"),
        ("no JSON", "must describe itself in JSON"),
        ("weights", "does not fit its own metadata"),
        ("missing", "does not exist"),
    ],
)
def test_damaged_files_are_refused(tmp_path, kind, message):
    with pytest.raises(InputError, match=f"any.safetensors {message}"):
        Extractor.load(damaged(tmp_path, kind))


def test_every_labeled_source_has_a_small_shipped_extractor():
    assert shipped_extractors() == sorted(f"{name}-features-v1" for name in LABELED)
    folder = Path(extractor_module.__file__).parent / "extractors"
    sizes = [path.stat().st_size for path in folder.glob("*.safetensors")]
    assert max(sizes) < 1_000_000


@needs_data
@pytest.mark.parametrize("source", LABELED)
def test_a_shipped_extractor_has_the_accuracy_of_its_metadata(source):
    extractor = Extractor.load(f"{source}-features-v1")
    test = open_split(RunConfig(source=source), "test")
    num = 1000
    found = extract(extractor, test.images[:num]).probabilities.argmax(1)
    accuracy = (found == test.labels[:num]).mean()
    assert extractor.info.name == f"{source}-features-v1"
    assert (
        extractor.info.test_accuracy
        > {"mnist": 0.99, "fashion-mnist": 0.91, "cifar10": 0.6}[source]
    )
    assert accuracy == pytest.approx(extractor.info.test_accuracy, abs=0.03)
