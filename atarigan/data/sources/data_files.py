"""Find the files of published data sets: in --data, in $ATARIGAN_DATA, or by download."""

import contextlib
import gzip
import os
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from atarigan.errors import InputError, one_line
from atarigan.files.untrusted_paths import confined

DATA_VARIABLE = "ATARIGAN_DATA"
_BYTES_PER_PACKED_BYTE = 1032  # the largest expansion by deflate
Split = Literal["train", "test"]


@dataclass(frozen=True)
class PublishedFile:
    """A file of a data set as its authors published it, with its MD5 checksum in hexadecimal."""

    name: str
    url: str
    md5: str


def find_files(data_set: str, pattern: str, data: str | None) -> list[Path]:
    """Find the local files of a data set, sorted by name.

    The list is empty only where `data` is None: then the published files are to be downloaded.
    Warns if $ATARIGAN_DATA is set and has none.

    Args:
        data_set: name of the folder in $ATARIGAN_DATA: "mnist".
        pattern: file name with wildcards. Gzipped files, with .gz at the end, are found too.
        data: folder to search instead.

    Raises:
        InputError: `data` or $ATARIGAN_DATA is not a folder, `data` has no such file, or a file is
            a link that leads out of it.
    """
    if data is not None:
        folder = named_folder(data, "--data")
    elif os.environ.get(DATA_VARIABLE):
        folder = named_folder(os.environ[DATA_VARIABLE], f"${DATA_VARIABLE}") / data_set
    else:
        return []
    found = (*folder.glob(pattern), *folder.glob(pattern + ".gz"))
    if not found and data is not None:
        raise InputError(f"--data {data} must hold {pattern} of {data_set}, and has no such file")
    if not found:
        warnings.warn(
            f"{folder} has no {pattern}: the published file is taken from the cache or downloaded",
            stacklevel=2,
        )
    return sorted(confined(path, folder) for path in found)


def named_folder(data: str, flag: str) -> Path:
    """Return the folder that a flag names. Raises InputError if it is missing or no folder."""
    folder = Path(data)
    if not folder.exists():
        raise InputError(f"{flag} {data} does not exist")
    if not folder.is_dir():
        raise InputError(f"{flag} {data} must be a folder")
    return folder


def most_bytes(path: Path) -> int:
    """Return an upper bound on the unpacked size of a file, from its size on disk.

    Raises:
        InputError: the file does not exist.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    return size * _BYTES_PER_PACKED_BYTE if path.suffix == ".gz" else size


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading; unpack it on the fly if its name ends in .gz.

    Raises:
        InputError: the file does not exist, or turns out to be a damaged gzip file while it is
            read.
    """
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is not a whole gzip file: {error}") from None


def download(file: PublishedFile, data_set: str) -> Path:
    """Download a file to the user's cache unless it is there; verify its checksum; return its path.

    Raises:
        InputError: the download failed or the checksum differs. The message says where to put the
            file instead.
    """
    import pooch

    try:
        path = pooch.retrieve(
            url=file.url,
            known_hash=f"md5:{file.md5}",
            fname=file.name,
            path=pooch.os_cache("atarigan") / data_set,
            progressbar=False,
        )
    except (OSError, ValueError) as error:
        reason = one_line(error)
        raise InputError(
            f"{file.name} is not in ${DATA_VARIABLE}/{data_set} and could not be downloaded from "
            f"{file.url} ({reason}): put it in a folder and name that with --data"
        ) from None
    return Path(path)
