"""Small objects in frames as points, and what they vote for.

A shot of two pixels is hardly any of a frame's energy, but a small object is a point, and where its
place minus the position that a byte stands for is the same in many frames, the byte moves it. So
every point votes for that difference, for each byte and decoding (a Hough transform; Duda and Hart
1972, Communications of the ACM 15(1), p. 11).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import cv2
import numpy as np
import torch
from torch import Tensor

from atarigan.models.search.positions import Candidates, Floats, Ints, PositionTable, candidates

SMALL, MEDIUM = (0.0, 0.001), (0.001, 0.004)  # least and most share of the screen
VISIBLE = 8 / 127.5  # the levels from which metrics count a difference as well
_MIN_PIXELS = 6
_RARE = 0.05
_MAX_POINTS = 6000
_NUM_SCREENED = 12
_MIN_VOTES = 24
_MIN_SHARE = 0.015
_NONE_BONUS = 1.1  # one byte is preferred where a second one hardly helps


class Points(NamedTuple):
    """Rare objects: connected visible pixels.

    Attributes:
        frame: of each object, int64 (M,).
        first, size: first line and column, and number of lines and columns, in pixels, int64 (M, 2)
            each.
        level: mean difference from the background, float (M,).
    """

    frame: Ints
    first: Ints
    size: Ints
    level: Floats

    def only(self, which: Any) -> Self:
        return type(self)(*(each[which] for each in self))


def find_points(residual: Tensor, sizes: tuple[float, float] = SMALL) -> Points:
    """Find objects of more than the first and at most the second share of the screen, the latter
    counted as 6 pixels at least, in frames minus their background, float (N, H, W).

    They are rare: in their places, at most a twentieth of the frames shows anything.
    """
    _, height, width = residual.shape
    visible = (residual.abs() > VISIBLE).numpy()
    rate = visible.mean(0)
    above, most = (share * height * width for share in sizes)
    most = max(_MIN_PIXELS, most)
    frames, boxes, levels = [], [], []
    for number, (mask, image) in enumerate(zip(visible, residual.numpy(), strict=True)):
        _, labels, regions, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        areas = regions[1:, cv2.CC_STAT_AREA]
        for label in np.flatnonzero((areas > above) & (areas <= most)) + 1:
            left, top, across, down = regions[label, :4].tolist()
            window = np.s_[top : top + down, left : left + across]
            inside = labels[window] == label
            if rate[window][inside].mean() <= _RARE:
                frames.append(number)
                boxes.append((top, left, down, across))
                levels.append(float(image[window][inside].mean()))
    found = np.array(boxes, np.int64).reshape(-1, 4)
    return Points(np.array(frames, np.int64), found[:, :2], found[:, 2:], np.array(levels))


class VotingAxis:
    """Votes along one axis for where points are when a candidate is 0.

    Attributes:
        candidates: possible positions, and their values for each point.
        scale: lines or columns of the grid in a pixel.
        reach: votes at most so far apart agree.
        width: of the window of votes that agree with the one in its middle.
        centers: of the points, in lines or columns of the grid, float (M,).
    """

    def __init__(
        self, of_frames: Candidates, points: Points, axis: int, length: int, size: int
    ) -> None:
        positions = of_frames.positions[:, torch.from_numpy(points.frame)]
        self.candidates = of_frames._replace(positions=positions)
        self.length, self.scale = length, length / size
        self.reach = min(max(1, int(self.scale)), (length - 1) // 2)
        self.width = 2 * self.reach + 1
        self.centers = (points.first[:, axis] + points.size[:, axis] / 2) * self.scale - 0.5
        places = (torch.from_numpy(self.centers) - positions).round()
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


class Vote(NamedTuple):
    """A candidate of the rows and one of the columns, where points vote, and how many do."""

    pair: tuple[int, int]
    places: tuple[int, int]
    num: float


class Agreement(NamedTuple):
    """Points that agree on a candidate of one axis.

    Attributes:
        axis: 0 for rows, 1 for columns.
        candidate: number of the candidate.
        place: where the points are when the candidate is 0.
        points: which points agree, bool (M,).
    """

    axis: int
    candidate: int
    place: int
    points: Tensor


class PointVotes:
    """Points of frames, and their votes along both axes.

    Args:
        residual: frames minus their background, in positions on the line of colors, float
            (N, H, W).
        states: of these frames, uint8 (N, bytes).
        grid: lines and columns that positions count in.
        tables: further decodings.
        sizes: of the points, least and most share of the screen.

    Attributes:
        points: all, or one of every few if there are many.
        states: as given.
        axes: votes for rows and for columns.
        energy: of the frames; the same part of it as of the points.
    """

    def __init__(
        self,
        residual: Tensor,
        states: Tensor,
        grid: tuple[int, int],
        tables: Sequence[PositionTable] = (),
        sizes: tuple[float, float] = SMALL,
    ) -> None:
        points = find_points(residual, sizes)
        step = max(1, -(-len(points.frame) // _MAX_POINTS))
        self.points = points.only(slice(None, None, step))
        self.energy = float(residual.square().mean()) * residual.numel() / step
        self.states, self._grid, self._size = states, grid, residual.shape[1:]
        self.set_tables(tables)

    def set_tables(self, tables: Sequence[PositionTable]) -> None:
        """Take these tables as further decodings."""
        self.axes = [
            VotingAxis(
                candidates(self.states, axis, tables),
                self.points,
                axis,
                self._grid[axis],
                self._size[axis],
            )
            for axis in (0, 1)
        ]

    def __len__(self) -> int:
        return len(self.points.frame)

    @property
    def min_votes(self) -> float:
        """Number of points that must agree."""
        return max(_MIN_VOTES, _MIN_SHARE * len(self))

    def agreements(self, remaining: Tensor) -> Iterator[Agreement]:
        """Yield the best candidates of either axis for the remaining points, bool (M,)."""
        for number, axis in enumerate(self.axes):
            most, where = axis.most(remaining)
            for candidate in most.argsort(descending=True)[:_NUM_SCREENED].tolist():
                place = int(where[candidate])
                points = remaining & axis.agree(candidate, place, axis.reach)
                yield Agreement(number, candidate, place, points)

    def best(self, remaining: Tensor) -> Vote:
        """Return the vote on which most of the remaining points, bool (M,), agree."""
        found = (self._completed(each) for each in self.agreements(remaining))
        return max(found, key=lambda vote: vote.num)

    def _completed(self, first: Agreement) -> Vote:
        """The best candidate of the other axis for points that agree on the first."""
        votes, where = self.axes[1 - first.axis].most(first.points)
        second = int(votes.argmax())
        num = float(votes[second]) * (_NONE_BONUS if first.candidate == 0 else 1.0)
        pair, places = (first.candidate, second), (first.place, int(where[second]))
        return Vote(pair, places, num) if first.axis == 0 else Vote(pair[::-1], places[::-1], num)

    def agreeing(self, vote: Vote, factor: int = 1) -> Tensor:
        """Return which points agree with a vote, bool (M,); with a factor, in a window that many
        times as wide.
        """
        rows, columns = (
            axis.agree(which, place, factor * axis.width // 2)
            for axis, which, place in zip(self.axes, vote.pair, vote.places, strict=True)
        )
        return rows & columns
