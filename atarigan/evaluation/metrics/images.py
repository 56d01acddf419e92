"""How like two sets of images are, by what a feature extractor makes of them.

They are distances in the features of the extractor that is named beside them, not Inception
distances.
"""

import warnings

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torchmetrics.image.kid import KernelInceptionDistance

from atarigan.errors import InputError

Array = npt.NDArray[np.float64]
NUM_KERNEL_SUBSETS = 20
KERNEL_SUBSET_SIZE = 1000


class _AsTheyAre(nn.Module):
    """What stands in a metric's extractor's place where features come extracted."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(samples: Array, real: Array) -> float:
    """Squared Fréchet distance of the Gaussians that have the features' means and covariances.

    |m - m'|² + Tr(C + C' - 2 (C C')^½), Heusel et al. 2017, arXiv:1706.08500, equation (6), in
    float64. The estimate is too large by an amount that falls with the number of samples: compare
    only what was measured with equal numbers, and look at the floor.

    The root's trace is that of the symmetric (C^½ C' C^½)^½, which has the same eigenvalues, so
    that features which never change do no harm, as they do to torchmetrics'.

    Args:
        samples: features float64 (N, F), N at least 2.
        real: features float64 (M, F), M at least 2.

    Returns:
        at least 0.

    Raises:
        InputError: there are too few, or the features are of two extractors.
    """
    _check_pair(samples, real)
    covariances = [
        np.cov(each, rowvar=False).reshape(each.shape[1], -1) for each in (samples, real)
    ]
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    roots = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(0))
    apart = ((samples.mean(0) - real.mean(0)) ** 2).sum()
    traces = sum(np.trace(covariance) for covariance in covariances)
    return max(0.0, float(apart + traces - 2 * roots.sum()))


def kernel_distance(samples: Array, real: Array, seed: int = 0) -> float:
    """Squared maximum mean discrepancy by the kernel (x·y / F + 1)³, unbiased.

    Bińkowski et al. 2018, arXiv:1801.01401, section 4: the mean over 20 random subsets of 1,000 of
    each set (or as many as the smaller one has).

    Args:
        samples: features float64 (N, F), N at least 2.
        real: features float64 (M, F), M at least 2.
        seed: of the subsets.

    Returns:
        about 0 for like sets, and then as often below as above.

    Raises:
        InputError: there are too few, or the features are of two extractors.
    """
    _check_pair(samples, real)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all")
        metric = KernelInceptionDistance(
            feature=_AsTheyAre(samples.shape[1]),
            subsets=NUM_KERNEL_SUBSETS,
            subset_size=min(KERNEL_SUBSET_SIZE, len(samples), len(real)),
        )
    metric.update(torch.from_numpy(samples), real=False)
    metric.update(torch.from_numpy(real), real=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, _ = metric.compute()
    return float(mean)


def class_entropy(probabilities: Array) -> float:
    """Entropy of the classes' mean probabilities, as a share of the largest there can be, 0 to 1.

    H(p̄) / log K with p̄ the mean of p(class | image) over the images: 1 where every class is equally
    frequent, log(K/2) / log K where half of them are missing. It is the first term of the Inception
    score's exponent (Salimans et al. 2016, arXiv:1606.03498, section 4), made relative.

    Args:
        probabilities: of K classes, float64 (N, K), K at least 2.

    Raises:
        InputError: there are no images, or fewer than two classes.
    """
    _check_probabilities(probabilities)
    mean = probabilities.mean(0)
    terms = np.where(mean > 0, mean * np.log(np.where(mean > 0, mean, 1)), 0)
    return float(-terms.sum() / np.log(len(mean)))


def mean_confidence(probabilities: Array) -> float:
    """Mean probability of each image's most probable class, 1/K to 1.

    It falls where images lie between classes, and says nothing of what looks like none of them: a
    classifier can be sure of noise.

    Args:
        probabilities: of K classes, float64 (N, K), K at least 2.

    Raises:
        InputError: there are no images, or fewer than two classes.
    """
    _check_probabilities(probabilities)
    return float(probabilities.max(1).mean())


def _check_pair(samples: Array, real: Array) -> None:
    shapes = samples.shape, real.shape
    if any(len(shape) != 2 or shape[0] < 2 for shape in shapes) or shapes[0][1] != shapes[1][1]:
        raise InputError(
            "distances need features (N, F) and (M, F) with N and M at least 2, "
            f"not {shapes[0]} and {shapes[1]}"
        )


def _check_probabilities(probabilities: Array) -> None:
    if probabilities.ndim != 2 or len(probabilities) == 0 or probabilities.shape[1] < 2:
        raise InputError(
            f"class probabilities must be (N, K) with N at least 1 and K at least 2, "
            f"not {probabilities.shape}"
        )
