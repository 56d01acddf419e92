"""MovingOrigin: the center of what a picture shows, from the vector that it is a picture of."""

import torch
from torch import Tensor, nn

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.vector_bins import VectorBins

NUM_KNOTS = 16
_USUAL_SHARE = 0.2
_RARITY = 0.01
_RIDGE = 1.0
_LEAST_SHARE = 0.1


class MovingOrigin(SizedByData):
    """Vectors (B, size) to origins (B, 2), rows and columns in pixels from the middle of the picture.

    At first it is the center of the pixels that differ from the background, those that rarely do
    weighted more, by ridge regression on the hat functions of `VectorBins`.

    Attributes:
        bins: the knots of each number.
        rows: origin of each knot, (n, num_knots, 2); the sum over numbers is the origin.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bins = VectorBins(size, NUM_KNOTS)
        self.rows = nn.Parameter(torch.zeros(0, NUM_KNOTS, 2))
        self.base = nn.Parameter(torch.zeros(2))

    def fit(self, frames: Tensor, states: Tensor, background: Tensor) -> None:
        """Fit frames uint8 (N, H, W, C), their vectors, and the background in [-1, 1], (H, W, C)."""
        self.bins.fit(states)
        shown = background.add(1).mul(127.5).round().short()
        apart = (frames.short() - shown).abs().amax(3).float()
        rate = (apart > 0).float().mean(0)
        apart *= (rate < _USUAL_SHARE) / (rate + _RARITY)
        weights = apart.sum((1, 2))
        is_used = weights > _LEAST_SHARE * weights.median()
        self.rows = nn.Parameter(torch.zeros(len(self.bins), NUM_KNOTS, 2))
        if not len(self.bins) or not bool(is_used.any()):
            return
        height, width = apart.shape[1:]
        apart, weights = apart[is_used], weights[is_used, None]
        rows = (apart.sum(2) @ (torch.arange(height) - (height - 1) / 2))[:, None]
        columns = (apart.sum(1) @ (torch.arange(width) - (width - 1) / 2))[:, None]
        centers = torch.cat([rows, columns], dim=1) / weights
        base = centers.mean(0)
        hats = self.bins.hats(states[is_used]).flatten(1).double()
        left = hats.T @ hats + _RIDGE * torch.eye(hats.shape[1], dtype=torch.float64)
        found = torch.linalg.solve(left, hats.T @ (centers - base).double())
        self.rows = nn.Parameter(found.float().view(len(self.bins), NUM_KNOTS, 2))
        self.base.copy_(base)

    def forward(self, states: Tensor) -> Tensor:
        origins: Tensor = self.bins.hats(states).flatten(1) @ self.rows.flatten(0, 1) + self.base
        return origins

    def _check(self) -> None:
        self._expect("rows", (len(self.bins), NUM_KNOTS, 2))
