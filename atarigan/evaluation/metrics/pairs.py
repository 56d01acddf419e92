"""Metrics of generated frames against the true frames of the same states."""

import math

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.metrics.game_statistics import GameStatistics, far_apart
from atarigan.evaluation.metrics.objects import Objects, find_objects
from atarigan.evaluation.metrics.score import METRICS, Score, interval
from atarigan.images.pixels import Frames

_NEAR_SHARE = 0.04
_PERFECT = {
    "pixel_accuracy": 1.0,
    "foreground_accuracy": 1.0,
    "small_found": 1.0,
    "small_offset": 0.0,
}


def pair_scores(
    frames: Frames,
    true: Frames,
    statistics: GameStatistics,
    episodes: npt.NDArray[np.int64] | None = None,
) -> dict[str, Score]:
    """Compare each generated frame with its true frame.

    The floor is that of perfect frames. The interval is 1.96 standard errors of the mean, clustered
    by episodes where there are any (Liang and Zeger 1986, with the factor k / (k - 1) for k
    episodes).

    Args:
        frames: generated frames, uint8 (N, H, W, C).
        true: real frames of the same states, uint8 (N, H, W, C).
        statistics: statistics of the game.
        episodes: episode of each pair, int64 (N,); None if they are independent.

    Returns:
        pixel_accuracy: share of pixels with every channel within 8 levels of the true one.
        foreground_accuracy: the same over foreground pixels of the true frames.
        small_found: share of small objects of the true frames with an object of the generated
            frame within 1/25 of the shorter side.
        small_offset: distance to that object in pixels.
        Metrics without any pixel or object to measure are left out.
    """
    is_near = ~far_apart(frames, true)
    foreground = statistics.foreground(true)
    wanted, shown = (
        find_objects(statistics.object_pixels(each), statistics.foreground_rate)
        for each in (true, frames)
    )
    is_small = wanted.is_small(*true.shape[1:3])
    offsets = _offsets(wanted, is_small, shown)
    is_found = offsets <= _NEAR_SHARE * min(true.shape[1:3])
    per_frame = foreground.sum((1, 2))
    has_some = per_frame > 0
    right = (is_near & foreground).sum((1, 2))
    of_small = wanted.frame[is_small]
    measured = {  # values, weights, and the frame of each
        "pixel_accuracy": (is_near.mean((1, 2)), None, np.arange(len(true))),
        "foreground_accuracy": (
            right[has_some] / per_frame[has_some],
            per_frame[has_some],
            np.flatnonzero(has_some),
        ),
        "small_found": (is_found.astype(float), None, of_small),
        "small_offset": (offsets[is_found], None, of_small[is_found]),
    }
    return {
        name: _score(name, values, weights, None if episodes is None else episodes[frame])
        for name, (values, weights, frame) in measured.items()
        if len(values)
    }


def _offsets(
    wanted: Objects, is_small: npt.NDArray[np.bool_], shown: Objects
) -> npt.NDArray[np.float64]:
    """Return each small object's distance to the nearest object of the generated frame, in pixels;
    infinite if that has no objects.
    """
    starts = np.searchsorted(shown.frame, np.arange(wanted.frame.max(initial=0) + 2))
    offsets = []
    for frame, row, column in zip(
        wanted.frame[is_small], wanted.row[is_small], wanted.column[is_small], strict=True
    ):
        here = slice(starts[frame], starts[frame + 1])
        distances = np.hypot(shown.row[here] - row, shown.column[here] - column)
        offsets.append(distances.min(initial=math.inf))
    return np.array(offsets, np.float64)


def _score(
    name: str,
    values: npt.NDArray[np.float64],
    weights: npt.NDArray[np.int64] | None,
    episodes: npt.NDArray[np.int64] | None,
) -> Score:
    mean = float(np.average(values, weights=weights))
    error = float(values.std()) / math.sqrt(len(values))
    if episodes is not None:
        error = _clustered_error(values - mean, weights, episodes) or error
    return Score(
        value=mean,
        floor=_PERFECT[name],
        interval=interval(name, mean, error),
        better=METRICS[name].better,
    )


def _clustered_error(
    residuals: npt.NDArray[np.float64],
    weights: npt.NDArray[np.int64] | None,
    episodes: npt.NDArray[np.int64],
) -> float:
    """Return the standard error of a mean of values that come by episodes; 0 for one episode."""
    num_episodes = len(np.unique(episodes))
    if num_episodes < 2:
        return 0.0
    weights = np.ones(len(residuals), np.int64) if weights is None else weights
    sums = np.bincount(episodes, weights * residuals)
    factor = num_episodes / (num_episodes - 1)
    return math.sqrt(factor * float((sums**2).sum())) / float(weights.sum())
