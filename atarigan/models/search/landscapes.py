"""The search for figures in front of a landscape: what scrolls or changes its light as a whole.

A landscape is most of what changes on the screen, and figures that are small beside it are not
found. Sums of products of rows and columns draw landscapes well; figures that move they draw badly.
So figures are what the first principal components of frames leave.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from atarigan.models.search.position_search import SearchLimits, find_groups
from atarigan.models.search.positions import NO_BYTE, MovingGroup, PositionTable

_NUM_COMPONENTS = 16
_LANDSCAPE_SHARE = 0.9  # of the squared motion
_LEAST_SHARE = 0.001  # of all motion, for a group behind a landscape
_LIMITS = SearchLimits()
_LIMITS_BEHIND = SearchLimits(weak_cells=(0.02, 0.1, 0.2, 0.3, 0.5))


class Motion(NamedTuple):
    """Frames minus their background, in positions on the line of colors.

    Attributes:
        searched: what is searched first, float (N, H, W): all of it, or, where a landscape is
            nearly all of it, `left`.
        left: what is left without the first principal components, float (N, H, W).
    """

    searched: Tensor
    left: Tensor

    @classmethod
    def of(cls, motion: Tensor) -> "Motion":
        """Split frames minus their background (N, H, W)."""
        frames = motion.flatten(1)
        num = min(_NUM_COMPONENTS, *frames.shape)
        left, strengths, right = torch.svd_lowrank(frames, num, niter=4)
        without = motion - ((left * strengths) @ right.T).view_as(motion)
        is_most = strengths.square().sum() >= _LANDSCAPE_SHARE * frames.square().sum()
        return cls(without if is_most else motion, without)


def find_figures(
    motion: Motion, states: Tensor, grid: tuple[int, int], tables: Sequence[PositionTable]
) -> list[MovingGroup]:
    """Find groups in motion, and behind its landscape those of other bytes.

    Args:
        motion: of frames.
        states: the states of these frames, uint8 (N, bytes).
        grid: lines and columns that positions count in.
        tables: further decodings.
    """
    if motion.searched is motion.left:
        return find_groups(motion.left, states, grid, tables, _LIMITS_BEHIND)
    groups = find_groups(motion.searched, states, grid, tables, _LIMITS)
    known = {byte for group in groups for byte in _bytes(group)}
    part = float(motion.left.square().sum() / motion.searched.square().sum().clamp(min=1e-9))
    for group in find_groups(motion.left, states, grid, tables, _LIMITS_BEHIND):
        share = part * group.share
        if share >= _LEAST_SHARE and known.isdisjoint(_bytes(group)):
            groups.append(dataclasses.replace(group, share=share))
    return sorted(groups, key=lambda group: -group.share)


def _bytes(group: MovingGroup) -> set[int]:
    return {group.row.byte, group.column.byte} - {NO_BYTE}
