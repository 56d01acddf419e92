"""FrameBuffer: a replay buffer on disk with many writers and many readers."""

import dataclasses
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from atarigan.config.condition import RAM
from atarigan.config.machine import package_versions
from atarigan.data.buffer.column_readers import column_reader
from atarigan.data.buffer.free_folder import check_free, in_use
from atarigan.data.buffer.meta import BufferMeta, Origin, stored_format
from atarigan.data.buffer.ring import Ring, add_ring, claim_ring, ring_folders
from atarigan.data.buffer.sampling import (
    ColumnReader,
    Rows,
    Transitions,
    concatenate_transitions,
    num_behind,
    sample_rings,
    take_stacks,
    take_transitions,
)
from atarigan.data.buffer.writer import BufferWriter
from atarigan.data.states import State, StateSpec
from atarigan.errors import InputError
from atarigan.files import atomic, typed_json
from atarigan.files.untrusted_paths import confined, refuse_links_outside
from atarigan.images.pixels import FrameFormat, Frames

Seed = int | np.random.Generator | None
_T = TypeVar("_T")


class WriterSteps(NamedTuple):
    """Steps in a writer's folder: how many can be read, and how many were ever committed."""

    folder: Path
    length: int
    num_committed: int


class FrameBuffer:
    """Steps of environments on disk: frame, action, reward, termination, truncation, state.

    ```
    data/breakout/
      meta.json         what is stored, and where it comes from
      writer-000/       a ring of steps for each writer (see atarigan.data.buffer.ring)
    ```

    Each writer has its own folder, so that many processes and machines can write at the same time.
    Readers see all of them. If a writer is killed, all steps that it committed remain. `len` is the
    number of steps that can be read. A state is RAM, the console's 128 bytes, or a vector.

    The path is made absolute, so the process may change its folder. A pickle or a copy of a buffer
    holds only the path, and opens it anew.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from atarigan import FrameBuffer
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = f"{folder.name}/toy"
        >>> with FrameBuffer.create(path, capacity=100, frame_shape=(84, 84, 1)) as buffer:
        ...     for step in range(10):
        ...         frame = np.full((84, 84, 1), step, np.uint8)
        ...         buffer.add(frame, action=step % 4, reward=1.0, terminated=step == 9)
        >>> buffer = FrameBuffer.open(path)
        >>> len(buffer)
        10
        >>> buffer.sample(32, seed=0).shape
        (32, 84, 84, 1)
        >>> buffer.sample_transitions(8, num_stack=4, seed=0).next_frames.shape
        (8, 4, 84, 84, 1)
        >>> folder.cleanup()
    """

    def __init__(self, path: Path, meta: BufferMeta) -> None:
        self.path = path.absolute()
        self.meta = meta
        self._rings: dict[str, Ring] = {}
        self._writers: list[BufferWriter] = []
        self._own_writer: BufferWriter | None = None
        self.refresh()

    @classmethod
    def create(
        cls,
        path: str | Path,
        capacity: int,
        frame_shape: tuple[int, int, int],
        *,
        frame_format: FrameFormat | None = None,
        num_writers: int = 1,
        action_dtype: Any = "int64",
        action_shape: tuple[int, ...] = (),
        state: StateSpec | None = None,
        ram_size: int = 0,
        stores_frames: bool = True,
        origin: Origin | None = None,
    ) -> Self:
        """Create an empty buffer.

        Args:
            path: a folder that does not exist yet or is empty.
            capacity: steps to keep in total.
            frame_shape: (H, W, C) of a frame, C 1 or 3.
            frame_format: meaning of the bytes; None means gray for C = 1 and RGB for C = 3.
            num_writers: number of writers to expect; each keeps ceil(capacity / num_writers) steps.
            action_dtype: "int64" or "float32".
            action_shape: shape of an action; () for discrete actions.
            state: what is stored as the state of each step; None stores none.
            ram_size: in its place, bytes of RAM in each step; 0 stores none.
            stores_frames: false stores states without frames; `GeneratedReplay` generates frames
                from them.
            origin: where the frames come from.

        Raises:
            InputError: the folder is not empty or lies in a buffer, or a size is out of range.
        """
        path = Path(path)
        check_free(path)
        for name, number in (("capacity", capacity), ("num_writers", num_writers)):
            if not isinstance(number, int | np.integer) or number < 1:
                raise InputError(f"{name} must be an integer of at least 1, not {number!r}")
        capacity, num_writers = int(capacity), int(num_writers)
        meta = BufferMeta(
            frame_format=stored_format(frame_shape, frame_format),
            capacity=-(-capacity // num_writers),
            action_dtype=np.dtype(action_dtype).name,
            action_shape=action_shape,
            state=StateSpec.of(RAM, ram_size) if ram_size else state,
            stores_frames=stores_frames,
            origin=origin or Origin(),
            versions=package_versions(),
        )
        try:
            with atomic.first_file(path / "meta.json") as temporary:
                typed_json.write_json(temporary, meta)
        except FileExistsError:  # another process has just created it
            raise in_use(path) from None
        return cls(path, meta)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an existing buffer, for reading and writing.

        Raises:
            InputError: the folder holds no buffer, a damaged one, or another format version.
        """
        path = Path(path)
        if not path.exists():
            raise InputError(f"{path} does not exist: name the folder of a buffer")
        if not (path / "meta.json").is_file():
            raise InputError(f"{path} is not a frame buffer: it has no meta.json")
        return cls(path, BufferMeta.read(confined(path / "meta.json", path)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).open, (self.path,)

    def set_origin(self, origin: Origin) -> None:
        """Write where the frames will come from into an empty buffer's metadata.

        Raises:
            InputError: the buffer holds steps, whose origin does not change.
        """
        self.refresh()
        if self.num_collected:
            raise InputError(f"{self.path} must be empty, not of {self.num_collected} steps")
        self.meta = dataclasses.replace(self.meta, origin=origin)
        with atomic.shared_file(self.path / "meta.json") as temporary:
            typed_json.write_json(temporary, self.meta)

    def refresh(self) -> None:
        """Find writers that were added since the buffer was opened."""
        for folder in ring_folders(self.path):
            if folder.name not in self._rings:
                self._rings[folder.name] = Ring(folder, self.meta.columns, self.meta.capacity)
        self._rings = dict(sorted(self._rings.items()))

    def grow(self, capacity: int) -> None:
        """Create rings until the buffer keeps at least `capacity` steps. It never shrinks.

        Raises:
            InputError: the buffer has more rings than this capacity needs.
            OSError: the disk is full or not writable.
        """
        refuse_links_outside(self.path)
        num_rings = -(-capacity // self.meta.capacity)
        if num_rings < len(self._rings):
            raise InputError(
                f"capacity must be at least {self.capacity} steps, which {self.path} keeps, "
                f"not {capacity}: a buffer can only grow"
            )
        for _ in range(num_rings - len(self._rings)):
            add_ring(self.path, self.meta.columns, self.meta.capacity)
        self.refresh()

    def new_writer(
        self,
        name: str | None = None,
        reserved: Collection[str] = (),
        *,
        needs_room: bool = False,
    ) -> BufferWriter:
        """Claim a ring, or create one, and return its writer.

        Args:
            name: folder of the ring to try before the others; None means the first that nobody is
                writing, or a new one.
            reserved: folders of rings not to claim.
            needs_room: leave out full rings, whose oldest steps would be overwritten.

        Raises:
            InputError: a ring is damaged, or a link in the buffer's folder leads out of it.
            OSError: the disk is full or not writable.
        """
        refuse_links_outside(self.path)
        ring = claim_ring(
            self.path, self.meta.columns, self.meta.capacity, name, reserved, needs_room
        )
        self._rings[ring.folder.name] = ring
        self.refresh()
        writer = BufferWriter(ring)
        self._writers.append(writer)
        return writer

    def add(
        self,
        frame: Frames | None,
        action: Any = 0,
        reward: float = 0.0,
        terminated: bool = False,
        truncated: bool = False,
        state: State | None = None,
        *,
        ram: State | None = None,
    ) -> None:
        """Store one step with this object's own writer; see `BufferWriter.add`."""
        if self._own_writer is None:
            self._own_writer = self.new_writer()
        self._own_writer.add(frame, action, reward, terminated, truncated, state, ram=ram)

    def save(self) -> None:
        """Flush all written steps to the disk.

        This protects them from a crash of the machine. A crash of the process loses nothing anyway.
        """
        for ring in self._rings.values():
            ring.flush()

    def close(self) -> None:
        """Close all writers of this object. Reading still works."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        self._own_writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return sum(len(ring) for ring in self._rings.values())

    @property
    def capacity(self) -> int:
        """Number of steps that all rings together keep."""
        return self.meta.capacity * max(1, len(self._rings))

    @property
    def num_collected(self) -> int:
        """Number of steps ever committed, including overwritten ones."""
        return sum(ring.num_committed for ring in self._rings.values())

    @property
    def num_writers(self) -> int:
        return len(self._rings)

    @property
    def writer_lengths(self) -> list[int]:
        """Number of readable steps of each writer, in the order of `values_at`."""
        return [each.length for each in self.writers]

    @property
    def writers(self) -> list[WriterSteps]:
        """What each writer's folder holds, in the order of `values_at`."""
        return [
            WriterSteps(ring.folder, len(ring), ring.num_committed) for ring in self._rings.values()
        ]

    def sample(self, batch_size: int, seed: Seed = None, column: str = "frames") -> Frames:
        """Draw frames, or another column, uniformly with replacement.

        Returns:
            uint8 (B, H, W, C), grouped by writer.

        Raises:
            InputError: the buffer is empty, or has no such column.
        """
        parts = self._sample(batch_size, seed, self._reader(column))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def sample_stacks(
        self, batch_size: int, num_stack: int, seed: Seed = None, column: str = "frames"
    ) -> Frames:
        """Draw stacks of consecutive frames, or of another column, uniformly.

        At the beginning of an episode, its first frame is repeated.

        Returns:
            uint8 (B, K, H, W, C), oldest frame first, grouped by writer.

        Raises:
            InputError: the buffer is empty or has no such column, or `num_stack` is below 1.
        """
        behind = num_behind(num_stack)
        gather = partial(take_stacks, num_stack=num_stack, read=self._reader(column))
        return np.concatenate(self._sample(batch_size, seed, gather, num_behind=behind))

    def sample_transitions(
        self, batch_size: int, num_stack: int = 1, seed: Seed = None, column: str = "frames"
    ) -> Transitions:
        """Draw transitions uniformly from all steps whose next step is known.

        With `column` "state" or "ram+action", stacks of states take the place of those of frames.

        Raises:
            InputError: there is no such step or column, or `num_stack` is below 1.
        """
        behind = num_behind(num_stack)
        gather = partial(take_transitions, num_stack=num_stack, read=self._reader(column))
        parts = self._sample(batch_size, seed, gather, num_behind=behind, needs_next=True)
        return concatenate_transitions(parts)

    def values_at(self, column: str, indices: Rows) -> npt.NDArray[Any]:
        """Return the values of a column at numbered steps, (N, *row shape).

        Steps are numbered 0 … len - 1, writer by writer, oldest first. The numbers shift while a
        writer adds steps.

        Args:
            column: a name in `BufferMeta.columns`; "ram" is another name of "state", and
                "ram+action" is RAM with the action of the newest frame (`RamAndAction`).
            indices: int64 (N,).

        Raises:
            IndexError: a number out of range.
            InputError: the buffer has no such column.
        """
        read = self._reader(column)
        dtype, shape = read.column
        values = np.empty((len(indices), *shape), dtype)
        unread = np.ones(len(indices), bool)
        start = 0
        for ring in self._rings.values():
            oldest, length = ring.oldest, len(ring)
            here = (indices >= start) & (indices < start + length)
            if here.all():
                return read(ring, indices - start + oldest)
            values[here] = read(ring, indices[here] - start + oldest)
            unread &= ~here
            start += length
        if unread.any():
            raise IndexError(f"step {indices[unread][0]} is outside 0 … {start - 1} of {self.path}")
        return values

    def _reader(self, column: str) -> ColumnReader:
        return column_reader(self.meta, column, self.path)

    def _sample(
        self,
        batch_size: int,
        seed: Seed,
        gather: Callable[[Ring, Rows], _T],
        **draw: Any,
    ) -> list[_T]:
        """Draw rows of each ring and return the result of `gather` for each."""
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, not {batch_size}")
        if len(self) == 0:
            raise InputError(f"{self.path} is empty: it holds 0 steps to sample from")
        rings, rng = list(self._rings.values()), np.random.default_rng(seed)
        try:
            return sample_rings(rings, batch_size, rng, gather, **draw)
        except InputError as error:
            raise InputError(f"{self.path}, {len(self)} steps: {error}") from None
