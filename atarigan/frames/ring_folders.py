"""The rings of one buffer as folders: those that are there, and one for a new writer."""

import contextlib
import itertools
import shutil
import tempfile
from pathlib import Path

from atarigan.frames.ring import Column, Ring, RingInUseError


def ring_folders(path: Path) -> list[Path]:
    """The writers' folders, in order."""
    return sorted(path.glob("writer-*"))


def claim_ring(
    path: Path, columns: dict[str, Column], capacity: int, name: str | None = None
) -> Ring:
    """A ring to write: that of the name, or the first that nobody is writing, or a new one.

    Raises:
        InputError: a ring is damaged, or the named one is being written.
        OSError: the disk is full or may not be written.
    """
    if name is not None:
        return Ring(path / name, columns, capacity, writable=True)
    while True:
        for folder in ring_folders(path):
            with contextlib.suppress(RingInUseError):
                return Ring(folder, columns, capacity, writable=True)
        _make_ring(path, columns, capacity)  # which another process may lock before we do


def _make_ring(path: Path, columns: dict[str, Column], capacity: int) -> None:
    """Make a ring under a temporary name, then give it the next free number."""
    temporary = Path(tempfile.mkdtemp(prefix="new-", dir=path))
    try:
        Ring.create(temporary / "ring", columns, capacity)
        for number in itertools.count():
            if _moved(temporary / "ring", path / f"writer-{number:03d}"):
                return
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
