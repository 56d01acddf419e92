"""A lock that lets one process at a time write to a folder."""

from pathlib import Path
from typing import IO

from atarigan.errors import InputError

try:
    import fcntl
except (
    ImportError
):  # Windows has no advisory locks: the user must not start two writers of one folder
    fcntl = None  # type: ignore[assignment]


class InUseError(InputError):
    """Another process is writing to the folder."""


def take_lock(folder: Path) -> IO[bytes]:
    """Take a folder's lock, a file in it, until that is closed. The system releases it when the
    process ends or is killed.

    Raises:
        InUseError: another process has it.
        InputError: the folder is missing, or the file system has no locks.
    """
    path = folder / "lock"
    try:
        file = path.open("ab")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder} is missing") from None
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise InUseError(f"{folder} is being written by another process") from None
        except OSError as error:  # ENOLCK, ENOTSUP and others, by file system
            file.close()
            raise InputError(
                f"{path} must be on a file system with locks, which this one refuses "
                f"({(error.strerror or str(error)).lower()}): write to a local disk and "
                "copy it afterwards"
            ) from error
    return file
