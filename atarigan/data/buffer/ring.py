"""A writer's ring of steps: a folder of memory-mapped .npy files that survives a kill at any time.

```
writer-000/
  num_committed.npy  int64 (1,): number of steps ever committed
  frames.npy         uint8 (slots, H, W, C)
  actions.npy …      a file for each column, with a row for each step
```

A writer first fills a step's row, in a slot that no readable row uses, and then increments the
counter. So a reader may open the folder while it is written, and after its writer was killed.
"""

import contextlib
import errno
import math
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.files import atomic
from atarigan.files.untrusted_paths import confined
from atarigan.files.writer_lock import InUseError, take_lock
from atarigan.images.pixels import Frames

Column = tuple[str, tuple[int, ...]]  # dtype name, shape of one row
_STEM = "writer"
_ALLOCATION_BYTES = 1 << 23
_LARGE_FRAME_BYTES = 1 << 14
_MAGIC = b"\x93NUMPY\x01\x00"
_DTYPE_NAMES = {np.dtype(code).str: np.dtype(code).name for code in "?bBhHiIlLefdO"}
_HEADER = re.compile(
    r"\{'descr': '(?P<dtype>[^']*)', 'fortran_order': (?P<is_fortran>True|False), "
    r"'shape': \((?P<shape>(\d{1,18}, ?)*(\d{1,18})?)\), \} *\n"
)


class Ring:
    """A ring of rows, with a file for each column.

    Row n, counted from the first ever, is in slot n % num_slots. The newest `capacity` committed
    rows can be read. One more slot holds the row that is being filled.

    Args:
        folder: folder of the column files.
        columns: column name to (dtype, row shape).
        capacity: rows to keep, at least 1.
        writable: take the folder's writer lock, and map the files for writing.

    Raises:
        InputError: a column file is missing, damaged or of another shape, or another process holds
            the lock.
    """

    def __init__(
        self, folder: Path, columns: dict[str, Column], capacity: int, *, writable: bool = False
    ) -> None:
        self.folder = folder
        self.capacity = capacity
        self.num_slots = capacity + 1
        self._allocated = 0
        self._lock = take_lock(folder) if writable else None
        try:
            self._maps = self._open_columns(columns, "r+" if writable else "r")
            self.columns = {name: np.asarray(self._maps[name]) for name in columns}
            self._counter = np.asarray(self._maps["num_committed"])
            if self.num_committed < 0:
                path = folder / "num_committed.npy"
                raise InputError(f"{path} must hold at least 0 steps, not {self.num_committed}")
            self._large_frame = self._open_large_frame() if writable else None
        except BaseException:
            if self._lock is not None:
                self._lock.close()
            raise

    @classmethod
    def create(cls, folder: Path, columns: dict[str, Column], capacity: int) -> None:
        """Create the folder and its files: sparse files of full size."""
        folder.mkdir()
        for name, (dtype, shape) in columns.items():
            _create_column(folder / f"{name}.npy", dtype, (capacity + 1, *shape))
        _create_column(folder / "num_committed.npy", "int64", (1,))
        (folder / "lock").touch()

    def __len__(self) -> int:
        """Return the number of rows that can be read."""
        return min(self.num_committed, self.capacity)

    @property
    def num_committed(self) -> int:
        """Number of rows ever committed, including overwritten ones."""
        return int(self._counter[0])

    @property
    def oldest(self) -> int:
        """Index of the oldest row that can be read."""
        return max(0, self.num_committed - self.capacity)

    @property
    def room(self) -> int:
        """Number of rows that can be added before the oldest is overwritten."""
        return max(0, self.capacity - self.num_committed)

    @property
    def is_writable(self) -> bool:
        """Whether this object holds the writer's lock."""
        return self._lock is not None

    def stage(self) -> int:
        """Return the slot of the next row.

        The caller fills `columns[name][slot]`, and `frame_at(slot)` for the frame, and then calls
        `commit`.

        Raises:
            OSError: the disk is full.
            RuntimeError: the ring was opened for reading, or is closed.
        """
        if not self.is_writable:
            raise RuntimeError(f"{self.folder} is not open for writing")
        slot = self.num_committed % self.num_slots
        if slot >= self._allocated:
            self._allocate(slot)
        return slot

    def frame_at(self, slot: int) -> Frames:
        """Return the array to write the staged row's frame to.

        It is a row of the map or, for large frames, a memory buffer that `commit` writes to the
        file.
        """
        frame: Frames = (
            self.columns["frames"][slot] if self._large_frame is None else self._large_frame[1]
        )
        return frame

    def commit(self) -> None:
        """Make the staged row visible to readers.

        Raises:
            OSError: the disk is full.
        """
        if self._large_frame is not None:
            file, frame = self._large_frame
            slot = self.num_committed % self.num_slots
            start = self._maps["frames"].offset + slot * frame.nbytes
            if os.pwrite(file.fileno(), frame.data, start) < frame.nbytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
        self._counter[0] += 1

    def extend(self, rows: Mapping[str, npt.NDArray[Any]]) -> None:
        """Commit rows, (N, *row shape) of each column. Readable rows stay whole meanwhile.

        Raises:
            OSError: the disk is full.
            RuntimeError: the ring was opened for reading, or is closed.
        """
        num, done = len(next(iter(rows.values()))), 0
        while done < num:
            slot = self.stage()
            num_now = min(num - done, self.room + 1, self.num_slots - slot)
            while self._allocated < slot + num_now:
                self._allocate(max(slot, self._allocated))
            for name, values in rows.items():
                self.columns[name][slot : slot + num_now] = values[done : done + num_now]
            self._counter[0] += num_now
            done += num_now

    def append_line(self, file_name: str, line: str) -> None:
        """Append a line to a text file in the ring's folder.

        Raises:
            OSError: the disk is full or not writable.
        """
        with (self.folder / file_name).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def flush(self) -> None:
        """Flush all columns to the disk, the counter last."""
        for column in self._maps.values():
            column.flush()

    def close(self) -> None:
        """Flush, and release the writer's lock."""
        if self._lock is not None:
            self.flush()
            if self._large_frame is not None:
                self._large_frame[0].close()
            self._lock.close()
            self._lock = None

    def _open_columns(
        self, columns: dict[str, Column], mode: Literal["r", "r+"]
    ) -> dict[str, "np.memmap[Any, Any]"]:
        rows = {name: (dtype, (self.num_slots, *shape)) for name, (dtype, shape) in columns.items()}
        files = rows | {"num_committed": ("int64", (1,))}
        return {
            name: _open_column(self.folder / f"{name}.npy", dtype, shape, mode)
            for name, (dtype, shape) in files.items()
        }

    def _open_large_frame(self) -> tuple[IO[bytes], Frames] | None:
        """Return the file of large frames and memory for one frame; None for small frames.

        For frames of several pages, a system call is faster than page faults of a memory map.
        """
        frames = self.columns.get("frames")
        if frames is None or frames[0].nbytes < _LARGE_FRAME_BYTES or not hasattr(os, "pwrite"):
            return None
        return (self.folder / "frames.npy").open("r+b", buffering=0), np.empty_like(frames[0])

    def _allocate(self, slot: int) -> None:
        """Allocate disk blocks ahead.

        On a full disk, writing to an unallocated part of a memory map would kill the process.
        """
        largest_row = max(column[0].nbytes for column in self.columns.values())
        num_rows = min(self.num_slots - slot, max(1, _ALLOCATION_BYTES // largest_row))
        if hasattr(os, "posix_fallocate"):
            for name, column in self.columns.items():
                start = self._maps[name].offset + slot * column[0].nbytes
                path = self.folder / f"{name}.npy"
                with path.open("r+b") as file, _naming(path):
                    os.posix_fallocate(file.fileno(), start, num_rows * column[0].nbytes)
        self._allocated = slot + num_rows


def ring_folders(buffer: Path) -> list[Path]:
    """Return the folders of a buffer's writers, in order."""
    return sorted(buffer.glob(f"{_STEM}-*"))


def ring_number(folder_name: str) -> int:
    """Return the number of a ring's folder: 7 of "writer-007". Other names give large numbers."""
    number = folder_name.rpartition("-")[2]
    return int(number) if number.isdecimal() else int.from_bytes(folder_name.encode(), "big")


def is_being_written(folder: Path) -> bool:
    """Return whether a writer holds the lock of a ring."""
    try:
        take_lock(folder).close()
    except InUseError:
        return True
    return False


def add_ring(buffer: Path, columns: dict[str, Column], capacity: int) -> Path:
    """Create a ring with the next free number; return its folder.

    Raises:
        OSError: the disk is full or not writable.
    """
    make = partial(Ring.create, columns=columns, capacity=capacity)
    return atomic.add_numbered_folder(buffer, _STEM, make)


def claim_ring(
    buffer: Path,
    columns: dict[str, Column],
    capacity: int,
    preferred: str | None = None,
    reserved: Collection[str] = (),
    needs_room: bool = False,
) -> Ring:
    """Open a ring for writing: the preferred one, the first that nobody is writing, or a new one.

    Args:
        buffer: folder of the buffer.
        columns: see `Ring`.
        capacity: rows to keep.
        preferred: folder of the ring to try first; None prefers none.
        reserved: folders of rings not to claim.
        needs_room: leave out full rings, whose oldest rows would be overwritten.

    Raises:
        InputError: a ring is damaged, or the file system has no locks.
        OSError: the disk is full or not writable.
    """
    first = [] if preferred is None else [buffer / preferred]
    while True:
        for folder in [*first, *ring_folders(buffer)]:
            if folder.name in reserved:
                continue
            with contextlib.suppress(InUseError):
                ring = Ring(folder, columns, capacity, writable=True)
                if ring.room or not needs_room:
                    return ring
                ring.close()
        # Another process may lock the new ring first. Each process tries its own ring before
        # others: two processes could otherwise swap their new rings and create a third.
        first = [add_ring(buffer, columns, capacity)]


def _create_column(path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if num_bytes > sys.maxsize:
        raise InputError(f"{path.name} must be at most {sys.maxsize} bytes, not {num_bytes}")
    try:
        with _naming(path):
            np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape).flush()
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise InputError(
            f"{path.name} must be small enough for the file system, not {num_bytes} bytes"
        ) from error


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Add the file name to a system error."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _open_column(
    path: Path, dtype: str, shape: tuple[int, ...], mode: Literal["r", "r+"]
) -> "np.memmap[Any, Any]":
    """Map a .npy file after checking its header and size.

    Reading past the end of a file that is too short would kill the process.
    """
    expected = f"{np.dtype(dtype)} {shape}"
    try:
        found, offset = _read_header(confined(path, path.parents[1]))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path} is missing from the buffer") from None
    if found != expected:
        raise InputError(f"{path} must be an array of {expected}, not {found}")
    size = offset + math.prod(shape) * np.dtype(dtype).itemsize
    if path.stat().st_size != size:
        raise InputError(f"{path} must be {size} bytes long, not {path.stat().st_size}")
    return np.memmap(path, dtype=dtype, mode=mode, offset=offset, shape=shape)


def _read_header(path: Path) -> tuple[str, int]:
    """Return the type of a .npy file, such as "uint8 (5, 84, 84, 1)", and the offset of its data.

    NumPy's reader is not used because it compiles the header as Python source: CPython 3.11 may
    raise SystemError when garbage collection interrupts one of two threads that compile.
    """
    with path.open("rb") as file:
        magic, size = file.read(len(_MAGIC)), int.from_bytes(file.read(2), "little")
        header = _HEADER.fullmatch(file.read(size).decode("latin-1"))
        if magic != _MAGIC or header is None:
            return "a file whose header cannot be read", 0
        shape = tuple(int(number) for number in re.findall(r"\d+", header["shape"]))
        order = " in Fortran order" * (header["is_fortran"] == "True")
        dtype = _DTYPE_NAMES.get(header["dtype"], header["dtype"])
        return f"{dtype} {shape}{order}", file.tell()
