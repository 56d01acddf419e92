"""VectorBins: numbers of states as places between values that are found in data."""

import torch
from torch import Tensor
from torch.nn import functional

from atarigan.models.sized_by_data import SizedByData


class VectorBins(SizedByData):
    """States float (B, size) to hat functions of the numbers that vary.

    Each number has `num_knots` ascending values, its knots. If it has no more values than that in
    the data, such as a flag or a count, these are its knots. Otherwise half of the distance between
    two knots is that of evenly spaced quantiles, the other half that of evenly spaced numbers:
    where the data is dense, bins are narrow, and the rest of the range has some too. Numbers
    outside of the knots are clipped.

    Attributes:
        varying: which numbers vary in the data, int64 (n,).
        knots: float64 (n, num_knots), which `pack` keeps exact; the last ones may be equal.
        resting: a state of the data, from which the numbers that never vary are taken, float64
            (size,).
    """

    varying: Tensor
    knots: Tensor
    resting: Tensor
    starts: Tensor
    widths: Tensor
    least: Tensor
    most: Tensor

    def __init__(self, size: int, num_knots: int) -> None:
        super().__init__()
        self.size = size
        self.num_knots = num_knots
        self.register_buffer("varying", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("knots", torch.zeros(0, num_knots, dtype=torch.float64))
        self.register_buffer("resting", torch.zeros(size, dtype=torch.float64))
        for name in ("starts", "widths"):
            self.register_buffer(name, torch.zeros(0, num_knots + 1), persistent=False)
        for name in ("least", "most"):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64), persistent=False)

    def __len__(self) -> int:
        return len(self.varying)

    def fit(self, states: Tensor) -> None:
        """Find the knots in states float (N, size), N at least 1."""
        self.resting = states[0].double()
        self.varying = torch.nonzero((states != states[0]).any(0))[:, 0]
        columns = states[:, self.varying].double().T.sort(1).values
        found = [_knots(column, self.num_knots) for column in columns]
        self.knots = torch.stack(found) if found else self.knots
        self._derive()

    def hats(self, states: Tensor) -> Tensor:
        """Return the hat functions of states (B, size), float (B, n, num_knots): of each number,
        the weights of the two knots around it, by which a table's rows are interpolated linearly.
        """
        numbers = states[:, self.varying].float()
        passed = ((numbers[:, :, None] - self.starts) / self.widths).clamp(0, 1)
        return passed[:, :, :-1] - passed[:, :, 1:]

    def spread(self, states: Tensor) -> Tensor:
        """Return each number's distance from the middle of its range in the data, in quarters of
        the range and at most 4 either way, float (B, size); 0 for numbers that never vary.
        """
        quarters = (self.most - self.least) / 4
        varies = quarters > 0
        apart = states.double() - (self.most + self.least) / 2
        apart = apart / torch.where(varies, quarters, torch.ones_like(quarters))
        return torch.where(varies, apart.clamp(-4, 4), torch.zeros_like(apart)).float()

    def bytes(self, states: Tensor) -> Tensor:
        """Return the nearest knot of each number of states (B, size), uint8 (B, size); 0 for
        numbers that never vary.
        """
        found = torch.zeros(states.shape, dtype=torch.uint8, device=states.device)
        middles = (self.knots[:, 1:] + self.knots[:, :-1]) / 2
        numbers = states[:, self.varying].double().T.contiguous()
        found[:, self.varying] = torch.searchsorted(middles, numbers).T.to(torch.uint8)
        return found

    def states(self, numbers: Tensor) -> Tensor:
        """Return the states float (B, size) of the knots that `bytes` returns."""
        states = self.resting.repeat(len(numbers), 1)
        chosen = numbers[:, self.varying].T.long()
        states[:, self.varying] = self.knots.gather(1, chosen).T
        return states.float()

    def is_outside(self, states: Tensor) -> Tensor:
        """Return which numbers of states (B, size) are outside of the data's, bool (B, size)."""
        numbers = states.double()
        return (numbers < self.least) | (numbers > self.most)

    def _check(self) -> None:
        num = len(self)
        self._expect("varying", (num,), range(self.size))
        self._expect("knots", (num, self.num_knots))
        self._expect("resting", (self.size,))
        if not bool(self.knots.isfinite().all()) or bool((self.knots.diff(dim=1) < 0).any()):
            raise ValueError("knots must be finite and ascending")

    def _derive(self) -> None:
        """Compute where each bin starts and how wide it is, and the range of each number of a
        state. Every number has passed a first bin, and none has entered a last one or an empty one.
        """
        self.least, self.most = self.resting.clone(), self.resting.clone()
        self.least[self.varying], self.most[self.varying] = self.knots[:, 0], self.knots[:, -1]
        ends = self.knots.new_full((len(self), 1), torch.inf)
        self.starts = torch.cat([-ends, self.knots[:, :-1], ends], dim=1).float()
        widths = self.knots.diff(dim=1).float()
        widths = torch.where(widths > 0, widths, torch.finfo(torch.float32).max)
        self.widths = functional.pad(widths, (1, 1), value=1.0)


def _knots(column: Tensor, num: int) -> Tensor:
    """Return the knots of ascending numbers (N,), float64 (num,)."""
    values = column.unique_consecutive()
    if len(values) <= num:
        return torch.cat([values, values[-1:].expand(num - len(values))])
    shares = torch.linspace(0, 1, num, dtype=torch.float64)
    quantiles = column[(shares * (len(column) - 1)).round().long()]
    knots: Tensor = (quantiles + values[0] + (values[-1] - values[0]) * shares) / 2
    return knots
