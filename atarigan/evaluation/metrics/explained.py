"""How much of the variance of pictures the states explain, and what differs between episodes."""

import math

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.metrics.score import METRICS, Score, interval
from atarigan.images.pixels import Frames

EPISODE_SHARE = 0.02
_AT_ONCE = 512  # values of a frame


def explained_scores(
    frames: Frames, true: Frames, episodes: npt.NDArray[np.int64] | None = None
) -> dict[str, Score]:
    """Measure how much of the true frames' variance frames drawn from their states explain.

    Args:
        frames: generated frames, uint8 (N, H, W, C).
        true: real frames of the same states, uint8 (N, H, W, C).
        episodes: episode of each pair, int64 (N,); None if they are independent.

    Returns:
        variance_explained: 1 - Σ (true - drawn)² / Σ (true - mean)², over frames and values.
        episode_variance: share of the variance that is constant in an episode, differs between
            episodes, and is not drawn, such as a terrain that is not in the state: the component
            between groups of the differences true - drawn, by the one-way analysis of variance
            (Searle, Casella and McCulloch 1992, "Variance Components", chapter 3). Left out with
            fewer than two episodes, or one frame each.
        Both are left out if all true frames are equal.
    """
    flat, drawn = (each.reshape(len(each), -1) for each in (true, frames))
    total, wrong = np.zeros(len(flat)), np.zeros(len(flat))
    between = 0.0
    groups = None if episodes is None else np.unique(episodes, return_inverse=True)[1]
    num_groups = 0 if groups is None else int(groups.max()) + 1
    has_groups = 1 < num_groups < len(flat)
    for start in range(0, flat.shape[1], _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        values = flat[:, part].astype(np.float32)
        apart = values - drawn[:, part]
        total += np.square(values - values.mean(0)).sum(1, dtype=np.float64)
        wrong += np.square(apart).sum(1, dtype=np.float64)
        if groups is not None and has_groups:
            between += _between_groups(apart, groups, num_groups)
    if not total.sum():
        return {}
    share = float(wrong.sum() / total.sum())
    error = float(np.std(wrong - share * total) / total.mean()) / math.sqrt(len(total))
    found = {"variance_explained": _score("variance_explained", 1 - share, 1.0, error)}
    if has_groups:
        value = max(0.0, between) / float(total.sum())
        found["episode_variance"] = _score("episode_variance", value, 0.0, 0.0)
    return found


def undetermined(scores: dict[str, Score]) -> str | None:
    """Return what to say of pictures that the state does not determine, by `explained_scores`; None
    if no episode shows much that others do not, or most of what is wrong differs within episodes.
    """
    if "episode_variance" not in scores:
        return None
    share = scores["episode_variance"]["value"]
    explained = scores["variance_explained"]["value"]
    if share < max(EPISODE_SHARE, (1 - explained) / 2):
        return None
    return (
        f"the state does not determine the picture: it explains {explained:.1%} of the variance of "
        f"pixels, and {share:.1%} differ from episode to episode, as a random terrain does; of "
        "these the generator draws the most usual: put them into info and condition on info:KEY"
    )


def _between_groups(
    values: npt.NDArray[np.float32], groups: npt.NDArray[np.int64], num_groups: int
) -> float:
    """Return N times the variance component between groups of values (N, K), summed over K."""
    counts = np.bincount(groups, minlength=num_groups)[:, None]
    order = np.argsort(groups, kind="stable")
    starts = np.cumsum(counts[:, 0]) - counts[:, 0]
    sums = np.add.reduceat(values[order].astype(np.float64), starts, axis=0)
    num = len(values)
    means = values.mean(0, dtype=np.float64)
    of_groups = (np.square(sums / counts - means) * counts).sum()
    within = np.square(values, dtype=np.float64).sum() - (np.square(sums) / counts).sum()
    noise = within / (num - num_groups)
    usual_count = (num - float(np.square(counts).sum()) / num) / (num_groups - 1)
    return float((of_groups / (num_groups - 1) - noise) / usual_count * num)


def _score(name: str, value: float, floor: float, error: float) -> Score:
    return Score(
        value=value,
        floor=floor,
        interval=interval(name, value, error),
        better=METRICS[name].better,
    )
