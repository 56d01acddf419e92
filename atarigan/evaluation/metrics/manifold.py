"""Manifolds of known point distributions, divided into cells."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from atarigan.data.sources.points import Distribution, GaussianMixture, NoisySine
from atarigan.errors import InputError

NUM_ARCS = 50
_SINE_MARGIN = 0.02
_SINE_THICKNESS = 0.1
_MODE_RADIUS = 3.0
_CURVE_STEPS = 20_000
OFF = -1


class Manifold(Protocol):
    """The set on or near which all points of a distribution lie, divided into cells.

    Attributes:
        num_cells: number of arcs of a curve, or of modes of a mixture.
    """

    @property
    def num_cells(self) -> int: ...

    def cells(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        """Return the cell of each point (N, 2), int64 (N,); `OFF` if it is off the manifold."""


@dataclass(frozen=True)
class SineBand:
    """The band around y = sin(5x) + 0.05, divided into arcs of equal length.

    A point is on the manifold if |x| ≤ 1.02 and sin(5x) - 0.02 ≤ y ≤ sin(5x) + 0.12: the band of
    the distribution and a margin of a fifth of its thickness. The arcs have equal length along the
    center line over [-1, 1]. A point belongs to the arc at its x, because the noise is in y alone.
    """

    num_cells: int = NUM_ARCS

    def cells(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        x, y = np.asarray(points, np.float64).T
        above = y - np.sin(5 * x)
        inside = np.abs(x) <= 1 + _SINE_MARGIN
        inside &= (above >= -_SINE_MARGIN) & (above <= _SINE_THICKNESS + _SINE_MARGIN)
        arcs = np.searchsorted(self.borders(), x, side="right") - 1
        return np.where(inside, arcs.clip(0, self.num_cells - 1), OFF)

    def borders(self) -> npt.NDArray[np.float64]:
        """Return the x coordinates of the ends of the arcs, ascending, float64 (num_cells + 1,)."""
        x = np.linspace(-1.0, 1.0, _CURVE_STEPS + 1)
        steps = np.hypot(np.diff(x), np.diff(np.sin(5 * x)))
        length = np.concatenate([[0.0], np.cumsum(steps)])
        return np.interp(np.linspace(0, length[-1], self.num_cells + 1), length, x)


@dataclass(frozen=True)
class MixtureModes:
    """Discs of three standard deviations around the centers of a mixture, one cell each.

    A point belongs to its nearest center. Three standard deviations are the usual limit of a
    high-quality point (Srivastava et al. 2017, arXiv:1705.07761); they hold 1 - exp(-9/2) = 98.9 %
    of the points of a round Gaussian.
    """

    mixture: GaussianMixture

    @property
    def num_cells(self) -> int:
        return len(self.mixture.centers)

    def cells(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        offsets = np.asarray(points, np.float64)[:, None] - self.mixture.centers
        distances = np.sqrt((offsets**2).sum(-1))
        near = distances.min(1) <= _MODE_RADIUS * self.mixture.std
        return np.where(near, distances.argmin(1), OFF)


def manifold_of(distribution: Distribution) -> Manifold:
    """Return the manifold of a distribution. Raises InputError if it is not known."""
    if isinstance(distribution, NoisySine):
        return SineBand()
    if isinstance(distribution, GaussianMixture):
        return MixtureModes(distribution)
    raise InputError(
        f"coverage needs a NoisySine or a GaussianMixture, not {type(distribution).__name__}"
    )
