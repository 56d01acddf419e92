"""Points in the plane as sources, with their exact densities."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import SampleSpec
from atarigan.data.sources.source import SOURCES, Batch, shuffled_indices
from atarigan.errors import InputError

Points = npt.NDArray[np.float32]
NUM_SINE_POINTS = 6000
NUM_MIXTURE_POINTS = 20_000
_SINE_NOISE = 0.1


class Distribution(Protocol):
    """A distribution of points in the plane."""

    def draw(self, num_points: int, seed: int) -> Points:
        """Points float32 (num_points, 2)."""

    def density(self, points: Points) -> npt.NDArray[np.float64]:
        """Probability density at points (N, 2), float64 (N,); it integrates to 1."""


@dataclass(frozen=True)
class NoisySine:
    """x in [-1, 1], evenly spaced when drawn; y = sin(5x) + 0.1·U[0, 1)."""

    def draw(self, num_points: int, seed: int) -> Points:
        x = np.linspace(-1.0, 1.0, num_points)
        noise = np.random.default_rng(seed).random(num_points)
        return np.stack([x, np.sin(5 * x) + _SINE_NOISE * noise], axis=1).astype(np.float32)

    def density(self, points: Points) -> npt.NDArray[np.float64]:
        x, y = points.astype(np.float64).T
        above = y - np.sin(5 * x)
        inside = (np.abs(x) <= 1) & (above >= 0) & (above < _SINE_NOISE)
        return np.where(inside, 1 / (2 * _SINE_NOISE), 0.0)


@dataclass(frozen=True)
class GaussianMixture:
    """Equally likely round Gaussians: centers float64 (K, 2) and one standard deviation."""

    centers: npt.NDArray[np.float64]
    std: float

    def draw(self, num_points: int, seed: int) -> Points:
        rng = np.random.default_rng(seed)
        chosen = self.centers[rng.integers(len(self.centers), size=num_points)]
        return (chosen + self.std * rng.standard_normal((num_points, 2))).astype(np.float32)

    def density(self, points: Points) -> npt.NDArray[np.float64]:
        offsets = points[:, None, :].astype(np.float64) - self.centers
        squared = (offsets**2).sum(-1) / self.std**2
        densities: npt.NDArray[np.float64] = np.exp(-squared / 2).mean(1) / (
            2 * np.pi * self.std**2
        )
        return densities


def ring() -> GaussianMixture:
    """Eight Gaussians on the unit circle."""
    angles = np.arange(8) * np.pi / 4
    return GaussianMixture(np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.05)


def grid() -> GaussianMixture:
    """Five by five Gaussians, half a unit apart."""
    steps = np.linspace(-1.0, 1.0, 5)
    return GaussianMixture(np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2), 0.05)


def spiral() -> GaussianMixture:
    """Two turns outwards to the unit circle, as many small Gaussians along the way."""
    fraction = np.sqrt(np.linspace(0.01, 1.0, 500))  # near enough evenly along the arc
    angles = 4 * np.pi * fraction
    centers = fraction[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return GaussianMixture(centers, 0.02)


class PointSet:
    """A fixed set of points, float32 (N, 2), each once an epoch.

    Attributes:
        distribution: what they were drawn from; None where that is not known.
    """

    def __init__(self, points: Points, distribution: Distribution | None = None) -> None:
        self.points = points
        self.distribution = distribution
        self.num_samples = len(points)
        self.spec = SampleSpec((2,))

    def samples_at(self, indices: npt.NDArray[np.int64]) -> Points:
        return self.points[indices]

    def conditions_at(self, indices: npt.NDArray[np.int64]) -> None:
        return None

    def batches(
        self, batch_size: int, seed: int, start: int = 0, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        for indices in shuffled_indices(
            self.num_samples, batch_size, seed, start, rank, world_size
        ):
            yield Batch(self.samples_at(indices))


def _drawn(distribution: Distribution, num_points: int, config: RunConfig) -> PointSet:
    """Points of a distribution. Raises InputError where the flags ask for what points have not."""
    asked = {
        "--condition": config.condition != "none",
        "--color": config.color != "stored",
        "--image-size": config.image_size is not None,
    }
    for flag, is_asked in asked.items():
        if is_asked:
            raise InputError(f"{flag} needs a source of images, and {config.source!r} gives points")
    return PointSet(distribution.draw(num_points, seed=0), distribution)


@SOURCES.register("sine")
def open_sine(config: RunConfig) -> PointSet:
    """6,000 points of a noisy sine curve."""
    return _drawn(NoisySine(), NUM_SINE_POINTS, config)


@SOURCES.register("ring")
def open_ring(config: RunConfig) -> PointSet:
    """20,000 points of eight Gaussians on a circle."""
    return _drawn(ring(), NUM_MIXTURE_POINTS, config)


@SOURCES.register("grid")
def open_grid(config: RunConfig) -> PointSet:
    """20,000 points of five by five Gaussians."""
    return _drawn(grid(), NUM_MIXTURE_POINTS, config)


@SOURCES.register("spiral")
def open_spiral(config: RunConfig) -> PointSet:
    """20,000 points along a spiral of two turns."""
    return _drawn(spiral(), NUM_MIXTURE_POINTS, config)
