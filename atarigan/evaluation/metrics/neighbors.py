"""Metrics of nearest neighbors among features: precision, recall, density, coverage, copies."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.images.subset import drawn

Features = npt.NDArray[np.floating]
NUM_NEIGHBORS = 5
MAX_COMPARED = 3000
COPY_SHARE = 0.05
_BLOCK = 512


class Nearest(NamedTuple):
    """The nearest neighbors of N features in another set.

    Attributes:
        distances: Euclidean distances, float64 (N,).
        indices: indices into the other set, int64 (N,).
    """

    distances: npt.NDArray[np.float64]
    indices: npt.NDArray[np.int64]


def neighborhood_scores(samples: Features, real: Features) -> dict[str, float]:
    """Compute precision, recall, density and coverage.

    The neighborhood of a sample is the ball that reaches to its fifth nearest neighbor in its own
    set. Precision and recall are equations (1) and (2) of Kynkäänniemi et al. 2019,
    arXiv:1904.06991; density and coverage are equations (4) and (5) of Naeem et al. 2020,
    arXiv:2002.09797. Of larger sets 3,000 samples are drawn.

    Args:
        samples: (N, F), N at least 2.
        real: (M, F), M at least 2.

    Returns:
        precision, recall and coverage in 0 to 1; density, at least 0 and about 1 for real samples.
    """
    fake_points, real_points = (_points(_subset(each)) for each in (samples, real))
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
    """Compute the share of samples at least as near to a training sample as the nearest 5 % of
    fresh real samples.

    It is about 0.05 for samples as new as fresh ones, more if fresh samples repeat training
    samples, and 1 for memorized samples. The idea is that of the three-sample test of Meehan et
    al. 2020, arXiv:2004.05675, at a single quantile.

    Args:
        samples: features (N, F).
        training: features of training samples, (T, F).
        fresh: features of real samples outside the training set, (M, F).
    """
    training = _subset(training)
    limit = np.quantile(nearest(_subset(fresh), training).distances, COPY_SHARE)
    return float((nearest(_subset(samples), training).distances <= limit).mean())


def nearest(features: Features, among: Features) -> Nearest:
    """Find the nearest neighbor of each of features (N, F) among others (M, F), M at least 1."""
    points, others = _points(features), _points(among)
    found = [_distances(block, others).min(1) for block in points.split(_BLOCK)]
    return Nearest(
        np.concatenate([each.values.double().numpy() for each in found]),
        np.concatenate([each.indices.numpy() for each in found]),
    )


def _subset(features: Features) -> Features:
    """Draw at most 3,000 features."""
    some: Features = features[drawn(len(features), MAX_COMPARED)]
    return some


def _points(features: Features) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(features, np.float32))


def _reach(points: Tensor) -> Tensor:
    """Compute each point's distance to its fifth nearest neighbor, (N,)."""
    k = min(NUM_NEIGHBORS, len(points) - 1) + 1  # a point is its own nearest neighbor
    blocks = points.split(_BLOCK)
    return torch.cat(
        [_distances(block, points).topk(k, largest=False).values[:, -1] for block in blocks]
    )


def _distances(first: Tensor, second: Tensor) -> Tensor:
    """Compute Euclidean distances (N, M), exactly 0 between equal points."""
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")
