"""Generated frames beside the true ones of the same states: pixels, objects, places."""

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


def pair_scores(frames: Frames, true: Frames, scene: GameStatistics) -> dict[str, Score]:
    """How right generated frames are, one by one. The floor is perfection; the interval is 1.96
    standard errors of the mean over frames.

    Args:
        frames: generated, uint8 (N, H, W, C).
        true: of the same states, likewise.
        scene: of the game.

    Returns:
        pixel_accuracy, the share of pixels whose channels are all within 8 levels of the true ones;
        foreground_accuracy, the same of pixels that truly differ from the background; small_found,
        the share of small objects near which a frame has an object too, within a twenty-fifth of
        the shorter side; small_offset, how far away that is, in pixels. Objects differ from the
        background by more than 8 levels. What does not occur is left out.
    """
    is_near = ~far_apart(frames, true)
    foreground = scene.foreground(true)
    wanted, shown = (
        find_objects(scene.object_pixels(each), scene.foreground_rate) for each in (true, frames)
    )
    is_small = wanted.is_small(*true.shape[1:3])
    offsets = _offsets(wanted, is_small, shown)
    is_found = offsets <= _NEAR_SHARE * min(true.shape[1:3])
    per_frame = foreground.sum((1, 2))
    has_some = per_frame > 0
    right = (is_near & foreground).sum((1, 2))
    found = {
        "pixel_accuracy": _score("pixel_accuracy", is_near.mean((1, 2)), None),
        "foreground_accuracy": _score(
            "foreground_accuracy", right[has_some] / per_frame[has_some], per_frame[has_some]
        ),
        "small_found": _score("small_found", is_found.astype(float), None),
        "small_offset": _score("small_offset", offsets[is_found], None),
    }
    return {name: score for name, score in found.items() if score is not None}


def _offsets(
    wanted: Objects, is_small: npt.NDArray[np.bool_], shown: Objects
) -> npt.NDArray[np.float64]:
    """Each small object's distance to the nearest object that its frame shows, in pixels; infinite
    where it shows none.
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
    name: str, values: npt.NDArray[np.float64], weights: npt.NDArray[np.int64] | None
) -> Score | None:
    if len(values) == 0:
        return None
    mean = float(np.average(values, weights=weights))
    return Score(
        value=mean,
        floor=_PERFECT[name],
        interval=interval(name, mean, float(values.std()) / math.sqrt(len(values))),
        better=METRICS[name].better,
    )
