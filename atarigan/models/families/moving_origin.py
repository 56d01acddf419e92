"""MovingOrigin: the center of what a picture shows, from the vector that it is a picture of."""

import torch
from torch import Tensor, nn

from atarigan.models.families.renderer_grid import RendererGrid, linear
from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.vector_bins import VectorBins

NUM_KNOTS = 16
_VISIBLE = 8  # levels
_RARITY = 0.003  # share of frames
_RIDGE = 0.01
_LEAST_SHARE = 0.1
_LEAST_GAIN = 0.02  # of the variance of the centers, by a further number
_MAX_NUMBERS = 8
_OUTLIER = 3.0  # median distances
_WINDOWS = (1.0, 0.5, 0.35, 0.25, 0.2, 0.15, 0.12, 0.1, 0.1)  # deviations, in shorter sides


class MovingOrigin(SizedByData):
    """Vectors (B, size) to origins (B, 2), rows and columns in pixels from the middle of the
    picture.

    At first it is the center of the pixels that differ from the background, those that rarely do
    weighted more, by ridge regression on the hat functions of `VectorBins`. The regression is
    repeated with pixels in a smaller and smaller window around the last result, so that it settles
    on one thing that moves with the vector, whatever else differs, such as a terrain. Each time,
    numbers are chosen one by one, as long as the next one explains 2 % of the variance of the
    centers, and then frames whose centers are far from the result are left out.

    Where the renderer has rounded a number to its own pixels, so does the origin (`RendererGrid`).

    Attributes:
        grid: the numbers that are rounded.
        bins: the knots of each number.
        rows: origin of each knot, (n, num_knots, 2); the sum over numbers is the origin.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.grid = RendererGrid(size)
        self.bins = VectorBins(size, NUM_KNOTS)
        self.rows = nn.Parameter(torch.zeros(0, NUM_KNOTS, 2))
        self.base = nn.Parameter(torch.zeros(2))

    def fit(self, frames: Tensor, states: Tensor, background: Tensor) -> None:
        """Fit frames uint8 (N, H, W, C), their vectors, and the background uint8 (H, W, C)."""
        self.bins.fit(states)
        apart = ((frames.short() - background.short()).abs().amax(3) > _VISIBLE).float()
        apart /= (apart.mean(0) + _RARITY) ** 2
        self.rows = nn.Parameter(torch.zeros(len(self.bins), NUM_KNOTS, 2))
        if not len(self.bins) or not bool(apart.any()):
            return
        hats = self.bins.hats(states)
        found = None
        for share in _WINDOWS:
            found = self._fit_once(apart, hats, found, share * min(apart.shape[1:]))
        self._find_grid(frames, states, background, hats)
        self._fit_once(apart, self._hats(states), found, _WINDOWS[-1] * min(apart.shape[1:]))

    def _find_grid(self, frames: Tensor, states: Tensor, background: Tensor, hats: Tensor) -> None:
        """Look for steps in how far the centers of all that differs from the background are from
        where the numbers say. Brightness is the share of a pixel that is covered.
        """
        shown = (frames.short() - background.short()).abs().float().mean(3)
        weights = shown.sum((1, 2))
        is_used = weights > 0
        hats, weights = hats[is_used], weights[is_used]
        for axis in range(2):
            places = torch.arange(shown.shape[1 + axis], dtype=shown.dtype)
            centers = (shown.sum(2 - axis)[is_used] @ places) / weights
            chosen = _chosen_numbers(hats, centers, least_gain=0.0)
            rows = _ridge(hats[:, chosen], centers - centers.mean())
            moved = torch.einsum("nik,ik->ni", hats[:, chosen], rows)
            errors = centers - centers.mean() - moved.sum(1)
            for number, places_of_number in zip(chosen, moved.T, strict=True):
                address = int(self.bins.varying[number])
                values = states[is_used, address]
                self.grid.find(address, values, linear(values, places_of_number), errors)

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
        centers, used = centers[is_used] / weights[is_used, None], hats[is_used]
        for axis in range(2):
            self._regress(used, centers[:, axis], axis)
        origins: Tensor = self._origins(hats)
        return origins

    def _regress(self, hats: Tensor, centers: Tensor, axis: int) -> None:
        """Fit the rows and the base of one axis to centers (N,), twice: without outliers then."""
        chosen = _chosen_numbers(hats, centers)
        for _ in range(2):
            base = centers.mean()
            rows = torch.zeros(hats.shape[1:], device=hats.device)
            if chosen:
                rows[chosen] = _ridge(hats[:, chosen], centers - base)
            self.rows.data[:, :, axis] = rows
            self.base.data[axis] = base
            distances = (centers - base - (hats * rows).sum((1, 2))).abs()
            is_used = distances <= _OUTLIER * distances.median()
            hats, centers = hats[is_used], centers[is_used]

    def _origins(self, hats: Tensor) -> Tensor:
        origins: Tensor = hats.flatten(1) @ self.rows.flatten(0, 1) + self.base
        return origins

    def _hats(self, states: Tensor) -> Tensor:
        return self.bins.hats(self.grid(states))

    def forward(self, states: Tensor) -> Tensor:
        return self._origins(self._hats(states))

    def _check(self) -> None:
        self._expect("rows", (len(self.bins), NUM_KNOTS, 2))


def _ridge(hats: Tensor, wanted: Tensor) -> Tensor:
    """Return the rows (n, num_knots) whose sum over hat functions (N, n, num_knots) is nearest to
    numbers (N,).
    """
    flat = hats.flatten(1).double()
    left = flat.T @ flat + _RIDGE * torch.eye(flat.shape[1], dtype=flat.dtype, device=flat.device)
    rows: Tensor = torch.linalg.solve(left, flat.T @ wanted.double())
    return rows.float().view(hats.shape[1:])


def _chosen_numbers(hats: Tensor, centers: Tensor, least_gain: float = _LEAST_GAIN) -> list[int]:
    """Choose, one by one, the numbers by which centers (N,) are explained best."""
    left = centers - centers.mean()
    least = least_gain * float(left.square().sum())
    squares = torch.einsum("nik,nil->ikl", hats, hats)
    squares += _RIDGE * torch.eye(hats.shape[2], device=hats.device)
    chosen: list[int] = []
    while len(chosen) < min(_MAX_NUMBERS, hats.shape[1]):
        products = torch.einsum("nik,n->ik", hats, left)
        gains = (products * torch.linalg.solve(squares, products)).sum(1)
        gains[chosen] = 0
        best = int(gains.argmax())
        if not float(gains[best]) > least:
            break
        chosen.append(best)
        rows = _ridge(hats[:, chosen], centers - centers.mean())
        left = centers - centers.mean() - (hats[:, chosen] * rows).sum((1, 2))
    return chosen
