"""Points in the plane as sources, with the distributions that they are drawn from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import SampleSpec
from atarigan.data.sources.source import SOURCES, DataSource
from atarigan.errors import InputError

Points = npt.NDArray[np.float32]
POINT_SOURCES = ("sine", "ring", "grid", "spiral")
NUM_SINE_POINTS = 6000
NUM_MIXTURE_POINTS = 20_000
_SINE_NOISE = 0.1


@dataclass(frozen=True)
class NoisySine:
    """x evenly spaced in [-1, 1], y = sin(5x) + 0.1·U[0, 1)."""

    def draw(self, num_points: int, seed: int) -> Points:
        """Draw points, float32 (num_points, 2)."""
        x = np.linspace(-1.0, 1.0, num_points)
        noise = np.random.default_rng(seed).random(num_points)
        return np.stack([x, np.sin(5 * x) + _SINE_NOISE * noise], axis=1).astype(np.float32)


@dataclass(frozen=True)
class GaussianMixture:
    """A mixture of K equally likely isotropic Gaussians with one standard deviation.

    Attributes:
        centers: float64 (K, 2).
        std: standard deviation of each.
    """

    centers: npt.NDArray[np.float64]
    std: float

    def draw(self, num_points: int, seed: int) -> Points:
        """Draw points, float32 (num_points, 2)."""
        rng = np.random.default_rng(seed)
        chosen = self.centers[rng.integers(len(self.centers), size=num_points)]
        return (chosen + self.std * rng.standard_normal((num_points, 2))).astype(np.float32)


Distribution = NoisySine | GaussianMixture


def ring() -> GaussianMixture:
    """Return eight Gaussians on the unit circle."""
    angles = np.arange(8) * np.pi / 4
    return GaussianMixture(np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.05)


def grid() -> GaussianMixture:
    """Return five by five Gaussians, half a unit apart."""
    steps = np.linspace(-1.0, 1.0, 5)
    return GaussianMixture(np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2), 0.05)


def spiral() -> GaussianMixture:
    """Return 500 narrow Gaussians along a spiral of two turns that ends on the unit circle."""
    fraction = np.sqrt(np.linspace(0.01, 1.0, 500))  # about evenly along the arc
    angles = 4 * np.pi * fraction
    centers = fraction[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return GaussianMixture(centers, 0.02)


class PointSet(DataSource):
    """A fixed set of points, float32 (N, 2).

    Attributes:
        distribution: the distribution that they were drawn from; None if unknown.
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


def _drawn(distribution: Distribution, num_points: int, config: RunConfig) -> PointSet:
    """Draw points. Raise InputError if a flag is set that points do not support."""
    asked = {
        "--data": config.data is not None,
        "--condition": config.condition != "none",
        "--color": config.color != "stored",
        "--image-size": config.image_size is not None,
    }
    for flag, is_asked in asked.items():
        if is_asked:
            raise InputError(
                f"{flag} needs a source of images or frames, and {config.source!r} gives points"
            )
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
