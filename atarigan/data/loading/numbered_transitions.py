"""All transitions of a buffer by number, for whatever draws numbers itself."""

from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from atarigan.data.buffer.column_readers import StoredColumn
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.ring import Ring
from atarigan.data.buffer.sampling import (
    Rows,
    Transitions,
    num_behind,
    rows_with_next,
    take_transitions,
)
from atarigan.errors import InputError


class NumberedTransitions:
    """The transitions that `FrameBuffer.sample_transitions` may draw, with numbers 0 … len - 1.

    Those of steps that are stored now have numbers, which stay when a writer adds further steps.
    A pickle holds the numbers and the buffer's path, so that other processes map the same files.

    Args:
        buffer: a buffer, or its folder. States take the place of frames that it does not store.
        num_stack: frames in a stack, K, at least 1.

    Raises:
        InputError: the buffer has no transition, or `num_stack` is below 1.
    """

    def __init__(self, buffer: FrameBuffer | str | Path, num_stack: int = 1) -> None:
        self.buffer = buffer if isinstance(buffer, FrameBuffer) else FrameBuffer.open(buffer)
        self.num_stack = num_stack
        self._num_behind = num_behind(num_stack)
        meta = self.buffer.meta
        self._read = StoredColumn(meta, "frames" if meta.stores_frames else str(meta.state_column))
        self._rows = [rows_with_next(ring, self._num_behind) for ring in self._rings]
        self._ends = np.cumsum([len(rows) for rows in self._rows])
        if len(self) == 0:
            raise InputError(f"{self.buffer.path} must hold at least 1 transition, not 0")

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_rings"}

    @cached_property
    def _rings(self) -> list[Ring]:
        meta = self.buffer.meta
        return [Ring(each.folder, meta.columns, meta.capacity) for each in self.buffer.writers]

    def at(self, numbers: Rows) -> Transitions:
        """Return numbered transitions, in this order. Each is copied once out of the files, and
        once more if the batch is of several writers.

        Args:
            numbers: int64 (B,), B at least 1.

        Raises:
            IndexError: a number out of range.
            InputError: a writer has overwritten one of the transitions.
        """
        if numbers.min() < 0 or numbers.max() >= len(self):
            wrong = numbers[(numbers < 0) | (numbers >= len(self))][0]
            raise IndexError(f"transition {wrong} is outside 0 … {len(self) - 1}")
        rings = np.searchsorted(self._ends, numbers, side="right")
        parts = {int(ring): np.flatnonzero(rings == ring) for ring in np.unique(rings)}
        batches = [self._taken(ring, numbers[places]) for ring, places in parts.items()]
        return batches[0] if len(batches) == 1 else _merged(batches, list(parts.values()))

    def _taken(self, number: int, numbers: Rows) -> Transitions:
        """Return transitions of one ring."""
        ring, all_rows = self._rings[number], self._rows[number]
        rows = all_rows[numbers - (self._ends[number] - len(all_rows))]
        batch = take_transitions(ring, rows, self.num_stack, self._read)
        if ring.oldest > max(0, int(rows.min()) - self._num_behind):
            raise InputError(f"{ring.folder} has overwritten transitions that were numbered before")
        return batch


def _merged(batches: list[Transitions], places: list[Rows]) -> Transitions:
    """Return one batch with the transitions of each at its places."""
    columns: dict[str, Any] = {}
    for field in fields(Transitions):
        parts = [getattr(batch, field.name) for batch in batches]
        if parts[0] is None:
            columns[field.name] = None
            continue
        merged = np.empty((sum(map(len, places)), *parts[0].shape[1:]), parts[0].dtype)
        for part, there in zip(parts, places, strict=True):
            merged[there] = part
        columns[field.name] = merged
    return Transitions(**columns)
