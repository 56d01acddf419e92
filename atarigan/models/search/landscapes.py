"""The search for figures in front of a landscape: what scrolls or changes its light as a whole.

A landscape is most of what changes on the screen, and figures that are small compared with it are
not found. Sums of products of rows and columns draw landscapes well, and figures that move badly.
So figures are searched in what the first principal components of frames leave.
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
_ROUNDING = 1e-6  # of the squared motion: less than this is no motion
_LEAST_SHARE = 0.001  # of all motion, for a group that is not in front
_LIMITS = SearchLimits()
_LIMITS_BEHIND = SearchLimits(weak_cells=(0.02, 0.1, 0.2, 0.3, 0.5))


class Motion(NamedTuple):
    """Frames minus their background, in positions on the line of colors.

    Attributes:
        whole: all of it, float (N, H, W).
        residual: the same without its first principal components, float (N, H, W).
        is_landscape: whether these components have at least 90 % of the squared motion, but not
            all: a few pictures in turn are no landscape.
    """

    whole: Tensor
    residual: Tensor
    is_landscape: bool

    @classmethod
    def of(cls, motion: Tensor) -> "Motion":
        """Split frames minus their background (N, H, W)."""
        residual = _without_components(motion, _NUM_COMPONENTS)
        return cls(motion, residual, _ROUNDING < _part(residual, motion) <= 1 - _LANDSCAPE_SHARE)

    @property
    def searched(self) -> Tensor:
        """What is searched first: the residual of a landscape, else all motion."""
        return self.residual if self.is_landscape else self.whole


def find_figures(
    motion: Motion, states: Tensor, grid: tuple[int, int], tables: Sequence[PositionTable]
) -> list[MovingGroup]:
    """Find groups in motion, unless it is a landscape, and in its residual those that share no
    byte with them. Where there are none in motion itself, small figures are searched in what many
    components leave as well.

    Args:
        motion: of frames.
        states: the states of these frames, uint8 (N, bytes).
        grid: lines and columns that positions count in.
        tables: further decodings.

    Returns:
        Those that explain most of all motion first.
    """
    in_front = []
    if not motion.is_landscape:
        in_front = find_groups(motion.whole, states, grid, tables, _LIMITS)
    residuals = [motion.residual]
    if not in_front:
        residuals.append(_without_components(motion.whole, _MANY_COMPONENTS))
    least_share = _LEAST_SHARE if in_front else 0.0
    taken = {byte for group in in_front for byte in _bytes(group)}
    behind: dict[tuple[int, int], MovingGroup] = {}
    for residual in residuals:
        part = _part(residual, motion.whole)
        if part < _ROUNDING:
            continue
        for group in find_groups(residual, states, grid, tables, _LIMITS_BEHIND):
            group = dataclasses.replace(group, share=part * group.share)
            if group.share >= least_share and taken.isdisjoint(_bytes(group)):
                behind.setdefault((group.row.byte, group.column.byte), group)
    return sorted((*in_front, *behind.values()), key=lambda group: -group.share)


def _bytes(group: MovingGroup) -> set[int]:
    return {group.row.byte, group.column.byte} - {NO_BYTE}


def _part(residual: Tensor, motion: Tensor) -> float:
    """The share of the squared motion that is left."""
    return float(residual.square().sum() / motion.square().sum().clamp(min=1e-9))


def _without_components(motion: Tensor, num: int) -> Tensor:
    """Motion (N, H, W) without its first principal components."""
    frames = motion.flatten(1)
    scores, strengths, components = torch.svd_lowrank(frames, min(num, *frames.shape), niter=4)
    return motion - ((scores * strengths) @ components.T).view_as(motion)
