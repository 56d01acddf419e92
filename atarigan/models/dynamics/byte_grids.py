"""Grids: bytes whose bits are cells, at one of which two other bytes point, as a ball at a brick.

Which brick a ball is at takes a tree of single bytes many nodes: all columns, rows and bricks. An
object may reach into the next cell, so that the cells one further are read as well.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.optional_tables import OptionalTables, renumbered_bytes
from atarigan.models.dynamics.table_checks import check_range

NO_PLACE = -1
_NUM_VALUES = 256
OFFSETS = ((0, 0), (0, 1), (0, -1), (1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1))


@dataclass(frozen=True, eq=False)
class Grids(OptionalTables):
    """G grids of at most M bytes each.

    Attributes:
        pointers: the two bytes that point at a cell, int16 (G, 2).
        places: what each value of the two adds to the place, `NO_PLACE` where it points at no cell,
            int16 (G, 2, 256).
        masks: the cell's bits, by the value of the first pointer, uint8 (G, 256).
        members: byte at each place, `NO_PLACE` for none, int16 (G, M).

    Raises:
        InputError: sizes or dtypes do not agree.
    """

    NOUN = "grids"
    PREFIX = "grid_"
    DTYPES: ClassVar = {
        "pointers": np.int16,
        "places": np.int16,
        "masks": np.uint8,
        "members": np.int16,
    }
    pointers: npt.NDArray[np.int16]
    places: npt.NDArray[np.int16]
    masks: npt.NDArray[np.uint8]
    members: npt.NDArray[np.int16]

    def __post_init__(self) -> None:
        num = self.pointers.shape[0] if self.pointers.ndim else 0
        shapes = {
            "pointers": (num, 2),
            "places": (num, 2, _NUM_VALUES),
            "masks": (num, _NUM_VALUES),
            "members": (num, self.members.shape[-1] if self.members.ndim else 0),
        }
        self._check_shapes(shapes)
        check_range("places", self.places, _NUM_VALUES, NO_PLACE)

    @classmethod
    def none(cls) -> Self:
        """Return no grids."""
        shapes = ((0, 2), (0, 2, _NUM_VALUES), (0, _NUM_VALUES), (0, 0))
        return cls(*map(np.zeros, shapes, cls.DTYPES.values()))

    def __len__(self) -> int:
        return len(self.pointers)

    @property
    def found(self) -> list[int]:
        """Numbers of the grids that have members."""
        return np.flatnonzero((self.members != NO_PLACE).any(axis=1)).tolist()

    def only(self, numbers: Collection[int]) -> Self:
        """Return grids of which all but some are without members; no grids if none is left."""
        others = np.setdiff1d(np.arange(len(self)), list(numbers))
        if len(others) == len(self):
            return self.none()
        places, members = self.places.copy(), self.members.copy()
        places[others], members[others] = NO_PLACE, NO_PLACE
        return type(self)(self.pointers, places, self.masks, members)

    def renumbered(self, numbers: npt.NDArray[np.int64]) -> Self:
        """Return the grids with the new numbers of bytes, int64 (T,)."""
        pointers, members = (
            renumbered_bytes(each, numbers) for each in (self.pointers, self.members)
        )
        return type(self)(pointers, self.places, self.masks, members)

    def check_bytes(self, num_bytes: int) -> None:
        """Raise InputError if a grid reads a byte beyond so many."""
        check_range("pointers", self.pointers, num_bytes)
        check_range("members", self.members, num_bytes, NO_PLACE)

    def cells(
        self, grid: int, present: npt.NDArray[np.uint8], offset: int = 0
    ) -> npt.NDArray[np.int32]:
        """Return what stands at the cells that are pointed at, int32 (N,).

        That is 256 times the place, counted from 1, plus the bits that are set; or 0 if none is
        set, or nothing is pointed at.

        Args:
            grid: number of the grid.
            present: bytes, uint8 (T, N).
            offset: number of one of `OFFSETS`, which is added to the two pointers.
        """
        pointers = present[self.pointers[grid]].astype(np.int16)
        across, along = np.clip(pointers + np.array(OFFSETS[offset])[:, None], 0, 255)
        parts = self.places[grid, 0, across], self.places[grid, 1, along]
        place = parts[0].astype(np.int32) + parts[1]
        pointed = (np.minimum(*parts) >= 0) & (place < self.members.shape[1])
        members = self.members[grid, np.where(pointed, place, 0)]
        bits = present[members, np.arange(len(place))] & self.masks[grid, across]
        is_set = pointed & (members >= 0) & (bits > 0)
        return np.where(is_set, 256 * (place + 1) + bits, 0).astype(np.int32)
