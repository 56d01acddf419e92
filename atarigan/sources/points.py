"""Points in the plane as sources."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from atarigan.run_config import RunConfig, SampleSpec
from atarigan.sources.source import SOURCES, Batch, shuffled_indices

NUM_SINE_POINTS = 6000


class PointSet:
    """A fixed set of points, float32 (N, 2), each once an epoch."""

    def __init__(self, points: npt.NDArray[np.float32]) -> None:
        self.points = points
        self.num_samples = len(points)
        self.spec = SampleSpec((2,))

    def batches(
        self, batch_size: int, seed: int, start: int = 0, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        for indices in shuffled_indices(
            self.num_samples, batch_size, seed, start, rank, world_size
        ):
            yield Batch(self.points[indices])


def sine_points(num_points: int = NUM_SINE_POINTS, seed: int = 0) -> npt.NDArray[np.float32]:
    """Points on a noisy sine curve, float32 (num_points, 2): x evenly spaced in [-1, 1], y =
    sin(5x) + 0.1·U[0, 1).
    """
    x = np.linspace(-1.0, 1.0, num_points)
    y = np.sin(5 * x) + 0.1 * np.random.default_rng(seed).random(num_points)
    return np.stack([x, y], axis=1).astype(np.float32)


@SOURCES.register("sine")
def open_sine(config: RunConfig) -> PointSet:
    """6,000 points of a noisy sine curve."""
    return PointSet(sine_points())
