"""Write files and folders atomically: even if the writer is killed, readers see all or nothing.

They are written under a temporary name that begins with `PREFIX`, flushed to the disk and renamed.
Readers ignore such names, and the next writer replaces remains of a killed one.
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
    """Yield a temporary path to write a file to, then rename the file to `path`.

    Raises:
        OSError: the disk is full or not writable; an older file stays.
    """
    temporary = path.with_name(PREFIX + path.name)
    with _errors_named(path, temporary):
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        temporary.replace(path)


@contextlib.contextmanager
def first_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write a file to, then name the file `path` unless that exists.

    Of many processes that do this at the same time, one succeeds.

    Raises:
        FileExistsError: there is a file already; it stays.
        OSError: the disk is full or not writable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _own_temporary(path) as temporary:
        yield temporary
        _flush(temporary)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if path.exists():
                raise FileExistsError(path) from None
            temporary.replace(path)


@contextlib.contextmanager
def shared_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write a file to, then rename the file to `path`.

    Of many processes that do this at the same time, the last one's file stays.

    Raises:
        OSError: the disk is full or not writable; an older file stays.
    """
    with _own_temporary(path) as temporary:
        yield temporary
        _flush(temporary)
        temporary.replace(path)


@contextlib.contextmanager
def _own_temporary(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path` that no other process writes to."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=path.parent))
    try:
        yield folder / path.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder to write files into, then rename it to `path`. After an
    exception it is removed.

    Raises:
        OSError: the disk is full or not writable; an older folder stays.
    """
    temporary = path.with_name(PREFIX + path.name)
    shutil.rmtree(temporary, ignore_errors=True)
    with _errors_named(path, temporary):
        temporary.mkdir(parents=True)
        try:
            yield temporary
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        for each in (*temporary.iterdir(), temporary):
            _flush(each)
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
        _flush(path.parent)


def add_numbered_folder(parent: Path, stem: str, make: Callable[[Path], None]) -> Path:
    """Make a folder with the first free name of stem-000, stem-001, …; return its path.

    Many processes may do this in one parent folder at the same time.

    Args:
        parent: where to make the folder.
        stem: first part of its name.
        make: makes a folder at a path, and its files.

    Raises:
        OSError: the disk is full or not writable.
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
    """Rename a folder; return whether the name was free."""
    try:
        folder.rename(destination)
    except OSError:
        if destination.exists():
            return False
        raise
    return True


@contextlib.contextmanager
def _errors_named(path: Path, temporary: Path) -> Iterator[None]:
    """Let errors name a path, not the temporary one, which the user has never seen."""
    try:
        yield
    except OSError as error:
        if isinstance(error.filename, str) and Path(error.filename).is_relative_to(temporary):
            error.filename = str(path / Path(error.filename).relative_to(temporary))
        raise


def _flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
