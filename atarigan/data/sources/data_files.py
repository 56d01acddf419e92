"""Where the files of published data sets are: beside the user, in $ATARIGAN_DATA, or downloaded and
verified.
"""

import contextlib
import gzip
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from atarigan.errors import InputError, one_line
from atarigan.files.untrusted_paths import confined

DATA_VARIABLE = "ATARIGAN_DATA"
_BYTES_PER_PACKED_BYTE = 1032  # the most that deflate makes of one
Split = Literal["train", "test"]


@dataclass(frozen=True)
class PublishedFile:
    """One file of a data set as its authors published it.

    Attributes:
        name: of the file.
        url: where it can be had.
        md5: of its bytes.
    """

    name: str
    url: str
    md5: str


def find_files(data_set: str, patterns: list[str], data: str | None) -> list[Path]:
    """Files of a data set that are at hand, in the order of their names; none is also an answer.

    Args:
        data_set: its folder's name in $ATARIGAN_DATA: "mnist".
        patterns: names with wildcards; a file may also be gzipped, with .gz behind its name.
        data: a folder of the user's to look in instead.

    Raises:
        InputError: `data` is no folder, or a file is a link that leads out of it.
    """
    if data is not None:
        folder = Path(data)
        if not folder.is_dir():
            raise InputError(f"--data {data} must be a folder that holds {' or '.join(patterns)}")
    elif DATA_VARIABLE in os.environ:
        folder = Path(os.environ[DATA_VARIABLE]) / data_set
    else:
        return []
    return sorted(
        confined(path, folder)
        for pattern in patterns
        for end in ("", ".gz")
        for path in folder.glob(pattern + end)
    )


def most_bytes(path: Path) -> int:
    """No file holds more than this, whatever its header says. Raises InputError where there is
    none.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    return size * _BYTES_PER_PACKED_BYTE if path.suffix == ".gz" else size


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file for reading, unpacked on the way where its name ends in .gz.

    Raises:
        InputError: it does not exist; also while it is read, where it is no whole gzip file.
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
    """The file in the user's cache, fetched if it is not there yet, its checksum verified.

    Raises:
        InputError: it cannot be fetched, or what came is something else; says where to put it.
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
