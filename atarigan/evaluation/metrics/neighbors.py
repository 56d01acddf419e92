"""Who is near whom among features: precision, recall, density, coverage, and copies."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.subset import evenly_spaced

Features = npt.NDArray[np.floating]
NUM_NEIGHBORS = 5
MOST_COMPARED = 3000
COPY_SHARE = 0.05
_BLOCK = 512


class Nearest(NamedTuple):
    """The nearest of some features to each of others.

    Attributes:
        distances: float64 (N,), Euclidean.
        indices: int64 (N,), which it is.
    """

    distances: npt.NDArray[np.float64]
    indices: npt.NDArray[np.int64]


def neighborhood_scores(samples: Features, real: Features) -> dict[str, float]:
    """How far samples lie within real samples' neighborhoods, and real ones within theirs.

    A sample's neighborhood is the ball around it that reaches to its fifth nearest of its own set.
    precision and recall are equations (1) and (2) of Kynkäänniemi et al. 2019, arXiv:1904.06991;
    density and coverage are equations (4) and (5) of Naeem et al. 2020, arXiv:2002.09797. Of larger
    sets 3,000 evenly picked ones are looked at.

    Args:
        samples: (N, F), N at least 2.
        real: (M, F), M at least 2.

    Returns:
        precision, recall and coverage, 0 to 1; density, about 1 for real samples, at least 0.
    """
    fake_points, real_points = (_points(_picked(each)) for each in (samples, real))
    reach_real, reach_fake = _reach(real_points), _reach(fake_points)
    distances = _distances(fake_points, real_points)
    within_real = distances <= reach_real
    k = min(NUM_NEIGHBORS, len(real_points) - 1)
    return {
        "precision": float(within_real.any(1).double().mean()),
        "recall": float((distances <= reach_fake[:, None]).any(0).double().mean()),
        "density": float(within_real.double().sum(1).mean() / k),
        "coverage": float(within_real.any(0).double().mean()),
    }


def copied_share(samples: Features, training: Features, fresh: Features) -> float:
    """Share of samples that are nearer to a training sample than 95 % of fresh real ones are, or as
    near.

    About 0.05 for samples that are as new as fresh ones, or as many more as are the same as one
    learned from even among fresh ones; 1 for a set that was learned by heart;
    the same idea as the third-sample test of Meehan et al. 2020, arXiv:2004.05675, read at one
    quantile.

    Args:
        samples: features (N, F).
        training: features (T, F) of what was learned from.
        fresh: features (M, F) of real samples that were not.
    """
    training = _picked(training)
    limit = np.quantile(nearest(_picked(fresh), training).distances, COPY_SHARE)
    return float((nearest(_picked(samples), training).distances <= limit).mean())


def nearest(features: Features, among: Features) -> Nearest:
    """For each of features (N, F), the nearest of others (M, F), M at least 1."""
    points, others = _points(features), _points(among)
    found = [_distances(block, others).min(1) for block in points.split(_BLOCK)]
    return Nearest(
        np.concatenate([each.values.double().numpy() for each in found]),
        np.concatenate([each.indices.numpy() for each in found]),
    )


def _picked(features: Features) -> Features:
    """Evenly picked ones, since real ones lie in the order of play; all where there are few."""
    some: Features = features[evenly_spaced(len(features), MOST_COMPARED)]
    return some


def _points(features: Features) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(features, np.float32))


def _reach(points: Tensor) -> Tensor:
    """Each point's distance to its fifth nearest other one, (N,)."""
    k = min(NUM_NEIGHBORS, len(points) - 1) + 1  # the nearest is the point itself
    blocks = points.split(_BLOCK)
    return torch.cat(
        [_distances(block, points).topk(k, largest=False).values[:, -1] for block in blocks]
    )


def _distances(first: Tensor, second: Tensor) -> Tensor:
    """Euclidean distances (N, M), exactly 0 where two points are the same."""
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")
