"""Write samples to an .npz file, and read them from one, which may come from elsewhere."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError, one_line

_BYTES_PER_PACKED_BYTE = 1032  # the largest expansion by deflate
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def write_samples(path: Path, samples: npt.NDArray[Any], note: str = "") -> None:
    """Write samples as the only array of an .npz file, `frames` or `points`.

    Args:
        path: the file.
        samples: frames uint8 (N, H, W, C), or points float32 (N, 2).
        note: where they come from, at most 65,535 bytes. It is the comment of the zip archive, so
            that the file holds nothing but the array.
    """
    if samples.ndim == 2:
        np.savez_compressed(path, points=samples)
    else:
        np.savez_compressed(path, frames=samples)
    if note:
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = note.encode()


def note_of(path: Path) -> str:
    """Return the note of a file that `read_samples` reads; empty without one."""
    with zipfile.ZipFile(path) as archive:
        return archive.comment.decode(errors="replace")


def read_samples(path: Path) -> npt.NDArray[Any]:
    """Read the only array of an .npz file.

    Returns:
        frames uint8 (N, H, W, C), stacks of frames uint8 (N, K, H, W, C), or points float (N, 2).
        The file may hold gray frames as (N, H, W).

    Raises:
        InputError: the file cannot be read, holds several arrays, or an array that is not samples.
    """
    try:
        samples = _only_array(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except InputError:
        raise
    except Exception as error:  # zipfile and NumPy may raise anything on a damaged file
        reason = one_line(error)
        raise InputError(f"{path} is not a readable .npz: {reason}") from None
    if samples.dtype == np.uint8 and samples.ndim == 3:
        samples = samples[..., None]
    is_points = samples.ndim == 2 and samples.shape[1] == 2 and samples.dtype.kind == "f"
    is_frames = samples.ndim in (4, 5) and samples.shape[-1] in (1, 3) and samples.dtype == np.uint8
    if not (is_points or is_frames) or samples.size == 0:
        raise InputError(
            f"{path} must hold frames uint8 (N, H, W, C), stacks of them uint8 (N, K, H, W, C), or "
            f"points float (N, 2), not {samples.dtype} {samples.shape}"
        )
    if is_points and not np.isfinite(samples).all():
        raise InputError(f"{path} must hold finite numbers, not NaN or infinity")
    return samples


def _only_array(path: Path) -> npt.NDArray[Any]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1:
            names = ", ".join(member.filename.removesuffix(".npy") for member in members)[:200]
            raise InputError(f"{path} must hold 1 array, not {len(members)}: {names}")
        if members[0].compress_type not in _PACKINGS:
            raise ValueError("its compression is not one that NumPy uses")
        most_bytes = min(members[0].file_size, path.stat().st_size * _BYTES_PER_PACKED_BYTE)
        with archive.open(members[0]) as file:
            return _array_in(file, most_bytes)


def _array_in(file: Any, most_bytes: int) -> npt.NDArray[Any]:
    """Read the array of an .npy file after checking that its size fits into the file."""
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(file)]
    shape, is_fortran, dtype = read_header(file)
    num_bytes = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or not 0 <= num_bytes <= most_bytes:
        raise ValueError(
            f"{dtype} {shape} is not an array of numbers in at most {most_bytes:,} bytes"
        )
    content = bytearray(file.read(num_bytes))
    if file.read(1):  # reading to the end also verifies the checksum
        raise ValueError(f"more bytes follow its {dtype} {shape}")
    order: Any = "F" if is_fortran else "C"
    return np.frombuffer(content, dtype).reshape(shape, order=order)
