"""VectorEncoder: states that are vectors of numbers to features for a network."""

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.ram_encoder import DEFAULT_SETTINGS, EncoderSettings
from atarigan.models.state.vector_bins import VectorBins

LEVELS = {16: 1.0, 64: 0.5, 256: 0.25}
"""Numbers of knots, and the factor of their features: finer bins change less in an update."""
_MAX_WEIGHTS = 1 << 11  # hat functions of a level


class VectorEncoder(SizedByData):
    """States float (B, size) to features float (B, num_features).

    features = bias + directions (standardized numbers) + Σ_levels factor Σ_i Σ_k hat_ik rows_ik

    Each number that varies has 16, 64 and 256 knots (`VectorBins`), and each knot a row: a number
    between two knots has the rows of both, interpolated linearly. Coarse bins generalize to numbers
    that are rare in the data, fine ones tell close numbers apart. Rows begin with 0. Vectors of
    many numbers have the coarse levels alone.

    Attributes:
        levels: the knots of each level.
        rows: of each level, (n, num_knots, num_features).
        means, deviations: of the numbers that vary, float64 (n,).
    """

    means: Tensor
    deviations: Tensor

    def __init__(
        self,
        size: int,
        num_features: int = 0,
        *,
        settings: EncoderSettings = DEFAULT_SETTINGS,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.num_features = num_features or settings.num_features
        nums = [num for num in LEVELS if num == min(LEVELS) or num * size <= _MAX_WEIGHTS]
        self.factors = [LEVELS[num] for num in nums]
        self.levels = nn.ModuleList(VectorBins(size, num) for num in nums)
        self.rows = nn.ModuleList(_Rows(num, self.num_features) for num in nums)
        for name in ("means", "deviations"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.float64))
        self.directions = nn.Parameter(torch.zeros(0, self.num_features))
        self.bias = nn.Parameter(torch.zeros(self.num_features))

    @property
    def bins(self) -> VectorBins:
        """The knots of the coarsest level."""
        return self._pairs()[0][0]

    def _pairs(self) -> list[tuple[VectorBins, "_Rows"]]:
        """Return the knots of each level with its rows."""
        levels, rows = (cast(Iterable[Any], each) for each in (self.levels, self.rows))
        return list(zip(levels, rows, strict=True))

    def fit(self, states: Tensor) -> None:
        """Find the knots in states float (N, size), N at least 1, and initialize the rows."""
        for level, rows in self._pairs():
            level.fit(states)
            rows.table = nn.Parameter(torch.zeros(len(level), *rows.table.shape[1:]))
        numbers = states[:, self.bins.varying].double()
        self.means = numbers.mean(0)
        self.deviations = numbers.std(0, correction=0).clamp(min=1e-12)
        num = len(self.bins)
        self.directions = nn.Parameter(torch.randn(num, self.num_features) / max(1, num) ** 0.5)

    def forward(self, states: Tensor) -> Tensor:
        numbers = states[:, self.bins.varying] - self.means.float()
        features = (numbers / self.deviations.float()).clamp(-4, 4) @ self.directions + self.bias
        for (level, rows), factor in zip(self._pairs(), self.factors, strict=True):
            features = torch.addmm(
                features, level.hats(states).flatten(1), rows.table.flatten(0, 1), alpha=factor
            )
        return features

    def _check(self) -> None:
        for name in ("means", "deviations"):
            self._expect(name, (len(self.bins),))
        self._expect("directions", (len(self.bins), self.num_features))
        for level, rows in self._pairs():
            if len(level) != len(self.bins) or len(rows.table) != len(self.bins):
                raise ValueError(f"all levels must have {len(self.bins)} numbers")


class _Rows(SizedByData):
    """The rows of one level, (n, num_knots, num_features)."""

    def __init__(self, num_knots: int, num_features: int) -> None:
        super().__init__()
        self.shape = num_knots, num_features
        self.table = nn.Parameter(torch.zeros(0, *self.shape))

    def _check(self) -> None:
        self._expect("table", (len(self.table), *self.shape))
