"""The command that trains a feature extractor, on a small data set."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from atarigan.errors import InputError
from atarigan.evaluation.features.extractor import Extractor
from atarigan.evaluation.features.train_extractor import augmented, main

MODULE = "atarigan.evaluation.features.train_extractor"


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(
        size.to_bytes(4, "big") for size in array.shape
    )
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    """Write 12×12 images as MNIST files, labeled by their bright row; a quarter of the test labels
    is wrong.
    """
    folder = tmp_path_factory.mktemp("stripes")
    rng = np.random.default_rng(0)
    for stem, num in {"train": 600, "t10k": 120}.items():
        labels = rng.integers(0, 10, num)
        images = rng.integers(0, 120, (num, 12, 12))
        images[np.arange(num), labels + 1] += 130
        if stem == "t10k":
            labels[:30] = (labels[:30] + 1) % 10
        write_idx(folder / f"{stem}-images-idx3-ubyte", images)
        write_idx(folder / f"{stem}-labels-idx1-ubyte", labels)
    return folder


def train(stripes, out, *words):
    flags = ["--data", str(stripes), "--out", str(out), "--epochs", "8", "--max-shift", "0"]
    return main([*flags, "--batch-size", "32", *words])


def test_training_writes_an_extractor_with_its_test_accuracy(stripes, tmp_path, capsys):
    out = tmp_path / "new" / "stripes-v1.safetensors"
    assert train(stripes, out) == 0
    printed = capsys.readouterr()
    info = Extractor.load(out).info
    assert info.name == "stripes-v1"
    assert info.sample_shape == (1, 12, 12)
    assert info.num_test_images == 120
    assert 0.7 <= info.test_accuracy <= 0.8
    assert (
        f"stripes-v1: {info.test_accuracy:.2%} of 120 test images classified correctly"
        in printed.out
    )
    assert "training 100%" in printed.err
    assert info.command.startswith("python -m atarigan.evaluation.features.train_extractor --data")


def test_the_same_seed_gives_the_same_weights(stripes, tmp_path):
    for name, seed in {"a": "1", "b": "1", "c": "2"}.items():
        train(stripes, tmp_path / f"{name}.safetensors", "--epochs", "1", "--seed", seed)
    a, b, c = (
        Extractor.load(tmp_path / f"{name}.safetensors").head[2].weight for name in ("a", "b", "c")
    )
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_augmentation_shifts_within_its_limit_and_mirrors_about_half():
    images = torch.full((200, 1, 9, 15), -1.0)
    images[:, :, 4, 2] = 1.0
    rng = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(60):
        moved = augmented(images, rng, 2, flip=True)
        assert moved.shape == images.shape
        positions = (moved[:, 0] == 1).nonzero()[:, 1:]
        seen |= {(row, column) for row, column in positions.tolist()}
        mirrored = (moved[:, 0] == 1).flatten(1).float().argmax(1) % 15 > 7
        assert 0.3 < mirrored.float().mean() < 0.7
    assert {row for row, _ in seen} == {2, 3, 4, 5, 6}
    assert {column for _, column in seen} == {0, 1, 2, 3, 4, 10, 11, 12, 13, 14}
    assert torch.equal(augmented(images, rng, 0, flip=False), images)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epochs", "0"], "--epochs must be at least 1, not 0"),
        (["--batch-size", "1"], "--batch-size must be at least 2, not 1"),
        (["--lr", "0"], "--lr must be between 0 and 1, not 0"),
        (["--out", "x.npz"], "--out must end in .safetensors, not 'x.npz'"),
        (["--source", "sine"], "'sine' must be a source with labels"),
    ],
)
def test_flags_that_cannot_work_are_refused(words, message, capsys):
    with pytest.raises((InputError, SystemExit)) as refused:
        main(["--out", "x.safetensors", *words])
    assert message in f"{refused.value} {capsys.readouterr().err}"


def test_help_does_not_import_torch():
    code = (
        "import runpy, sys\nsys.argv = ['x', '--help']\n"
        f"try:\n    runpy.run_module({MODULE!r}, run_name='__main__')\n"
        "finally:\n    print('torch' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (0, "False")
    assert "usage: python -m atarigan.evaluation.features.train_extractor" in done.stdout
