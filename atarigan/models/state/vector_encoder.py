"""VectorEncoder: states that are vectors of numbers to features for a network."""

import torch
from torch import Tensor, nn

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.ram_encoder import DEFAULT_SETTINGS, EncoderSettings
from atarigan.models.state.vector_bins import VectorBins

NUM_KNOTS = 128
_NOISE = 0.02


class VectorEncoder(SizedByData):
    """States float (B, size) to features float (B, num_features).

    features = Σ_i Σ_k hat_ik(number i) · rows_ik

    The sums run over the numbers that vary and their knots (`VectorBins`): each knot has a row, and
    a number between two knots has the rows of both, interpolated linearly. At first, features are
    random linear functions of the standardized numbers.

    Attributes:
        bins: the knots.
        rows: (n, num_knots, num_features).
    """

    def __init__(
        self,
        size: int,
        num_features: int | None = None,
        *,
        settings: EncoderSettings = DEFAULT_SETTINGS,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.num_features = num_features or settings.num_features
        self.bins = VectorBins(size, NUM_KNOTS)
        self.rows = nn.Parameter(torch.zeros(0, NUM_KNOTS, self.num_features))

    def fit(self, states: Tensor) -> None:
        """Find the knots in states float (N, size), N at least 1, and initialize the rows."""
        self.bins.fit(states)
        numbers = states[:, self.bins.varying].double()
        means, deviations = numbers.mean(0), numbers.std(0, correction=0).clamp(min=1e-12)
        knots = ((self.bins.knots - means[:, None]) / deviations[:, None]).clamp(-4, 4).float()
        directions = torch.randn(len(knots), 1, self.num_features) / max(1, len(knots)) ** 0.5
        noise = torch.randn(len(knots), NUM_KNOTS, self.num_features) * _NOISE
        self.rows = nn.Parameter(knots[:, :, None] * directions + noise)

    def forward(self, states: Tensor) -> Tensor:
        features: Tensor = self.bins.hats(states).flatten(1) @ self.rows.flatten(0, 1)
        return features

    def _check(self) -> None:
        self._expect("rows", (len(self.bins), NUM_KNOTS, self.num_features))
