"""Files and folders that readers see whole or not at all, whenever the writer is killed.

They are written next to their place under a temporary name that begins with `PREFIX`, flushed to
the disk and renamed. Readers ignore such names, and the next writer replaces what a kill left.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

PREFIX = "new-"


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write a file to, and put the file in the place of `path`.

    Raises:
        OSError: the disk is full or may not be written; an older file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(PREFIX + path.name)
    yield temporary
    _flush(temporary)
    temporary.replace(path)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty temporary folder to write files into, and put it in the place of `path`.

    Raises:
        OSError: the disk is full or may not be written; an older folder stays.
    """
    temporary = path.with_name(PREFIX + path.name)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    for each in (*temporary.iterdir(), temporary):
        _flush(each)
    shutil.rmtree(path, ignore_errors=True)
    temporary.rename(path)
    _flush(path.parent)


def add_numbered_folder(parent: Path, stem: str, make: Callable[[Path], None]) -> Path:
    """Make a folder and give it the first free name of stem-000, stem-001, …; return its path.

    Many processes may do this in one parent folder at the same time.

    Args:
        make: makes a folder at a path, and its files.

    Raises:
        OSError: the disk is full or may not be written.
    """
    temporary = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        make(temporary / stem)
        number = 0
        while not _moved(temporary / stem, folder := parent / f"{stem}-{number:03d}"):
            number += 1
        return folder
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _moved(folder: Path, destination: Path) -> bool:
    """Rename a folder, and return whether the name was free."""
    try:
        folder.rename(destination)
    except OSError:
        if destination.exists():
            return False
        raise
    return True


def _flush(path: Path) -> None:
    """Ask the system to put a file or a folder's entries on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
