"""The rings of one buffer as folders: those that are there, and one for a new writer."""

import contextlib
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from atarigan.data.buffer.ring import Column, Ring, RingInUseError


def ring_folders(path: Path) -> list[Path]:
    """The writers' folders, in order."""
    return sorted(path.glob("writer-*"))


def claim_ring(
    path: Path,
    columns: dict[str, Column],
    capacity: int,
    name: str | None = None,
    besides: Collection[str] = (),
) -> Ring:
    """A ring to write: that of the name, or the first that nobody is writing and that is not among
    `besides`, or a new one.

    Raises:
        InputError: a ring is damaged, or the named one is being written.
        OSError: the disk is full or may not be written.
    """
    if name is not None:
        return Ring(path / name, columns, capacity, writable=True)
    own: list[Path] = []
    while True:
        for folder in [*own, *ring_folders(path)]:
            if folder.name in besides:
                continue
            with contextlib.suppress(RingInUseError):
                return Ring(folder, columns, capacity, writable=True)
        # Another process may lock it before we do. Its own is tried first by each, lest two that
        # make one at the same time take each other's and make a third.
        own = [_make_ring(path, columns, capacity)]


def _make_ring(path: Path, columns: dict[str, Column], capacity: int) -> Path:
    """Make a ring under a temporary name, then give it the next free number; its folder."""
    temporary = Path(tempfile.mkdtemp(prefix="new-", dir=path))
    try:
        Ring.create(temporary / "ring", columns, capacity)
        number = 0
        while not _moved(temporary / "ring", folder := path / f"writer-{number:03d}"):
            number += 1
        return folder
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _moved(folder: Path, destination: Path) -> bool:
    """Rename a folder; False where the name is taken."""
    try:
        folder.rename(destination)
    except OSError:
        if destination.exists():
            return False
        raise
    return True
