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
_MANY_COMPONENTS = 64
_LANDSCAPE_SHARE = 0.9  # of the squared motion
_LEAST_SHARE = 0.001  # of all motion, for a group behind others
_LIMITS = SearchLimits()
_LIMITS_BEHIND = SearchLimits(weak_cells=(0.02, 0.1, 0.2, 0.3, 0.5))


class Motion(NamedTuple):
    """Frames minus their background, in positions on the line of colors.

    Attributes:
        whole: all of it, float (N, H, W).
        left: what is left without its first principal components, float (N, H, W).
        is_landscape: whether these are nearly all of it.
    """

    whole: Tensor
    left: Tensor
    is_landscape: bool

    @classmethod
    def of(cls, motion: Tensor) -> "Motion":
        """Split frames minus their background (N, H, W)."""
        left = _without_components(motion, _NUM_COMPONENTS)
        least_left = (1 - _LANDSCAPE_SHARE) * motion.square().sum()
        return cls(motion, left, bool(left.square().sum() <= least_left))

    @property
    def searched(self) -> Tensor:
        """What shows figures best."""
        return self.left if self.is_landscape else self.whole


def find_figures(
    motion: Motion, states: Tensor, grid: tuple[int, int], tables: Sequence[PositionTable]
) -> list[MovingGroup]:
    """Find groups in motion, and behind its landscape those of other bytes. Where there is nothing
    but a landscape, small figures are searched in what many components leave as well.

    Args:
        motion: of frames.
        states: the states of these frames, uint8 (N, bytes).
        grid: lines and columns that positions count in.
        tables: further decodings.
    """
    groups = []
    if not motion.is_landscape:
        groups = find_groups(motion.whole, states, grid, tables, _LIMITS)
    layers = [motion.left]
    if not groups:
        layers.append(_without_components(motion.whole, _MANY_COMPONENTS))
    least_share = _LEAST_SHARE if groups else 0.0
    taken = {byte for group in groups for byte in _bytes(group)}
    behind: dict[tuple[int, int], MovingGroup] = {}
    for layer in layers:
        part = float(layer.square().sum() / motion.whole.square().sum().clamp(min=1e-9))
        for group in find_groups(layer, states, grid, tables, _LIMITS_BEHIND):
            group = dataclasses.replace(group, share=part * group.share)
            if group.share >= least_share and taken.isdisjoint(_bytes(group)):
                behind.setdefault((group.row.byte, group.column.byte), group)
    return sorted((*groups, *behind.values()), key=lambda group: -group.share)


def _bytes(group: MovingGroup) -> set[int]:
    return {group.row.byte, group.column.byte} - {NO_BYTE}


def _without_components(motion: Tensor, num: int) -> Tensor:
    """Motion (N, H, W) without its first principal components."""
    frames = motion.flatten(1)
    left, strengths, right = torch.svd_lowrank(frames, min(num, *frames.shape), niter=4)
    return motion - ((left * strengths) @ right.T).view_as(motion)
