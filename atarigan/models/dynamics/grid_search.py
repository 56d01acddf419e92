"""Finds grids: groups of bytes of which a cell goes where two other bytes point.

Where one member of a group changes, its place is split into a part that one byte tells, along with
the bits that changed, and one that another byte tells: by quotient and remainder of each number
that may be the length of a column. What the two tell of other such frames decides between numbers
and bytes.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.byte_grids import NO_PLACE, Grids
from atarigan.models.dynamics.change_groups import Groups, num_groups_of

_FEWEST_EVENTS = 200
_MOST_EVENTS = 20_000
_FEWEST_EXPLAINED = 0.9  # share of the events that are not of the most common cell
_MOST_MEMBERS = 64
_FEWEST_POSITIONS = 8  # values of a byte that points

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


class _Grid(NamedTuple):
    """One of `Grids`."""

    pointers: tuple[int, int]
    places: Numbers
    masks: Numbers
    members: Numbers


_NO_GRID = _Grid(
    (0, 0), np.full((2, 256), NO_PLACE), np.zeros(256, np.int64), np.zeros(0, np.int64)
)


class _Events(NamedTuple):
    """Frames in which one cell of a group goes.

    Attributes:
        places: of the member that changes, int64 (E,).
        bits: that change, int64 (E,).
        states: bytes before the frame, uint8 (T, E).
    """

    places: Numbers
    bits: Numbers
    states: Bytes


class _Told(NamedTuple):
    """What a byte tells about a class of events.

    Attributes:
        share: of the events whose class is the usual one of the others with the same value.
        byte: its number.
        classes: the usual class of each value, -1 for a value without one, int64 (256,).
    """

    share: float
    byte: int
    classes: Numbers


_NOTHING_TOLD = _Told(0.0, 0, np.full(256, -1))


def find_grids(
    present: Bytes, following: Bytes, groups: Groups, addresses: Numbers, known: Grids
) -> Grids:
    """Return a grid for each group of bytes, one without members where a group is none.

    Args:
        present: bytes before each frame, uint8 (T, N).
        following: bytes after it, uint8 (T, N).
        groups: of the bytes, int16 (T,).
        addresses: of the bytes, int64 (T,).
        known: grids of the first groups, which stay where none is found.
    """
    found = []
    for group in range(num_groups_of(groups)):
        members = np.flatnonzero(groups == group)
        members = members[np.argsort(addresses[members])]
        events = _events(present, following, members)
        is_worth_it = len(members) <= _MOST_MEMBERS and len(events.places) >= _FEWEST_EVENTS
        grid = _best_grid(members, events) if is_worth_it else _NO_GRID
        found.append(_known_grid(known, group) if grid is _NO_GRID else grid)
    return _together(found)


def _known_grid(known: Grids, group: int) -> _Grid:
    if group not in known.found:
        return _NO_GRID
    pointers, members = known.pointers[group].tolist(), known.members[group].astype(np.int64)
    return _Grid(tuple(pointers), known.places[group], known.masks[group], members)


def _events(present: Bytes, following: Bytes, members: Numbers) -> _Events:
    flipped = present[members] ^ following[members]
    frames = np.flatnonzero(np.count_nonzero(flipped, axis=0) == 1)
    places = (flipped[:, frames] != 0).argmax(axis=0)
    bits = flipped[places, frames]
    goes = np.flatnonzero((present[members[places], frames] & bits) == bits)[-_MOST_EVENTS:]
    return _Events(places[goes], bits[goes].astype(np.int64), present[:, frames[goes]])


def _best_grid(members: Numbers, events: _Events) -> _Grid:
    """Return the grid that explains most events, if it explains enough."""
    pointers = [
        byte
        for byte, values in enumerate(events.states)
        if byte not in members and np.count_nonzero(np.bincount(values)) >= _FEWEST_POSITIONS
    ]
    cells = _cells(events)
    commonest = float(np.bincount(cells).max() / len(cells))
    most, best = commonest + _FEWEST_EXPLAINED * (1 - commonest), _NO_GRID
    for length in range(1, len(members) + 1):
        column, row = np.divmod(events.places, length)
        for across, along, steps in ((column, row, (length, 1)), (row, column, (1, length))):
            told_across = _best_told(events.states, pointers, 256 * across + events.bits)
            if told_across.share <= most:
                continue
            told_along = _best_told(events.states, pointers, along)
            grid = _grid(members, told_across, told_along, steps)
            share = float((_together([grid]).cells(0, events.states) == cells).mean())
            if share > most:
                most, best = share, grid
    return best


def _cells(events: _Events) -> Numbers:
    """Return what `Grids.cells` should find, int64 (E,)."""
    return 256 * (events.places + 1) + events.bits


def _best_told(states: Bytes, pointers: list[int], classes: Numbers) -> _Told:
    known, numbers = np.unique(classes, return_inverse=True)
    told = [_told(byte, states[byte], known, numbers) for byte in pointers]
    return max(told, key=lambda each: each.share, default=_NOTHING_TOLD)


def _told(byte: int, values: Bytes, known: Numbers, numbers: Numbers) -> _Told:
    """Return what a byte with these values (E,) tells of the classes `known[numbers]`."""
    counts = np.bincount(values.astype(np.int64) * len(known) + numbers, minlength=256 * len(known))
    counts = counts.reshape(256, len(known))
    most = counts.max(axis=1)
    others = np.where(np.arange(len(known)) == counts.argmax(axis=1)[:, None], 0, counts)
    is_told = most - 1 > others.max(axis=1)  # whichever event is left out
    share = float(most[is_told].sum() / len(numbers))
    return _Told(share, byte, np.where(is_told, known[counts.argmax(axis=1)], -1))


def _grid(members: Numbers, across: _Told, along: _Told, steps: tuple[int, int]) -> _Grid:
    columns, masks = np.divmod(across.classes, 256)  # of no class, -1
    places = np.stack([columns, along.classes]) * np.array(steps)[:, None]
    return _Grid((across.byte, along.byte), np.maximum(places, NO_PLACE), masks, members)


def _together(grids: list[_Grid]) -> Grids:
    members = np.full((len(grids), max((len(each.members) for each in grids), default=0)), NO_PLACE)
    for row, each in zip(members, grids, strict=True):
        row[: len(each.members)] = each.members
    num = len(grids)
    return Grids(
        np.array([each.pointers for each in grids], np.int16).reshape(num, 2),
        np.array([each.places for each in grids], np.int16).reshape(num, 2, 256),
        np.array([each.masks for each in grids], np.uint8).reshape(num, 256),
        members.astype(np.int16),
    )
