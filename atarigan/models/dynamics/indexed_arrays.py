"""Indexed arrays: runs of bytes of which another byte picks one, as a lane picks its object.

Programs of the console read most tables so (`LDA table,X`). To find the object in the player's
lane, a tree that reads single bytes needs a branch for each lane.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.optional_tables import OptionalTables, renumbered_bytes
from atarigan.models.dynamics.table_checks import check_range

NO_ENTRY = -1
"""In `members`: no byte that varies. As a value: nothing is picked."""


@dataclass(frozen=True, eq=False)
class IndexedArrays(OptionalTables):
    """A arrays of at most M bytes each.

    Attributes:
        indexes: the byte that picks one of each array's bytes, int16 (A,).
        members: bytes of each array, by the value of the index, `NO_ENTRY` for none, int16 (A, M).

    Raises:
        InputError: sizes or dtypes do not agree.
    """

    NOUN = "arrays"
    PREFIX = "array_"
    DTYPES: ClassVar = {"indexes": np.int16, "members": np.int16}
    indexes: npt.NDArray[np.int16]
    members: npt.NDArray[np.int16]

    def __post_init__(self) -> None:
        num = self.indexes.shape[0] if self.indexes.ndim else 0
        width = self.members.shape[-1] if self.members.ndim else 0
        least = min(num, 1)  # an array has an entry
        self._check_shapes({"indexes": (num,), "members": (num, max(width, least))})

    @classmethod
    def none(cls) -> Self:
        """Return no arrays."""
        return cls(np.zeros(0, np.int16), np.zeros((0, 0), np.int16))

    @classmethod
    def of(cls, indexes: Collection[int], members: Collection[Collection[int]]) -> Self:
        """Return arrays of these indexes and members."""
        width = max(map(len, members), default=0)
        padded = np.full((len(members), width), NO_ENTRY, np.int16)
        for row, each in zip(padded, members, strict=True):
            row[: len(each)] = list(each)
        return cls(np.array(list(indexes), np.int16), padded)

    def __len__(self) -> int:
        return len(self.indexes)

    @property
    def last_bytes(self) -> npt.NDArray[np.int32]:
        """The last of the bytes that each array reads, int32 (A,)."""
        last = self.members.max(axis=1, initial=NO_ENTRY)
        last_read: npt.NDArray[np.int32] = np.maximum(self.indexes, last).astype(np.int32)
        return last_read

    def bytes_read(self, array: int) -> list[int]:
        """Return the bytes that an array reads: its index and its members."""
        members = self.members[array]
        return [int(self.indexes[array]), *members[members != NO_ENTRY].tolist()]

    def renumbered(self, numbers: npt.NDArray[np.int64]) -> Self:
        """Return the arrays with the new numbers of bytes, int64 (T,)."""
        return type(self)(
            *(renumbered_bytes(each, numbers) for each in (self.indexes, self.members))
        )

    def check_bytes(self, num_bytes: int) -> None:
        """Raise InputError if an array reads a byte beyond so many."""
        check_range("indexes", self.indexes, num_bytes)
        check_range("members", self.members, num_bytes, NO_ENTRY)

    def entries(self, array: int, values: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16]:
        """Return the byte that is picked, or `NO_ENTRY` where none is, int16 (N,).

        Args:
            array: number of the array.
            values: bytes, uint8 (T, N).
        """
        picked = values[self.indexes[array]].astype(np.int64)
        is_within = picked < self.members.shape[1]
        members = self.members[array, np.where(is_within, picked, 0)]
        held = values[members, np.arange(len(picked))].astype(np.int16)
        return np.where(is_within & (members != NO_ENTRY), held, np.int16(NO_ENTRY))
