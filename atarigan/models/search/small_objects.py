"""The search for small objects, such as shots and balls, and for the bytes that move them.

`position_search` overlooks them, so their points vote for the pair of bytes that moves them
(`points`). The pair on which most points agree is taken, its points are removed, and so on.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from atarigan.models.search.points import Points, PointVotes, Vote, VotingAxis
from atarigan.models.search.positions import NO_BYTE, Floats, MovingGroup, PositionByte

_MIN_CONSISTENCY = 0.5
_MAX_GROUPS = 8
_KEPT = 0.95
_MARGIN = 3


def find_small_groups(
    votes: PointVotes,
    known: Sequence[MovingGroup] = (),
    most_groups: int = _MAX_GROUPS,
) -> list[MovingGroup]:
    """Find small objects that bytes move, those that are seen most first.

    Args:
        votes: of small objects.
        known: what else moves. Points that move with no other bytes are parts of it.
        most_groups: groups to return.
    """
    remaining = torch.ones(len(votes), dtype=torch.bool)
    groups: list[MovingGroup] = []
    while remaining.any() and len(groups) < most_groups:
        vote = votes.best(remaining)
        agreeing, around = (remaining & votes.agreeing(vote, factor) for factor in (1, 3))
        if agreeing.sum() < votes.min_votes:
            break
        remaining &= ~agreeing
        row, column = (
            axis.candidates.names[which] for axis, which in zip(votes.axes, vote.pair, strict=True)
        )
        consistency = float(agreeing.sum() / around.sum())
        is_new = not any(_is_part(row, column, group) for group in (*known, *groups))
        if is_new and consistency >= _MIN_CONSISTENCY and {row.byte, column.byte} != {NO_BYTE}:
            chosen = votes.points.only(agreeing.numpy())
            share = float((chosen.level**2 * chosen.size.prod(1)).sum()) / votes.energy
            window, patch = _window(votes.axes, vote, chosen, agreeing)
            groups.append(MovingGroup(row, column, *window, share, consistency, patch))
    return groups


def _is_part(row: PositionByte, column: PositionByte, group: MovingGroup) -> bool:
    return row.byte in (NO_BYTE, group.row.byte) and column.byte in (NO_BYTE, group.column.byte)


def _window(
    axes: Sequence[VotingAxis], vote: Vote, points: Points, which: Tensor
) -> tuple[tuple[int, int, int, int], Floats]:
    """Top, height, left and width of a window that holds nearly all of these points at position 0,
    and their mean picture in it.
    """
    firsts, lengths, covered = [], [], []
    for number, (axis, chosen, place) in enumerate(zip(axes, vote.pair, vote.places, strict=True)):
        extent = points.size[:, number] * axis.scale
        half = int(np.quantile(extent, _KEPT) / 2) + axis.reach + _MARGIN
        first, length = place - half, min(axis.length, 2 * half + 1)
        positions = axis.candidates.positions[chosen, which].numpy()
        begin = points.first[:, number] * axis.scale - positions
        begin = (begin - first + axis.length / 2) % axis.length - axis.length / 2
        lines = np.arange(length) + 0.5
        covered.append((lines >= begin[:, None]) & (lines < (begin + extent)[:, None]))
        firsts.append(first % axis.length)
        lengths.append(length)
    patch = np.einsum("n,nh,nw->hw", points.level, *covered) / len(points.level)
    return (firsts[0], lengths[0], firsts[1], lengths[1]), patch
