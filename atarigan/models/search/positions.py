"""Positions in states: bytes, how their values are decoded, and what moves with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.models.search.region_search import Region

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CONSOLE_GRIDS = ((210, 160), (250, 160))
NO_BYTE = -1
ABSENT_FROM = 160
DECODINGS = ("v", "-v", "2v", "-2v", "v/2", "4v", "hmove", "v < 160")
"""How a byte's value v is a position: in this order, numbers in checkpoints refer to it.
Number `len(DECODINGS) + i` is learned table i.
"""
NUM_ROW_DECODINGS = 6
MAX_TABLES = 4
MIN_PRESENT = 0.02
_MIN_POSITIONS = 5
_ABSENT = DECODINGS.index("v < 160")


class PositionTable(NamedTuple):
    """A decoding that is specific to a game and was learned from frames.

    Attributes:
        axis: 0 if it gives lines of the grid, 1 for columns.
        positions: of each value of a byte, int64 (256,).
    """

    axis: int
    positions: Ints


class PositionByte(NamedTuple):
    """What gives a position along one axis: a byte of the state and how its value is decoded.

    Attributes:
        byte: address in the state; `NO_BYTE` for a position that never changes.
        decoding: index in `DECODINGS`, followed by the learned tables.
    """

    byte: int
    decoding: int

    def __str__(self) -> str:
        if not self.moves:
            return "fixed"
        return f"byte {self.byte} as {self.decoder}"

    @property
    def moves(self) -> bool:
        """Whether the position changes."""
        return self.byte != NO_BYTE

    def positions(self, tables: Sequence["PositionTable"]) -> Floats:
        """Return the position of each value of the byte, as `decoded_positions`; 0 for all if it
        never changes.
        """
        return decoded_positions(self.decoding, tables) if self.moves else np.zeros(256)

    @property
    def decoder(self) -> str:
        """The name of the decoding."""
        table = self.decoding - len(DECODINGS)
        return DECODINGS[self.decoding] if table < 0 else f"table {table + 1}"


@dataclass(frozen=True)
class MovingGroup:
    """What moves together: everything whose place two bytes give.

    Attributes:
        row, column: the position along either axis.
        top, height, left, width: the window that holds its pixels at position 0, in lines and
            columns of the grid. It may reach over the grid's end and goes on at its beginning.
        share: of the energy of all motion that the group explains, 0 to 1.
        consistency: how alike the mean pictures of single values of its bytes are, 0 to 1; about 1
            where the bytes move something, and low where they rather say how it looks.
        patch: its mean picture in the window, in positions on the line of colors, float
            (height, width).
    """

    row: PositionByte
    column: PositionByte
    top: int
    height: int
    left: int
    width: int
    share: float
    consistency: float
    patch: Floats

    def __str__(self) -> str:
        return (
            f"rows {self.row!s:18} columns {self.column!s:18} window {self.height}x{self.width} at "
            f"line {self.top}, column {self.left}; {self.share:.1%} of the motion, consistency "
            f"{self.consistency:.2f}"
        )


class FoundGroups(NamedTuple):
    """The result of a search: the grid (lines, columns) that positions refer to, the groups in it,
    from back to front, regions that change their color together, and the tables that positions
    refer to.
    """

    grid: tuple[int, int]
    groups: list[MovingGroup]
    regions: Sequence[Region] = ()
    tables: Sequence[PositionTable] = ()


def decoded_positions(decoding: int, tables: Sequence[PositionTable] = ()) -> Floats:
    """Return the position that each value of a byte stands for, in lines or columns, float (256,);
    NaN where the object is absent.

    `hmove` is how games store a column for the console's motion registers: the low nibble counts
    steps of 15 columns, the high nibble is a signed fine motion to the left.
    """
    if decoding >= len(DECODINGS):
        return tables[decoding - len(DECODINGS)].positions.astype(np.float64)
    v = np.arange(256)
    fine = ((v >> 4) ^ 8) - 8
    of_name = {
        "v": v,
        "-v": -v,
        "2v": 2 * v,
        "-2v": -2 * v,
        "v/2": v >> 1,
        "4v": 4 * v,
        "hmove": 15 * (v & 15) - fine,
        "v < 160": np.where(v < ABSENT_FROM, v, np.nan),
    }
    return np.asarray(of_name[DECODINGS[decoding]], np.float64)


class Candidates(NamedTuple):
    """Possible positions along an axis.

    Attributes:
        names: of each candidate, the first of those that give the same positions.
        positions: in each state, float (candidates, N).
        numbers: of the candidates, for every name: games keep copies of bytes.
    """

    names: list[PositionByte]
    positions: Tensor
    numbers: dict[PositionByte, int]

    def same(self, number: int) -> list[PositionByte]:
        """Return the names of a candidate that differ in their byte alone."""
        decoding = self.names[number].decoding
        return [
            name
            for name, each in self.numbers.items()
            if each == number and name.decoding == decoding
        ]


def candidates(states: Tensor, axis: int, tables: Sequence[PositionTable] = ()) -> Candidates:
    """Every byte in every decoding of an axis that gives enough positions; the first candidate
    never changes.
    """
    fixed = PositionByte(NO_BYTE, 0)
    names, columns, numbers = [fixed], [np.zeros(len(states))], {fixed: 0}
    seen: dict[bytes, int] = {}
    values = states.numpy()
    learned = [len(DECODINGS) + number for number, each in enumerate(tables) if each.axis == axis]
    decodings = (*range(NUM_ROW_DECODINGS if axis == 0 else len(DECODINGS)), *learned)
    for byte in range(values.shape[1]):
        occurring = np.unique(values[:, byte])
        for decoding in decodings:
            positions = decoded_positions(decoding, tables)
            distinct = np.unique(positions[occurring])
            if np.count_nonzero(~np.isnan(distinct)) < _MIN_POSITIONS:
                continue
            found = positions[values[:, byte]]
            if decoding == _ABSENT and np.isnan(found).mean() < MIN_PRESENT:
                continue
            pattern = np.nan_to_num(found - np.nanmean(found), nan=1e3).astype(np.float32).tobytes()
            name = PositionByte(byte, decoding)
            numbers[name] = seen.setdefault(pattern, len(names))
            if numbers[name] == len(names):
                names.append(name)
                columns.append(found)
    return Candidates(names, torch.from_numpy(np.stack(columns)).float(), numbers)
