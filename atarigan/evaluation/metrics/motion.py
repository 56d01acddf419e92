"""Motion in stacks of frames: changed pixels, moves of small objects, and flicker."""

import itertools
import math

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.objects import find_objects
from atarigan.images.pixels import Frames

REACH = 0.25
NUM_MOVES = 22
Positions = npt.NDArray[np.float64]
"""Row and column of M objects in pixels, (M, 2)."""
Counts = npt.NDArray[np.int64]


def describe_motion(statistics: GameStatistics, stacks: Frames) -> dict[str, Counts]:
    """Compute the descriptors of the motion in each stack.

    Args:
        statistics: statistics of the game.
        stacks: uint8 (N, K, H, W, C), oldest frame first, K at least 2.

    Returns:
        pixels_changed (N, K-1): pixels that differ from the previous frame.
        small_moves (N, 22): histogram of the distances that small objects move per frame, in bins
            of 1/84 of the shorter side; the last bin counts objects farther than a quarter of it
            from any object of the next frame.
        pixels_returned (N, K-2), if K is at least 3: pixels that change and change back.
        small_kept (N,), if K is at least 3: small objects that are still there two frames later.
        small_blinked (N,), if K is at least 3: kept objects that the frame between lacks.
    """
    num, num_stack = stacks.shape[:2]
    found = small_positions(statistics, stacks.reshape(-1, *stacks.shape[2:]))
    side = min(stacks.shape[2:4])
    tracks = [found[start : start + num_stack] for start in range(0, len(found), num_stack)]
    changed = (stacks[:, 1:] != stacks[:, :-1]).any(-1)
    columns = {
        "pixels_changed": changed.sum((2, 3)),
        "small_moves": np.array([moves(track, side) for track in tracks]).reshape(num, NUM_MOVES),
    }
    if num_stack < 3:
        return columns
    is_back = (stacks[:, 2:] == stacks[:, :-2]).all(-1)
    blinked = np.array([blinks(track, REACH * side) for track in tracks]).reshape(num, 2)
    return columns | {
        "pixels_returned": (changed[:, :-1] & is_back).sum((2, 3)),
        "small_kept": blinked[:, 0],
        "small_blinked": blinked[:, 1],
    }


def small_positions(statistics: GameStatistics, frames: Frames) -> list[Positions]:
    """Return the positions of each frame's small objects, for frames (N, H, W, C)."""
    found = find_objects(statistics.object_pixels(frames), statistics.foreground_rate)
    is_small = found.is_small(*frames.shape[1:3])
    positions = np.stack([found.row, found.column], axis=1)[is_small]
    return np.split(positions, np.searchsorted(found.frame[is_small], np.arange(1, len(frames))))


def moves(track: list[Positions], side: int) -> Counts:
    """Count how far the objects of consecutive frames move, (22,); see `describe_motion`."""
    counts = np.zeros(NUM_MOVES, np.int64)
    for before, after in itertools.pairwise(track):
        distances = to_nearest(before, after)
        steps = np.minimum(distances / side, REACH) / REACH * (NUM_MOVES - 1)
        counts += np.bincount(steps.astype(np.int64), minlength=NUM_MOVES)
    return counts


def blinks(track: list[Positions], reach: float) -> tuple[int, int]:
    """Count objects that are still there two frames later, and how many the frame between lacks.

    Args:
        track: positions of objects in consecutive frames.
        reach: distance within which an object of the next frame counts as the same, in pixels;
            twice as far for the frame after it.
    """
    num_kept = num_blinked = 0
    for before, between, after in zip(track, track[1:], track[2:], strict=False):
        is_kept = to_nearest(before, after) <= 2 * reach
        is_gone = to_nearest(before, between) > reach
        num_kept += int(is_kept.sum())
        num_blinked += int((is_kept & is_gone).sum())
    return num_kept, num_blinked


def to_nearest(positions: Positions, others: Positions) -> npt.NDArray[np.float64]:
    """Return the distance of each position (M, 2) to the nearest of others (L, 2), (M,); infinite
    if there are no others.
    """
    apart = positions[:, None] - others
    distances: npt.NDArray[np.float64] = np.hypot(apart[..., 0], apart[..., 1])
    nearest: npt.NDArray[np.float64] = distances.min(axis=1, initial=math.inf)
    return nearest
