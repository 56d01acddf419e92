"""A buffer whose rings are on another machine, to which a worker sends its steps."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.meta import BufferMeta
from atarigan.data.buffer.ring import Column
from atarigan.data.buffer.writer import BufferWriter
from atarigan.images.pixels import Frames

MAX_ROWS = 256
MAX_BYTES = 1 << 23
_LONGEST_WAIT_S = 1.0
Rows = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ClaimedRing:
    """A ring that was claimed for a worker, on the machine that stores its steps."""

    folder: Path
    num_committed: int
    room: int


class Receiver(Protocol):
    """The machine that stores the steps of one worker. Its methods return before it is done, and
    raise the error of an earlier call.
    """

    def claim(self) -> ClaimedRing:
        """Claim a ring; waits for it."""

    def extend(self, rows: Rows) -> None:
        """Append rows to the ring."""

    def append_line(self, file_name: str, line: str) -> None:
        """Append a line to a text file in the ring's folder."""

    def release(self) -> None:
        """End the episode and release the ring; waits until all rows are stored."""


class StreamedBuffer:
    """What a worker needs of a buffer, with one writer at a time; see `FrameBuffer`."""

    def __init__(self, meta: BufferMeta, receiver: Receiver) -> None:
        self.meta = meta
        self._receiver = receiver
        self._writer: BufferWriter | None = None

    def new_writer(
        self, name: str | None = None, reserved: Collection[str] = (), *, needs_room: bool = False
    ) -> BufferWriter:
        """Return a writer for a ring that the receiver claims by the settings of the share."""
        claimed = self._receiver.claim()
        self._writer = BufferWriter(StreamedRing(claimed, self.meta.columns, self._receiver))
        return self._writer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()


class StreamedRing:
    """A ring of rows in memory, which are sent when `MAX_ROWS` or `MAX_BYTES` of them have come
    together, or a second after the last ones.

    A row that is committed here is stored, and counts, once the receiver has it.
    """

    def __init__(
        self,
        claimed: ClaimedRing,
        columns: dict[str, Column],
        receiver: Receiver,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = claimed.folder
        row_bytes = sum(np.zeros(shape, dtype).nbytes for dtype, shape in columns.values())
        self.num_slots = max(1, min(MAX_ROWS, MAX_BYTES // row_bytes))
        self.columns: Rows = {
            name: np.zeros((self.num_slots, *shape), dtype)
            for name, (dtype, shape) in columns.items()
        }
        self._last = claimed.num_committed + claimed.room
        self._num_committed = self._num_sent = claimed.num_committed
        self._receiver = receiver
        self._clock = clock
        self._sent_s = clock()
        self._is_open = True

    @property
    def num_committed(self) -> int:
        return self._num_committed

    @property
    def room(self) -> int:
        return max(0, self._last - self._num_committed)

    @property
    def is_writable(self) -> bool:
        return self._is_open

    def stage(self) -> int:
        """Return the slot of the next row. Sends those before it, if it is time."""
        num_waiting = self._num_committed - self._num_sent
        is_due = self._clock() - self._sent_s > _LONGEST_WAIT_S
        if num_waiting == self.num_slots or (num_waiting and is_due):
            self._send()
        return self._num_committed % self.num_slots

    def frame_at(self, slot: int) -> Frames:
        frame: Frames = self.columns["frames"][slot]
        return frame

    def commit(self) -> None:
        self._num_committed += 1

    def append_line(self, file_name: str, line: str) -> None:
        self._send()
        self._receiver.append_line(file_name, line)

    def close(self) -> None:
        """Send the last rows, and release the ring."""
        if self._is_open:
            self._is_open = False
            self._send()
            self._receiver.release()

    def _send(self) -> None:
        slots = np.arange(self._num_sent, self._num_committed) % self.num_slots
        if len(slots):
            self._receiver.extend({name: rows[slots] for name, rows in self.columns.items()})
        self._num_sent = self._num_committed
        self._sent_s = self._clock()
