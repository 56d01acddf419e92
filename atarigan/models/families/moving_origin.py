"""MovingOrigin: the center of what a picture shows, from the vector that it is a picture of."""

import torch
from torch import Tensor, nn

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.vector_bins import VectorBins

NUM_KNOTS = 16
_VISIBLE = 8  # levels
_RARITY = 0.003  # share of frames
_RIDGE = 1.0
_LEAST_SHARE = 0.1
_WINDOWS = (1.0, 0.4, 0.3, 0.25, 0.2, 0.2, 0.15, 0.15)  # standard deviations, in shorter sides


class MovingOrigin(SizedByData):
    """Vectors (B, size) to origins (B, 2), rows and columns in pixels from the middle of the
    picture.

    At first it is the center of the pixels that differ from the background, those that rarely do
    weighted more, by ridge regression on the hat functions of `VectorBins`. The regression is
    repeated with pixels in a smaller and smaller window around the last result, so that it settles
    on one thing that moves with the vector, whatever else differs, such as a terrain.

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
        """Fit frames uint8 (N, H, W, C), their vectors, and the background (H, W, C) in [-1, 1]."""
        self.bins.fit(states)
        shown = background.add(1).mul(127.5).round().short()
        apart = ((frames.short() - shown).abs().amax(3) > _VISIBLE).float()
        apart /= (apart.mean(0) + _RARITY) ** 2
        self.rows = nn.Parameter(torch.zeros(len(self.bins), NUM_KNOTS, 2))
        if not len(self.bins) or not bool(apart.any()):
            return
        hats = self.bins.hats(states).flatten(1)
        found = None
        for share in _WINDOWS:
            found = self._fit_once(apart, hats, found, share * min(apart.shape[1:]))

    def _fit_once(
        self, apart: Tensor, hats: Tensor, before: Tensor | None, deviation: float
    ) -> Tensor:
        """Regress the centers of what differs, (N, H, W), within a Gaussian window around the
        origins so far, (N, 2), or of all of it if these are None. Return the origins.
        """
        places = [torch.arange(size) - (size - 1) / 2 for size in apart.shape[1:]]
        windows = [torch.ones(len(apart), len(each)) for each in places]
        if before is not None:
            distances = [each - before[:, axis, None] for axis, each in enumerate(places)]
            windows = [(-0.5 * (each / deviation) ** 2).exp() for each in distances]
        of_rows = torch.bmm(apart, windows[1][:, :, None])[:, :, 0] * windows[0]
        of_columns = torch.bmm(windows[0][:, None], apart)[:, 0] * windows[1]
        weights = of_rows.sum(1)
        is_used = weights > _LEAST_SHARE * weights.median()
        centers = torch.stack([of_rows @ places[0], of_columns @ places[1]], dim=1)
        centers = centers[is_used] / weights[is_used, None]
        base = centers.mean(0)
        used = hats[is_used].double()
        left = used.T @ used + _RIDGE * torch.eye(used.shape[1], dtype=torch.float64)
        rows = torch.linalg.solve(left, used.T @ (centers - base).double()).float()
        self.rows.copy_(rows.view(self.rows.shape))
        self.base.copy_(base)
        origins: Tensor = hats @ rows + base
        return origins

    def forward(self, states: Tensor) -> Tensor:
        origins: Tensor = self.bins.hats(states).flatten(1) @ self.rows.flatten(0, 1) + self.base
        return origins

    def _check(self) -> None:
        self._expect("rows", (len(self.bins), NUM_KNOTS, 2))
