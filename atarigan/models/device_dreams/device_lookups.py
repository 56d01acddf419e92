"""What the trees of a model look up, with tensors: cells of grids, entries of arrays, formulas.

Values are those of registers, as rows int32 (registers, B), of B games.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.models.dynamics.byte_grids import NO_PLACE, OFFSETS, Grids
from atarigan.models.dynamics.formulas import FIRST_FORMULA, Operation
from atarigan.models.dynamics.indexed_arrays import NO_ENTRY, IndexedArrays
from atarigan.models.dynamics.tree_tables import TreeTables

Numbers = npt.NDArray[np.int64]


class DeviceCells:
    """Grids as tensors.

    Args:
        grids: whose bytes are numbered.
        rows: of each byte among the present values, int64 (bytes,).
        device: of the tensors.
    """

    def __init__(self, grids: Grids, rows: Tensor, device: torch.device) -> None:
        pointers, places, masks, members = (
            torch.from_numpy(each.astype(np.int64)) for each in grids.tables.values()
        )
        self._num = len(grids)
        is_member = members != NO_PLACE
        self._pointers = rows[pointers].T.to(device)  # (2, G)
        self._across, self._along = places.unbind(1)
        self._across, self._along = self._across.to(device), self._along.to(device)
        self._masks = masks.to(device)
        self._members = torch.where(is_member, rows[members.clamp(0)], NO_PLACE).to(device)
        self._offsets = torch.tensor(OFFSETS, dtype=torch.int32).T[:, None, :, None].to(device)

    def __len__(self) -> int:
        """Return the number of registers."""
        return self._num * len(OFFSETS)

    def read(self, present: Tensor, cells: Tensor) -> None:
        """Write what stands at the cells into `cells`, both rows int32 (rows, B)."""
        if not self._num:
            return
        pointers = present[self._pointers][:, :, None] + self._offsets  # (2, G, offsets, B)
        across, along = pointers.clamp(0, 255).long().flatten(2)
        column, row = self._across.gather(1, across), self._along.gather(1, along)
        place = column + row
        pointed = (column >= 0) & (row >= 0) & (place < self._members.shape[1])
        members = self._members.gather(1, torch.where(pointed, place, 0))
        pointed &= members >= 0
        columns = torch.arange(present.shape[1], device=present.device).repeat(len(OFFSETS))
        held = present[members.clamp(0), columns] & self._masks.gather(1, across)
        found = torch.where(pointed & (held > 0), 256 * (place + 1) + held, 0)
        cells.copy_(found.view(cells.shape))


class DeviceEntries:
    """Indexed arrays as tensors.

    Args:
        arrays: whose bytes are numbered.
        rows: of each byte among the present values, int64 (bytes,).
        device: of the tensors.

    Attributes:
        all: numbers of all arrays, int64 (A,).
    """

    def __init__(self, arrays: IndexedArrays, rows: Tensor, device: torch.device) -> None:
        members = torch.from_numpy(arrays.members.astype(np.int64))
        is_member = members != NO_ENTRY
        self._indexes = rows[torch.from_numpy(arrays.indexes.astype(np.int64))].to(device)
        self._members = torch.where(is_member, rows[members.clamp(0)], NO_ENTRY).to(device)
        self.all = torch.arange(len(arrays), device=device)

    def __len__(self) -> int:
        return len(self.all)

    def read(self, values: Tensor, entries: Tensor, numbers: Tensor) -> None:
        """Write what is picked of some arrays among `values` into their rows of `entries`, both
        int32 (rows, B).
        """
        if not len(numbers):
            return
        picked = values[self._indexes[numbers]].long()
        is_within = picked < self._members.shape[1]
        members = self._members[numbers].gather(1, torch.where(is_within, picked, 0))
        held = values.gather(0, members.clamp(0))
        found = torch.where(is_within & (members != NO_ENTRY), held, NO_ENTRY)
        entries.index_copy_(0, numbers, found)


class DeviceFormulas:
    """The formulas that leaves of some trees hold.

    Args:
        rows: as of `Formulas.as_rows`.
        held: numbers of the formulas that the leaves of each tree of all hold.
        trees: numbers of some.
        row_of: row of each register, int32 (registers,).
        device: of the tensors.

    Attributes:
        registers: what they read, int32 (read,).
    """

    def __init__(
        self,
        rows: npt.NDArray[np.int32],
        held: list[Numbers],
        trees: Numbers,
        row_of: npt.NDArray[np.int32],
        device: torch.device,
    ) -> None:
        self.registers = rows[np.concatenate([held[tree] for tree in trees]), 1:3].ravel()
        owners = [place for place, tree in enumerate(trees) if len(held[tree])]
        self._owners = torch.tensor(owners, dtype=torch.int64, device=device)
        columns = np.ascontiguousarray(rows.T)
        columns[1:3] = row_of[columns[1:3]]
        self._columns = torch.from_numpy(columns).to(device)

    def applied(self, held: Tensor, values: Tensor, registers: Tensor) -> Tensor:
        """Return next values int32 (trees, B), with those of formulas where leaves hold them.

        Args:
            held: what the leaves hold, int32 (trees, B).
            values: next values where no formula is held, int32 (trees, B).
            registers: int32 (registers, B).
        """
        if not len(self._owners):
            return values
        held, coded = held[self._owners], values[self._owners]
        of_leaf = self._columns[:, (held - FIRST_FORMULA).clamp(0)]
        operation, first, second, shift, mask, constant = of_leaf
        one, other = (registers.gather(0, row.long()) for row in (first, second))
        both = one + torch.where(operation == Operation.DIFFERENCE, -other, other)
        both = torch.where(operation == Operation.XOR, one ^ other, both) & 255
        some_bits = (both << shift.clamp(0) >> (-shift).clamp(0)) & mask
        found = torch.where(held < FIRST_FORMULA, coded, (some_bits + constant) & 255)
        return values.index_copy(0, self._owners, found)


def formulas_held(tables: TreeTables) -> list[Numbers]:
    """Return the numbers of the formulas that the leaves of each tree hold."""
    num_bytes, ends = len(tables.addresses), tables.sizes.cumsum()
    values = np.where(tables.skips == 0, tables.thresholds - FIRST_FORMULA, -1)
    values[ends[num_bytes - 1] if num_bytes else 0 :] = -1
    held = [np.unique(each) for each in np.split(values, ends[:-1])]
    return [each[each >= 0].astype(np.int64) for each in held]
