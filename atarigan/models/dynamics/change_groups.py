"""Groups of bytes whose changes are counted together, such as those of the bricks of a wall.

Whether any of many bytes changes is one question, which a tree of single bytes must ask of each of
them. So a group is a run of consecutive addresses of bytes that rarely change.
"""

import numpy as np
import numpy.typing as npt

NO_GROUP = -1
_FEWEST_MEMBERS = 4
_MOST_CHANGING = 0.02  # share of the frames in which a member changes

Groups = npt.NDArray[np.int16]


def no_groups(num: int) -> Groups:
    """Return groups of so many bytes, of which none is in a group."""
    return np.full(num, NO_GROUP, np.int16)


def num_groups_of(groups: Groups) -> int:
    """Return how many groups there are, given the group of each byte (T,)."""
    return int(groups.max(initial=NO_GROUP)) + 1


def last_members(groups: Groups) -> npt.NDArray[np.int32]:
    """Return the last byte of each group, -1 for one without members, int32 (groups,)."""
    last = np.full(num_groups_of(groups), -1, np.int32)
    members = np.flatnonzero(groups != NO_GROUP)
    np.maximum.at(last, groups[members], members.astype(np.int32))
    return last


def with_new_groups(
    groups: Groups, addresses: npt.NDArray[np.int32], change_rates: npt.NDArray[np.float64]
) -> Groups:
    """Return groups with further ones of bytes that had none; those that are known stay.

    Args:
        groups: of each byte, int16 (T,), `NO_GROUP` for none.
        addresses: of the bytes, int32 (T,).
        change_rates: share of the frames in which each byte changes, 0 to 1, float64 (T,).
    """
    free = np.flatnonzero((groups == NO_GROUP) & (change_rates < _MOST_CHANGING))
    ordered = free[np.argsort(addresses[free])]
    gaps = np.flatnonzero(np.diff(addresses[ordered]) != 1) + 1
    found = groups.copy()
    for run in np.split(ordered, gaps):
        if len(run) >= _FEWEST_MEMBERS:
            found[run] = num_groups_of(found)
    return found
