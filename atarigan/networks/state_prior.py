"""What states a game is in: a distribution over the console's memory, to draw states that never
were.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.networks.sized_by_data import SizedByData

WIDTH = 64
_SLOPE = 0.1


class StatePrior(SizedByData):
    """Memory uint8 (B, bytes), one byte after the other, each by those before it.

    p(s) = Π_i p(s_i | s_1 … s_{i-1}), with the bytes that vary in the order of their addresses and
    the values that occur. What was decided so far is a sum of one row of a table for each value, as
    in the neural autoregressive estimator of Larochelle and Murray 2011 (PMLR 15:29-37), with two
    more layers before the logits. A state is drawn by inverting each byte's distribution function
    at a number, so that numbers determine states and near numbers mostly give near ones.

    Attributes:
        varying: addresses of bytes that vary, int64 (n,).
        values: what they take, byte after byte and each ascending, uint8 (rows,).
        row_of: the row of each byte's value, or of the next lower one that occurs, or else of its
            lowest, int32 (n, 256).
        resting: the other bytes' values, uint8 (bytes,).
    """

    varying: Tensor
    values: Tensor
    row_of: Tensor
    resting: Tensor

    def __init__(self, num_bytes: int, width: int = WIDTH) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("varying", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("values", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("row_of", torch.zeros(0, 256, dtype=torch.int32))
        self.register_buffer("resting", torch.zeros(num_bytes, dtype=torch.uint8))
        self.decided = nn.Parameter(torch.zeros(0, width))
        self.starts = nn.Parameter(torch.zeros(0, width))
        self.mix = nn.Sequential(
            nn.LeakyReLU(_SLOPE),
            nn.Linear(width, width),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(width, width),
        )
        self.directions = nn.Parameter(torch.zeros(0, width))
        self.frequencies = nn.Parameter(torch.zeros(0))

    @property
    def num_varying(self) -> int:
        """How many numbers determine a state."""
        return len(self.varying)

    def start_from(self, ram: Tensor) -> None:
        """Find out what varies in memory uint8 (N, bytes), N at least 1, and how often."""
        self.varying = torch.nonzero((ram != ram[0]).any(0))[:, 0]
        self.resting = ram[0].clone()
        values, shares, maps, num_rows = [], [], [], 0
        for column in ram[:, self.varying].T:
            occurred, counts = column.unique(return_counts=True)
            last = torch.searchsorted(occurred.int(), torch.arange(256), right=True) - 1
            maps.append(num_rows + last.clamp(min=0).int())
            values.append(occurred)
            shares.append(counts / len(ram))
            num_rows += len(occurred)
        if not maps:
            return
        self.values, self.row_of = torch.cat(values), torch.stack(maps).int()
        self.frequencies = nn.Parameter(torch.cat(shares).log())
        self.decided = nn.Parameter(torch.randn(num_rows, self.width) * 0.1)
        self.starts = nn.Parameter(torch.randn(len(maps), self.width) * 0.1)
        self.directions = nn.Parameter(torch.randn(num_rows, self.width) * 0.02)

    def surprise(self, ram: Tensor) -> Tensor:
        """-log p of memory uint8 (B, bytes), in nats, the batch's mean; a value that never occurred
        counts as the next lower one that did.
        """
        if not self.num_varying:
            return torch.zeros((), device=ram.device)
        rows = self.row_of.gather(1, ram[:, self.varying].T.long()).long()  # (n, B)
        chosen = functional.embedding(rows, self.decided)
        features = self._features(chosen.cumsum(0) - chosen + self.starts[:, None])
        costs = [
            functional.cross_entropy(
                torch.addmm(share, each, direction.T).float(), row - span.start, reduction="sum"
            )
            for share, each, direction, row, span in zip(
                self._by_byte(self.frequencies),
                features,
                self._by_byte(self.directions),
                rows,
                self._spans(),
                strict=True,
            )
        ]
        return torch.stack(costs).sum() / len(ram)

    def states(self, numbers: Tensor) -> Tensor:
        """Memory uint8 (B, bytes) that numbers (B, n) in [0, 1) determine."""
        ram = self.resting.repeat(len(numbers), 1)
        decided = torch.zeros(len(numbers), self.width, device=numbers.device)
        for i, span in enumerate(self._spans()):
            features = self._features(decided + self.starts[i])
            logits = torch.addmm(self.frequencies[span], features, self.directions[span].T)
            below = logits.softmax(1).cumsum(1)
            number = numbers[:, i : i + 1].contiguous()
            which = torch.searchsorted(below, number, right=True)[:, 0]
            rows = which.clamp(max=span.stop - span.start - 1) + span.start
            ram[:, self.varying[i]] = self.values[rows]
            decided = decided + self.decided[rows]
        return ram

    def _features(self, decided: Tensor) -> Tensor:
        features: Tensor = decided + self.mix(decided)
        return features

    def _spans(self) -> list[slice]:
        """Each byte's rows."""
        starts = self.row_of[:, 0].tolist()
        return [slice(*ends) for ends in pairwise([*starts, len(self.values)])]

    def _by_byte(self, table: Tensor) -> tuple[Tensor, ...]:
        """A table's rows (rows, …), those of each byte apart."""
        parts: tuple[Tensor, ...] = table.split([s.stop - s.start for s in self._spans()])
        return parts
