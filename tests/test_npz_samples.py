"""Samples from elsewhere: read where they are what they must be, refused in one line otherwise."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan.errors import InputError
from atarigan.files.npz_samples import read_samples


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.npz"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "samples",
    [
        np.arange(120, dtype=np.uint8).reshape(2, 5, 4, 3),
        np.asfortranarray(np.arange(40, dtype=np.uint8).reshape(2, 5, 4, 1)),
        np.arange(6, dtype=np.float64).reshape(3, 2),
    ],
)
def test_what_is_saved_is_read(path: Path, save: Any, samples: np.ndarray) -> None:
    save(path, anything=samples)
    found = read_samples(path)
    assert found.dtype == samples.dtype
    assert np.array_equal(found, samples)


def test_gray_frames_may_lack_their_channel(path: Path) -> None:
    np.savez(path, np.ones((2, 5, 4), np.uint8))
    assert read_samples(path).shape == (2, 5, 4, 1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "must hold 1 array, not 0"),
        ({"a": np.zeros(3), "b": np.zeros(3)}, "must hold 1 array, not 2: a, b"),
        ({"a": np.zeros((4, 5, 5, 1))}, r"not float64 \(4, 5, 5, 1\)"),
        ({"a": np.zeros((4, 5, 5, 2), np.uint8)}, r"not uint8 \(4, 5, 5, 2\)"),
        ({"a": np.zeros((4, 3))}, r"not float64 \(4, 3\)"),
        ({"a": np.zeros((0, 5, 4, 1), np.uint8)}, r"not uint8 \(0, 5, 4, 1\)"),
        ({"a": np.full((4, 2), np.nan)}, "must hold finite numbers"),
        ({"a": np.array([{}], object)}, "not a readable .npz"),
    ],
)
def test_other_arrays_are_refused(path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=message):
        read_samples(path)


def archive_of(member: bytes, name: str = "frames.npy", packing: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packing) as archive:
        archive.writestr(name, member)
    return content.getvalue()


def array_file(shape: tuple[int, ...], content: bytes) -> bytes:
    file = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + content


class RunsCode:
    def __reduce__(self) -> Any:
        return (print, ("code from a file ran",))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        archive_of(b"no array"),
        archive_of(b""),
        archive_of(array_file((10**12, 1, 1, 1), b"1234")),
        archive_of(array_file((2, 5, 4, 1), b"\0" * 39)),
        archive_of(array_file((2, 5, 4, 1), b"\0" * 41)),
        archive_of(array_file((-1, 5, 4, 1), b"\0" * 40)),
        archive_of(array_file((2, 5, 4, 1), b"\0" * 40), packing=zipfile.ZIP_BZIP2),
        archive_of(array_file((2, 5, 4, 1), b"\0" * 40)).replace(b"\0" * 40, b"\1" * 40),
        archive_of(pickle.dumps(RunsCode())),
        archive_of(
            array_file((1, 1, 1, 1), b"").replace(b"|u1'", b"|O' ") + pickle.dumps(RunsCode())
        ),
        pickle.dumps(RunsCode()),
    ],
)
def test_damaged_and_malicious_files_are_refused_in_one_line(
    path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"samples\.npz is not a readable \.npz: ") as error:
        read_samples(path)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_missing_file_is_named(path: Path) -> None:
    with pytest.raises(InputError, match="samples.npz does not exist"):
        read_samples(path)
