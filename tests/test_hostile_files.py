"""Broken and hostile files in every way in: InputError in one line, and nothing else happens."""

import gzip
import json
import os
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from atarigan.config.recipes import parse_recipe
from atarigan.config.run_config import MAX_LAYERS
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources.data_files import opened
from atarigan.errors import InputError, shown
from atarigan.models.checkpoint import SUMS_FILE, load_training_state
from atarigan.models.frame_generator import FrameGenerator
from tests.fuzz import Watch, run_apart, verdict
from tests.mutations import spoiled
from tests.readers import READERS, read_generator


@pytest.fixture(scope="module")
def watch() -> Watch:
    """Made here and not on import, for it slows down all that the process does from then on."""
    return Watch()


@pytest.fixture(scope="module")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A valid specimen of what a reader reads, by the reader's name; do not change it."""
    made: dict[str, Path] = {}

    def specimen(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("specimen")
            READERS[name].write(made[name])
        return made[name]

    return specimen


@pytest.fixture
def copy_of(tmp_path: Path, specimens: Callable[[str], Path]) -> Callable[[str], Path]:
    """A specimen to spoil."""
    return lambda name: Path(shutil.copytree(specimens(name), tmp_path / "copy"))


@pytest.mark.parametrize("name", READERS)
def test_specimens_are_read(name: str, copy_of: Callable[[str], Path], watch: Watch) -> None:
    folder = copy_of(name)
    assert verdict(READERS[name].read, folder, watch) == "accepted"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
@hypothesis.settings(
    max_examples=30, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@given(rng=st.randoms(use_true_random=False))
def test_spoiled_files_are_read_or_refused(
    name: str, rng: Random, tmp_path: Path, specimens: Callable[[str], Path], watch: Watch
) -> None:
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(specimens(name), folder)
    each = rng.choice(READERS[name].names)
    (folder / each).write_bytes(spoiled(each, (folder / each).read_bytes(), rng))
    assert verdict(READERS[name].read, folder, watch) in ("accepted", "refused")


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_spoiled_files_in_little_memory(name: str) -> None:
    accepted, refused, defective, said = run_apart(name, num=500, seed=1)
    assert (accepted + refused, defective) == (500, 0), said


class RunsCode:
    """Unpickling it leaves a file behind."""

    def __init__(self, evidence: Path) -> None:
        self.evidence = evidence

    def __reduce__(self) -> Any:
        return (open, (str(self.evidence), "w"))


@pytest.mark.parametrize(
    ("name", "file"), [(name, file) for name, reader in READERS.items() for file in reader.names]
)
@pytest.mark.filterwarnings("ignore")
def test_no_pickle_runs_wherever_it_is_put(
    name: str, file: str, tmp_path: Path, copy_of: Callable[[str], Path], watch: Watch
) -> None:
    """As a file of its own, as a member of an archive, and behind the header of an object array."""
    folder, evidence = copy_of(name), tmp_path / "ran"
    payload = pickle.dumps(RunsCode(evidence), protocol=2)
    header = np.lib.format.magic(1, 0) + struct.pack("<H", 56)
    header += b"{'descr': '|O', 'fortran_order': False, 'shape': ()}   \n"
    torch.save({"x": RunsCode(evidence)}, tmp_path / "saved.pt")
    with zipfile.ZipFile(tmp_path / "packed.npz", "w") as archive:
        archive.writestr("frames.npy", header + payload)
    packed = [(tmp_path / each).read_bytes() for each in ("saved.pt", "packed.npz")]
    for content in (payload, header + payload, *packed):
        is_gzipped = file.endswith(".gz")
        (folder / file).write_bytes(gzip.compress(content) if is_gzipped else content)
        assert verdict(READERS[name].read, folder, watch) in ("accepted", "refused")
        assert not evidence.exists()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("../secret")])
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("IDX", "train-images-idx3-ubyte"),
        ("CIFAR records", "data_batch_1.bin"),
        ("image folder", "image.png"),
        ("buffer meta.json", "meta.json"),
        ("buffer arrays", "writer-000/frames.npy"),
        ("generator", "run/generator.safetensors"),
        ("training state", "run/training_state.pt"),
        ("training state", "run/SHA256SUMS"),
    ],
)
def test_nothing_is_read_through_links_and_pipes(
    name: str, file: str, make: Callable[[Path], None], copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of(name)
    (folder / file).rename(folder.parent / "secret")
    make(folder / file)
    with pytest.raises(InputError):
        READERS[name].read(folder)


def test_nothing_is_written_through_links(copy_of: Callable[[str], Path]) -> None:
    folder = copy_of("buffer arrays")
    outside = folder.parent / "outside"
    (folder / "writer-000" / "lock").unlink()
    (folder / "writer-000" / "lock").symlink_to(outside)
    with pytest.raises(InputError, match="lock must lie in"):
        FrameBuffer.open(folder).new_writer()
    assert not outside.exists()


def test_a_small_idx_file_takes_no_gibibyte(tmp_path: Path) -> None:
    """What is asked of the file is what it can hold, however much its header speaks of."""
    header = bytes([0, 0, 8, 3, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0])
    asked = []
    for name, content in (("plain", header), ("packed.gz", gzip.compress(header))):
        (tmp_path / name).write_bytes(content)
        from atarigan.data.sources import labeled_images

        class Counting:
            def __init__(self, file: Any) -> None:
                self.file = file

            def read(self, num: int) -> bytes:
                asked.append(num)
                return self.file.read(num)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(labeled_images, "opened", lambda path: _counted(path, Counting))
            with pytest.raises(InputError, match=r"must hold 1,073,741,824 bytes .*, not 0"):
                labeled_images.read_idx(tmp_path / name, 3)
    assert max(asked) < 50_000


def _counted(path: Path, wrapper: Callable[[Any], Any]) -> Any:
    import contextlib

    @contextlib.contextmanager
    def opening() -> Any:
        with opened(path) as file:
            yield wrapper(file)

    return opening()


def png(height: int, width: int) -> bytes:
    """A black image, one bit a pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" * (1 + -(-width // 8))) * height, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(8192, 8193), "at most 67,108,864 pixels"),
        (
            png(64, 64).replace(struct.pack(">I", 64), struct.pack(">I", 2000)),
            "not an image|a byte",
        ),
    ],
)
def test_a_small_image_takes_no_gibibyte(tmp_path: Path, content: bytes, message: str) -> None:
    from atarigan.data.sources.image_file import ImageReader

    (tmp_path / "image.png").write_bytes(content)
    with pytest.raises(InputError, match=message):
        ImageReader().read(tmp_path / "image.png")


@pytest.mark.parametrize(
    "changes",
    [
        {"generator_width": 10**9},
        {"generator_width": 1 << 40},
        {"generator_width": 10**30},
        {"latent_size": 1 << 40},
        {"network": "autoencoder", "latent_size": 1 << 30},
        {"network": "no such\nnetwork" * 1000},
        {"generator_layers": [1] * (MAX_LAYERS + 1)},
    ],
)
def test_a_small_checkpoint_takes_no_gibibyte(
    changes: dict[str, Any], copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of("generator")
    config = folder / "run" / "config.json"
    model = json.loads(config.read_text())
    model["run"] |= changes
    config.write_text(json.dumps(model))
    with pytest.raises(InputError) as error:
        read_generator(folder)
    assert len(str(error.value)) < 1000
    assert "\n" not in str(error.value)


def test_a_checkpoint_of_other_sizes_than_its_format_is_refused(
    copy_of: Callable[[str], Path],
) -> None:
    folder = copy_of("generator")
    config = folder / "run" / "config.json"
    model = json.loads(config.read_text())
    model["sample"]["frame_format"]["height"] = 9
    config.write_text(json.dumps(model))
    (folder / "run" / SUMS_FILE).unlink()
    with pytest.raises(InputError, match=r"must have the shape \(1, 9, 8\), not \(1, 8, 8\)"):
        FrameGenerator.load(folder / "run")


@pytest.mark.parametrize("text", ["seed = " + "[" * 5000, "seed = " + "9" * 5000, "seed"])
def test_a_recipe_that_is_no_toml_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="recipe is not valid TOML: "):
        parse_recipe(text, "recipe")


def test_a_packed_training_state_is_refused_before_it_is_unpacked(
    copy_of: Callable[[str], Path],
) -> None:
    path = copy_of("training state") / "run" / "training_state.pt"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("bomb", b"\0" * (1 << 22))
    with pytest.raises(InputError, match=r"must unpack to at most its [\d,]+ bytes, not 4,"):
        load_training_state(path.parent)


@pytest.mark.parametrize(
    "changes",
    [{"num_threads": 10**9}, {"num_images": -5}, {"elapsed_s": float("nan")}, {"num_steps": "x"}],
)
def test_a_training_state_of_odd_numbers_is_refused(
    changes: dict[str, Any], copy_of: Callable[[str], Path]
) -> None:
    folder = copy_of("training state")
    path = folder / "run" / "training_state.pt"
    torch.save(torch.load(path, weights_only=True) | changes, path)
    with pytest.raises(InputError, match="does not fit this configuration"):
        READERS["training state"].read(folder)


def test_a_training_state_that_is_one_tensor_is_refused_on_one_line(
    copy_of: Callable[[str], Path],
) -> None:
    path = copy_of("training state") / "run" / "training_state.pt"
    torch.save(torch.zeros(3, 3), path)
    with pytest.raises(InputError, match=r"must hold a table of tensors and values, not a Tensor$"):
        load_training_state(path.parent)


def test_a_value_is_shown_on_one_line() -> None:
    assert shown(torch.zeros(2, 2)) == "tensor([[0., 0.], [0., 0.]])"
