"""OrderedBytes: the bytes that vary, in the order in which their next values are predicted."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.byte_grids import NO_PLACE, Grids
from atarigan.models.dynamics.byte_targets import (
    ByteTarget,
    byte_target,
    change_rate,
    columns_of,
    easiest_first,
    varying_addresses,
)
from atarigan.models.dynamics.change_groups import Groups, with_new_groups
from atarigan.models.dynamics.features import Columns
from atarigan.models.dynamics.grid_search import find_grids
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.transitions import FrameTransitions


@dataclass
class OrderedBytes:
    """The bytes that vary, numbered in this order, and what is made of several of them.

    Attributes:
        targets: what the tree of each byte predicts.
        grids: of some of these bytes.
        arrays: the same.
    """

    targets: list[ByteTarget] = field(default_factory=list)
    grids: Grids = field(default_factory=Grids.none)
    arrays: IndexedArrays = field(default_factory=IndexedArrays.none)

    def __len__(self) -> int:
        return len(self.targets)

    def __iter__(self) -> Iterator[ByteTarget]:
        return iter(self.targets)

    @property
    def addresses(self) -> list[int]:
        return [target.address for target in self.targets]

    @property
    def groups(self) -> Groups:
        return np.array([target.group for target in self.targets], np.int16)

    def columns(self, transitions: FrameTransitions) -> Columns:
        """Return what features read of transitions."""
        return columns_of(transitions, self.addresses, self.groups, self.grids, self.arrays)

    def add_new(self, transitions: FrameTransitions, rng: np.random.Generator) -> None:
        """Put bytes that did not vary before behind those that did, the easiest first, and find
        groups among the bytes that have none.
        """
        known = set(self.addresses)
        new = [address for address in varying_addresses(transitions) if address not in known]
        self.targets += easiest_first(
            [byte_target(address, transitions) for address in new], transitions, rng
        )
        rates = [change_rate(address, transitions) for address in self.addresses]
        addresses = np.array(self.addresses, np.int32)
        groups = with_new_groups(self.groups, addresses, np.array(rates))
        for target, group in zip(self.targets, groups.tolist(), strict=True):
            target.group = group

    def with_found_grids(self, columns: Columns) -> Columns:
        """Find grids among the groups anew; one that is no longer found stays as it was.

        Trees of the members of a new one are fitted from the beginning, as they knew no cell.

        Returns:
            the columns, with the grids.
        """
        known = self.grids
        addresses = np.array(self.addresses, np.int64)
        self.grids = find_grids(columns.present, columns.next, columns.groups, addresses, known)
        for grid in set(self.grids.found) - set(known.found):
            for member in self.grids.members[grid].tolist():
                if member != NO_PLACE:
                    self.targets[member].mined = None
        return replace(columns, grids=self.grids)

    def move(
        self, number: int, place: int, columns: Columns
    ) -> tuple[npt.NDArray[np.int64], Columns]:
        """Move a byte to the place of a later one, which then comes right before it.

        All trees and formulas read the same bytes as before, by their new numbers; those that read
        the next value of this byte before it is known are for the caller to replace.

        Args:
            number: of the byte.
            place: number of the later byte.
            columns: of any transitions.

        Returns:
            the new number of each byte, int64 (T,), and the columns in the new order.
        """
        order = np.arange(len(self))
        order[number:place], order[place] = np.arange(number + 1, place + 1), number
        numbers = np.argsort(order)
        self.targets, self.grids, self.arrays = (
            [self.targets[each].renumbered(numbers) for each in order.tolist()],
            self.grids.renumbered(numbers),
            self.arrays.renumbered(numbers),
        )
        moved = replace(
            columns,
            present=columns.present[order],
            next=columns.next[order],
            groups=self.groups,
            grids=self.grids,
            arrays=self.arrays,
        )
        return numbers, moved
