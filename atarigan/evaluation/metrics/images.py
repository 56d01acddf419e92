"""Metrics of image features and class probabilities.

Distances are taken in the features of the named extractor: they are not FID and KID unless that is
Inception.
"""

import warnings

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from atarigan.errors import InputError

Array = npt.NDArray[np.float64]
NUM_KERNEL_SUBSETS = 20
KERNEL_SUBSET_SIZE = 1000


class _ExtractedFeatures(nn.Module):
    """Passes features through: torchmetrics expects a feature extractor."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(samples: Array, real: Array) -> float:
    """Compute the squared Fréchet distance of Gaussians with the features' means and covariances.

    |m - m'|² + Tr(C + C' - 2 (C C')^½), Heusel et al. 2017, arXiv:1706.08500, equation (6), in
    float64. The estimate has a positive bias that falls with the number of samples: compare only
    distances of equally many samples, and compare them with the floor.

    The trace of the root is that of the symmetric (C^½ C' C^½)^½, which has the same eigenvalues
    and, unlike torchmetrics' version, allows constant features.

    Args:
        samples: features float64 (N, F), N at least 2.
        real: features float64 (M, F), M at least 2.

    Returns:
        at least 0.

    Raises:
        InputError: there are too few samples, or the numbers of features differ.
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
    """Estimate the squared maximum mean discrepancy with the kernel (x·y / F + 1)³, unbiased.

    Bińkowski et al. 2018, arXiv:1801.01401, section 4: the mean over 20 random subsets of 1,000
    samples of each set, fewer if the smaller set has fewer. Where they are both whole sets, one
    subset is enough.

    Args:
        samples: features float64 (N, F), N at least 2.
        real: features float64 (M, F), M at least 2.
        seed: seed of the subsets.

    Returns:
        0 on average for sets of one distribution; it can be negative.

    Raises:
        InputError: there are too few samples, or the numbers of features differ.
    """
    from torchmetrics.image.kid import KernelInceptionDistance  # slow to import

    _check_pair(samples, real)
    size = min(KERNEL_SUBSET_SIZE, len(samples), len(real))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all")
        metric = KernelInceptionDistance(
            feature=_ExtractedFeatures(samples.shape[1]),
            subsets=1 if size == len(samples) == len(real) else NUM_KERNEL_SUBSETS,
            subset_size=size,
        )
    metric.update(torch.from_numpy(samples), real=False)
    metric.update(torch.from_numpy(real), real=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, _ = metric.compute()
    return float(mean)


def class_entropy(probabilities: Array) -> float:
    """Compute the entropy of the mean class probabilities, relative to its maximum, 0 to 1.

    H(p̄) / log K with p̄ the mean of p(class | image) over the images: 1 if all classes are equally
    frequent, log(K/2) / log K if half of them are missing. H(p̄) is the first term of the exponent
    of the Inception score (Salimans et al. 2016, arXiv:1606.03498, section 4).

    Args:
        probabilities: probabilities of K classes, float64 (N, K), K at least 2.

    Raises:
        InputError: there are no images, or fewer than two classes.
    """
    _check_probabilities(probabilities)
    mean = probabilities.mean(0)
    terms = np.where(mean > 0, mean * np.log(np.where(mean > 0, mean, 1)), 0)
    return float(-terms.sum() / np.log(len(mean)))


def mean_confidence(probabilities: Array) -> float:
    """Compute the mean probability of each image's most probable class, 1/K to 1.

    It is low for images between classes. It does not detect images outside all classes, because a
    classifier can be confident about noise.

    Args:
        probabilities: probabilities of K classes, float64 (N, K), K at least 2.

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
