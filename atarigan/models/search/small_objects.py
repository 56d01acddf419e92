"""The search for small objects, such as shots and balls, and for the bytes that move them.

A shot of two pixels is hardly any of a frame's energy, so `position_search` overlooks it. But a
small object is a point, and where its place minus the position that a byte stands for is the same
in many frames, the byte moves it. So every point votes for that difference, for each byte and
decoding (a Hough transform; Duda and Hart 1972, Communications of the ACM 15(1), p. 11). The pair
of bytes on which most points agree is taken, its points are removed, and so on.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.models.search.positions import (
    DECODINGS,
    NO_BYTE,
    NUM_ROW_DECODINGS,
    Candidates,
    Floats,
    MovingGroup,
    PositionByte,
    candidates,
)

_VISIBLE = 8 / 127.5  # the levels from which metrics count a difference as well
_SMALL_SHARE = 0.001
_MIN_PIXELS = 6
_RARE = 0.05
_MAX_POINTS = 6000
_NUM_SCREENED = 12
_NONE_BONUS = 1.1  # one byte is preferred where a second one hardly helps
_MIN_VOTES = 24
_MIN_SHARE = 0.015
_MIN_CONSISTENCY = 0.5
_MAX_GROUPS = 8
_KEPT = 0.95
_MARGIN = 3


class Points(NamedTuple):
    """Small, rare objects: connected visible pixels.

    Attributes:
        frame: of each object, int64 (M,).
        first, size: first line and column, and number of lines and columns, in pixels, int64 (M, 2)
            each.
        level: mean difference from the background, float (M,).
    """

    frame: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    level: Floats

    def only(self, which: Any) -> Self:
        return type(self)(*(each[which] for each in self))


def find_points(residual: Tensor) -> Points:
    """Find small objects in frames minus their background, float (N, H, W).

    Small is at most a thousandth of the screen, or 6 pixels if that is more. Rare is a place where
    at most a twentieth of the frames shows anything.
    """
    _, height, width = residual.shape
    visible = (residual.abs() > _VISIBLE).numpy()
    rate = visible.mean(0)
    most = max(_MIN_PIXELS, _SMALL_SHARE * height * width)
    frames, boxes, levels = [], [], []
    for number, (mask, image) in enumerate(zip(visible, residual.numpy(), strict=True)):
        _, labels, regions, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        for label in np.flatnonzero(regions[1:, cv2.CC_STAT_AREA] <= most) + 1:
            left, top, across, down = regions[label, :4].tolist()
            window = np.s_[top : top + down, left : left + across]
            inside = labels[window] == label
            if rate[window][inside].mean() <= _RARE:
                frames.append(number)
                boxes.append((top, left, down, across))
                levels.append(float(image[window][inside].mean()))
    found = np.array(boxes, np.int64).reshape(-1, 4)
    return Points(np.array(frames, np.int64), found[:, :2], found[:, 2:], np.array(levels))


class _Axis:
    """Votes along one axis for where points are when a candidate is 0.

    Attributes:
        candidates: possible positions, and their values for each point.
        scale: lines or columns of the grid in a pixel.
        reach: votes at most so far apart agree.
    """

    def __init__(
        self, of_frames: Candidates, points: Points, axis: int, length: int, size: int
    ) -> None:
        positions = of_frames.positions[:, torch.from_numpy(points.frame)]
        self.candidates = Candidates(of_frames.names, positions)
        self.length, self.scale = length, length / size
        self.reach = max(1, int(self.scale))
        centers = (points.first[:, axis] + points.size[:, axis] / 2) * self.scale - 0.5
        places = (torch.from_numpy(centers) - positions).round()
        self._places = (places.nan_to_num(0.0).long() % length).masked_fill(places.isnan(), length)

    def most(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Return on how many of these points, bool (M,), each candidate's votes agree at most, and
        where, (candidates,) each.
        """
        places = self._places[:, which]
        num = len(places)
        flat = places + torch.arange(num)[:, None] * (self.length + 1)
        counts = torch.bincount(flat.flatten(), minlength=num * (self.length + 1))
        counts = counts.view(num, -1)[:, :-1].float()
        around = range(-self.reach, self.reach + 1)
        most, where = torch.stack([counts.roll(by, 1) for by in around]).sum(0).max(1)
        most[0] *= _NONE_BONUS
        return most, where

    def agree(self, which: int, place: int, reach: int) -> Tensor:
        """Return which points vote at most `reach` away from a place, bool (M,)."""
        places = self._places[which]
        return ((places - place + reach) % self.length <= 2 * reach) & (places < self.length)


class _Vote(NamedTuple):
    """A candidate of the rows and one of the columns, where points vote, and how many do."""

    pair: tuple[int, int]
    places: tuple[int, int]
    num: float


def find_small_groups(
    residual: Tensor,
    states: Tensor,
    grid: tuple[int, int],
    known: Sequence[MovingGroup] = (),
    most_groups: int = _MAX_GROUPS,
) -> list[MovingGroup]:
    """Find small objects that bytes move, those that are seen most first.

    Args:
        residual: frames minus their background, in positions on the line of colors, float
            (N, H, W).
        states: the states of these frames, uint8 (N, bytes).
        grid: lines and columns that positions count in.
        known: what else moves. Points that move with no other bytes are parts of it.
        most_groups: groups to return.
    """
    points = find_points(residual)
    step = max(1, -(-len(points.frame) // _MAX_POINTS))
    points = points.only(slice(None, None, step))
    axes = [
        _Axis(candidates(states, decodings), points, axis, grid[axis], residual.shape[1 + axis])
        for axis, decodings in enumerate((range(NUM_ROW_DECODINGS), range(len(DECODINGS))))
    ]
    energy = float(residual.square().mean()) * residual.numel() / step
    left = torch.ones(len(points.frame), dtype=torch.bool)
    least = max(_MIN_VOTES, _MIN_SHARE * len(left))
    groups: list[MovingGroup] = []
    while left.any() and len(groups) < most_groups:
        vote = max(_votes(axes, left), key=lambda vote: vote.num)
        agreeing, around = left & _agreeing(axes, vote, 1), left & _agreeing(axes, vote, 3)
        if agreeing.sum() < least:
            break
        left &= ~agreeing
        row, column = (
            axis.candidates.names[which] for axis, which in zip(axes, vote.pair, strict=True)
        )
        consistency = float(agreeing.sum() / around.sum())
        is_new = not any(_is_part(row, column, group) for group in (*known, *groups))
        if is_new and consistency >= _MIN_CONSISTENCY and {row.byte, column.byte} != {NO_BYTE}:
            chosen = points.only(agreeing.numpy())
            share = float((chosen.level**2 * chosen.size.prod(1)).sum()) / energy
            window, patch = _window(axes, vote, chosen, agreeing)
            groups.append(MovingGroup(row, column, *window, share, consistency, patch))
    return groups


def _is_part(row: PositionByte, column: PositionByte, group: MovingGroup) -> bool:
    return row.byte in (NO_BYTE, group.row.byte) and column.byte in (NO_BYTE, group.column.byte)


def _votes(axes: Sequence[_Axis], left: Tensor) -> Iterator[_Vote]:
    """Yield, for each of the best candidates of either axis, the best one of the other axis for the
    points that agree on the first.
    """
    for axis, other in ((0, 1), (1, 0)):
        most, where = axes[axis].most(left)
        for first in most.argsort(descending=True)[:_NUM_SCREENED].tolist():
            place, reach = int(where[first]), axes[axis].reach
            agreeing = left & axes[axis].agree(first, place, reach)
            votes, where_other = axes[other].most(agreeing)
            second = int(votes.argmax())
            num = float(votes[second]) * (_NONE_BONUS if first == 0 else 1.0)
            pair, places = (first, second), (place, int(where_other[second]))
            yield _Vote(pair, places, num) if axis == 0 else _Vote(pair[::-1], places[::-1], num)


def _agreeing(axes: Sequence[_Axis], vote: _Vote, factor: int) -> Tensor:
    """Which points agree with a vote; with a factor, in a window that many times as wide."""
    rows, columns = (
        axis.agree(which, place, (factor * (2 * axis.reach + 1)) // 2)
        for axis, which, place in zip(axes, vote.pair, vote.places, strict=True)
    )
    return rows & columns


def _window(
    axes: Sequence[_Axis], vote: _Vote, points: Points, which: Tensor
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
