"""What is read of stored steps: a column, or RAM with the action that led to it."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.config.condition import RAM, RAM_AND_ACTION
from atarigan.data.buffer.meta import STATE_COLUMNS, BufferMeta
from atarigan.data.buffer.ring import Column, Ring
from atarigan.data.buffer.sampling import ColumnReader, Rows, episode_ends, take
from atarigan.data.joysticks import ACTION_NAMES, Bytes, Joysticks, with_joysticks
from atarigan.data.states import State
from atarigan.errors import InputError


class StoredColumn:
    """Reads a column as it is stored.

    Args:
        meta: of the buffer.
        name: a name in `BufferMeta.columns`.
    """

    def __init__(self, meta: BufferMeta, name: str) -> None:
        self.column = meta.columns[name]
        self._name = name

    def __call__(self, ring: Ring, rows: Rows) -> npt.NDArray[Any]:
        return take(ring, self._name, rows)


class RamAndAction:
    """Reads states of the kind "ram+action": RAM, and the joystick of the newest emulator frame as
    a byte (`joysticks`), uint8 (..., bytes + 1).

    That is the action of the step before; the one before that where it persisted in all frames of
    the step; and 0 in an episode's first state, and where the step before is overwritten.

    Args:
        meta: of a buffer that `has_action_names`.
    """

    def __init__(self, meta: BufferMeta) -> None:
        self.column: Column = ("uint8", (meta.ram_size + 1,))
        self._ram = StoredColumn(meta, str(meta.state_column))
        self._joysticks = Joysticks(meta.origin.action_meanings)
        self._frame_skip = meta.origin.frame_skip

    def __call__(self, ring: Ring, rows: Rows) -> State:
        return with_joysticks(self._ram(ring, rows), self._joysticks_at(ring, rows))

    def _joysticks_at(self, ring: Ring, rows: Rows) -> Bytes:
        found = np.zeros(rows.shape, np.uint8)
        before, is_missing = rows - 1, np.ones(rows.shape, np.bool_)
        while is_missing.any():
            is_missing &= (before >= ring.oldest) & ~episode_ends(ring, before)
            has_persisted = np.zeros(rows.shape, np.bool_)
            if "persisted" in ring.columns and self._frame_skip > 0:
                has_persisted = take(ring, "persisted", before) >= self._frame_skip
            is_played = is_missing & ~has_persisted
            found[is_played] = self._joysticks.of(take(ring, "actions", before)[is_played])
            is_missing &= has_persisted
            before = before - 1
        return found


def column_reader(meta: BufferMeta, column: str, path: Path) -> ColumnReader:
    """Return what reads a column, or RAM and the action for "ram+action". "ram" is another name of
    the column "state".

    Raises:
        InputError: the buffer at `path` does not store it.
    """
    if column == RAM_AND_ACTION:
        if not meta.has_action_names:
            raise InputError(f"{path} must store RAM and {ACTION_NAMES} for {column}")
        return RamAndAction(meta)
    stored = (meta.state_column or column) if column in STATE_COLUMNS else column
    if stored not in meta.columns or (column == RAM and not meta.ram_size):
        raise InputError(f"{path} stores no {column}: {', '.join(meta.columns)}")
    return StoredColumn(meta, stored)
