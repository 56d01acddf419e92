"""How frames move: what changes from one to the next, how far small objects go, what flickers."""

import itertools
import math

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.objects import find_objects
from atarigan.images.pixels import Frames

REACH = 0.25
NUM_MOVES = 22
Places = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def describe_motion(scene: GameStatistics, stacks: Frames) -> dict[str, Counts]:
    """What moves in each stack of consecutive frames.

    Args:
        scene: of the game.
        stacks: uint8 (N, K, H, W, C), oldest frame first, K at least 2.

    Returns:
        pixels_changed (N, K-1), how many differ from the frame before; small_moves (N, 22), how
        many small objects go so far until the next frame, in steps of an eighty-fourth of the
        shorter side, the last for those that are no longer within a quarter of it. With three
        frames or more, pixels_returned (N, K-2), how many change and are in the next frame what
        they were; small_kept and small_blinked (N,), small objects that the next frame but one
        shows too, and those of them that the next one does not.
    """
    num, num_stack = stacks.shape[:2]
    places = small_places(scene, stacks.reshape(-1, *stacks.shape[2:]))
    side = min(stacks.shape[2:4])
    tracks = [places[start : start + num_stack] for start in range(0, len(places), num_stack)]
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


def small_places(scene: GameStatistics, frames: Frames) -> list[Places]:
    """Row and column of each frame's small objects, (M, 2) pixels, for frames (N, H, W, C)."""
    found = find_objects(scene.object_pixels(frames), scene.foreground_rate)
    is_small = found.is_small(*frames.shape[1:3])
    places = np.stack([found.row, found.column], axis=1)[is_small]
    return np.split(places, np.searchsorted(found.frame[is_small], np.arange(1, len(frames))))


def moves(track: list[Places], side: int) -> Counts:
    """How many objects of a track, (M, 2) a frame, go how far: (22,), see `describe_motion`."""
    counts = np.zeros(NUM_MOVES, np.int64)
    for before, after in itertools.pairwise(track):
        distances = to_nearest(before, after)
        steps = np.minimum(distances / side, REACH) / REACH * (NUM_MOVES - 1)
        counts += np.bincount(steps.astype(np.int64), minlength=NUM_MOVES)
    return counts


def blinks(track: list[Places], reach: float) -> tuple[int, int]:
    """How many objects of a track, (M, 2) a frame, a later frame shows within twice the reach, in
    pixels, and how many of them the one between does not show within it.
    """
    num_kept = num_blinked = 0
    for before, between, after in zip(track, track[1:], track[2:], strict=False):
        is_kept = to_nearest(before, after) <= 2 * reach
        is_gone = to_nearest(before, between) > reach
        num_kept += int(is_kept.sum())
        num_blinked += int((is_kept & is_gone).sum())
    return num_kept, num_blinked


def to_nearest(places: Places, others: Places) -> npt.NDArray[np.float64]:
    """Distance of each of places (M, 2) to the nearest of others (L, 2), (M,); infinite where there
    are none.
    """
    apart = places[:, None] - others
    distances: npt.NDArray[np.float64] = np.hypot(apart[..., 0], apart[..., 1])
    nearest: npt.NDArray[np.float64] = distances.min(axis=1, initial=math.inf)
    return nearest
