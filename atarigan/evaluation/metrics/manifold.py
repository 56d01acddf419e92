"""Where a distribution's points lie: which are on its manifold, and in which equal part of it."""

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
    """The set on which, or close to which, all points of a distribution lie, cut into cells.

    Attributes:
        num_cells: arcs of a curve, modes of a mixture.
    """

    @property
    def num_cells(self) -> int: ...

    def cells(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        """The cell of each of the points (N, 2), int64 (N,); `OFF` for those that are off the
        manifold.
        """


@dataclass(frozen=True)
class SineBand:
    """The band around y = sin(5x) + 0.05, cut into arcs of equal length.

    On the manifold is what has |x| ≤ 1.02 and lies between sin(5x) - 0.02 and sin(5x) + 0.12: the
    points' own band and a fifth of its thickness around it. The arcs are of equal length along the
    center line over [-1, 1]; a point belongs to the arc at its own x, as its height above the curve
    is noise in y alone.
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
        """Where on the x axis the arcs begin and end, ascending, float64 (num_cells + 1,)."""
        x = np.linspace(-1.0, 1.0, _CURVE_STEPS + 1)
        steps = np.hypot(np.diff(x), np.diff(np.sin(5 * x)))
        length = np.concatenate([[0.0], np.cumsum(steps)])
        return np.interp(np.linspace(0, length[-1], self.num_cells + 1), length, x)


@dataclass(frozen=True)
class MixtureModes:
    """The discs of three standard deviations around a mixture's centers, a cell each.

    A point belongs to its nearest center. Three standard deviations are the customary measure of a
    point of high quality (Srivastava et al. 2017, arXiv:1705.07761); of a round Gaussian's own
    points, 1 - exp(-9/2) = 98.9 % are that near.
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
    """The manifold of a known distribution. Raises InputError where its shape is not known."""
    if isinstance(distribution, NoisySine):
        return SineBand()
    if isinstance(distribution, GaussianMixture):
        return MixtureModes(distribution)
    raise InputError(
        f"coverage needs a NoisySine or a GaussianMixture, not {type(distribution).__name__}"
    )
