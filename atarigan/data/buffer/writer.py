"""Write an environment's steps into a ring, in order."""

from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.ring import Ring
from atarigan.errors import InputError
from atarigan.images.pixels import Frames

_LARGEST_REWARD = float(np.finfo(np.float32).max)


class BufferWriter:
    """Writes one environment's steps, in order, into one ring of a buffer.

    A step is the frame that the agent acted on, what it did, and what came of it. The frame is
    known first, so it is staged; `commit` adds the rest:

        writer.stage()[:] = frame
        writer.commit(action, reward, terminated, truncated)

    Where a buffer stores no frames, `stage_ram` takes the place of `stage`. `add` does both. Rows
    that follow one another are steps that followed one another, except behind a row whose
    termination or truncation is set.
    """

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._columns = ring.columns
        self._slot: int | None = None
        self.end_episode()

    @property
    def folder_name(self) -> str:
        return self._ring.folder.name

    @property
    def num_committed(self) -> int:
        """Steps committed to this ring since its beginning, those written over included."""
        return self._ring.num_committed

    def stage(self, ram: npt.NDArray[np.uint8] | None = None) -> Frames:
        """Begin a step: the next frame's place, uint8 (H, W, C), for the caller to fill.

        A step staged before and not committed is dropped.

        Raises:
            InputError: the buffer stores no frames, or console memory is given and the buffer has
                none, or the other way round.
            OSError: the disk is full.
            RuntimeError: the writer is closed.
        """
        if "frames" not in self._columns:
            raise InputError(f"the buffer of {self._ring.folder} stores no frames to fill in")
        return self._ring.frame_at(self.stage_ram(ram))

    def stage_ram(self, ram: npt.NDArray[np.uint8] | None) -> int:
        """Begin a step as `stage` does, without its frame; returns its slot in the ring."""
        if (ram is not None) != ("ram" in self._columns):
            raise InputError(
                "ram must be given exactly when the buffer stores it: "
                f"given {ram is not None}, stored {'ram' in self._columns}"
            )
        slot = self._ring.stage()
        if ram is not None:
            self._columns["ram"][slot] = ram
        self._slot = slot
        return slot

    @property
    def is_staged(self) -> bool:
        return self._slot is not None

    def commit(
        self, action: Any, reward: float = 0.0, terminated: bool = False, truncated: bool = False
    ) -> None:
        """Complete the staged step.

        Raises:
            InputError: the reward is NaN, infinite, or beyond what a float32 holds.
            OSError: the disk is full.
            RuntimeError: no step is staged.
        """
        if self._slot is None:
            raise RuntimeError("commit needs a staged frame: call stage first")
        if not abs(reward) <= _LARGEST_REWARD:
            raise InputError(f"a reward must be a finite number of float32, not {reward}")
        columns, slot = self._columns, self._slot
        columns["actions"][slot] = action
        columns["rewards"][slot] = reward
        columns["terminations"][slot] = terminated
        columns["truncations"][slot] = truncated
        self._ring.commit()
        self._slot = None

    def add(
        self,
        frame: Frames | None,
        action: Any = 0,
        reward: float = 0.0,
        terminated: bool = False,
        truncated: bool = False,
        ram: npt.NDArray[np.uint8] | None = None,
    ) -> None:
        """Store one whole step; `frame` is uint8 (H, W, C), copied, or None where the buffer
        stores none.

        Raises:
            InputError: a frame of another shape or dtype, or a reward that is not finite.
            OSError: the disk is full.
            RuntimeError: the writer is closed.
        """
        if frame is None and "frames" not in self._columns:
            self.stage_ram(ram)
        else:
            self.stage(ram)[:] = self._checked(frame)
        self.commit(action, reward, terminated, truncated)

    def _checked(self, frame: Frames | None) -> Frames:
        column = self._columns.get("frames")
        expected = None if column is None else f"uint8 {column.shape[1:]}"
        found = None if frame is None else f"{frame.dtype} {frame.shape}"
        if frame is None or found != expected:
            raise InputError(f"frame must be {expected}, not {found}")
        return frame

    def end_episode(self) -> None:
        """Say that what follows does not continue what was written.

        A staged step is dropped, and the last committed one is marked truncated unless its episode
        has ended.
        """
        self._slot = None
        if self._ring.num_committed == 0:
            return
        last = (self._ring.num_committed - 1) % self._ring.num_slots
        if not self._columns["terminations"][last]:
            self._columns["truncations"][last] = True

    def close(self) -> None:
        """End the episode, flush to disk and free the ring for another writer.

        On a closed writer it does nothing.
        """
        if self._ring.is_writable:
            self.end_episode()
            self._ring.close()
