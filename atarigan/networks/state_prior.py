"""What states a game is in: a distribution over the console's memory, to draw states that never
were.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.networks.sized_by_data import SizedByData
from atarigan.networks.tied_bytes import TiedBytes, together

WIDTH = 64
_SLOPE = 0.1
_RARE, _UNSEEN = 0.01, 8.0
# Bytes of about as many values are compared with all of them at once.
_SIZES = (256, 96, 32, 8, 0)


class StatePrior(SizedByData):
    """Memory uint8 (B, bytes), one byte after the other, each by those before it.

    p(s) = Π_i p(s_i | s_1 … s_{i-1}), with the free bytes of `TiedBytes`, in their order, and the
    values that occur. What was decided so far is a sum of one row of a table for each value, as in
    the neural autoregressive estimator of Larochelle and Murray 2011 (PMLR 15:29-37), with two more
    layers before the logits. A value that never occurred together with that of the byte's parent is
    e^8 times less likely than the layers say, where less than a hundredth of states may be thought
    to show a pair unseen so far (Good 1953, Biometrika 40, equation 9). Other bytes follow from
    free ones. So bytes that tell of the same thing seldom contradict each other. A state is drawn
    by inverting each byte's distribution function at a number, so that numbers determine states and
    near numbers mostly give near ones.

    Attributes:
        free: addresses of the bytes that are drawn, int64 (n,).
        parents: the place of each one's parent among them, int64 (n,).
        values: what they take, byte after byte and each ascending, uint8 (rows,).
        row_of: the row of each byte's value, or of the next lower one that occurs, or else of its
            lowest, int32 (n, 256).
        seen: which values of its parent each value occurred with, a bit each, uint8 (rows, 32).
        followers, leaders: addresses of the bytes that follow from free ones, and of these, int64
            (m,).
        following: what they are by their leaders' values, uint8 (m, 256).
        resting: the other bytes' values, uint8 (bytes,).
    """

    free: Tensor
    parents: Tensor
    values: Tensor
    row_of: Tensor
    seen: Tensor
    unlikely: Tensor
    followers: Tensor
    leaders: Tensor
    following: Tensor
    resting: Tensor

    def __init__(self, num_bytes: int, width: int = WIDTH) -> None:
        super().__init__()
        self.width = width
        for name in ("free", "parents", "followers", "leaders"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64))
        self.register_buffer("values", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("row_of", torch.zeros(0, 256, dtype=torch.int32))
        self.register_buffer("seen", torch.zeros(0, 32, dtype=torch.uint8))
        self.register_buffer("unlikely", torch.zeros(256, 0), persistent=False)
        self.register_buffer("following", torch.zeros(0, 256, dtype=torch.uint8))
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
        self._each: list[tuple[int, int, int]] = []

    @property
    def num_numbers(self) -> int:
        """How many numbers determine a state."""
        return len(self.free)

    def start_from(self, ram: Tensor) -> None:
        """Find out what varies in memory uint8 (N, bytes), N at least 1, how often, and with what
        else.
        """
        tied = TiedBytes.of(ram)
        self.resting = ram[0].clone()
        self._follow(ram, tied.leaders)
        if not tied.free:
            return
        self.free, self.parents = torch.tensor(tied.free), torch.tensor(tied.parents)
        values, shares, maps, seen, num_rows = [], [], [], [], 0
        for byte, parent in zip(tied.free, self.free[self.parents].tolist(), strict=True):
            occurred, counts = ram[:, byte].unique(return_counts=True)
            last = torch.searchsorted(occurred.int(), torch.arange(256), right=True) - 1
            maps.append(num_rows + last.clamp(min=0).int())
            values.append(occurred)
            shares.append(counts / len(ram))
            pairs = together(ram[:, byte], ram[:, parent])
            is_all = (pairs == 1).sum() < _RARE * len(ram)
            is_seen = (pairs[occurred.long()] > 0) | ~is_all
            bits = np.packbits(is_seen.numpy(), axis=1, bitorder="little")
            seen.append(torch.from_numpy(bits))
            num_rows += len(occurred)
        seen[0].fill_(255)
        self.values, self.row_of, self.seen = torch.cat(values), torch.stack(maps), torch.cat(seen)
        self._derive()
        self.frequencies = nn.Parameter(torch.cat(shares).log())
        self.decided = nn.Parameter(torch.randn(num_rows, self.width) * 0.1)
        self.starts = nn.Parameter(torch.randn(len(maps), self.width) * 0.1)
        self.directions = nn.Parameter(torch.randn(num_rows, self.width) * 0.02)

    def surprise(self, ram: Tensor) -> Tensor:
        """-log p of the free bytes of memory uint8 (B, bytes), in nats, the batch's mean; a value
        that never occurred counts as the next lower one that did.
        """
        if not self.num_numbers:
            return torch.zeros((), device=ram.device)
        rows = self.row_of.gather(1, ram[:, self.free].T.long()).long()  # (n, B)
        chosen = functional.embedding(rows, self.decided)
        features = self._features(chosen.cumsum(0) - chosen + self.starts[:, None])
        parents = self.values[rows[self.parents]]
        starts, num_values = self._spans()
        each = (features, rows, parents, starts, num_values)
        cost = torch.zeros((), device=ram.device)
        for most, least in pairwise(_SIZES):
            some = torch.nonzero((num_values <= most) & (num_values > least))[:, 0]
            if len(some):
                cost = cost + self._cost(*(tensor[some] for tensor in each))
        return cost / len(ram)

    def states(self, numbers: Tensor) -> Tensor:
        """Memory uint8 (B, bytes) that numbers (B, n) in [0, 1) determine."""
        decided = torch.zeros(len(numbers), self.width, device=numbers.device)
        known: list[Tensor] = []  # values of the free bytes so far, each (B,)
        for column, start, span in zip(numbers.T, self.starts, self._each, strict=True):
            first, num, parent = span
            each = slice(first, first + num)
            logits = torch.addmm(
                self.frequencies[each], self._features(decided + start), self.directions[each].T
            )
            if known:
                logits -= self.unlikely[:, each].index_select(0, known[parent])
            below = logits.softmax(1).cumsum(1)
            which = torch.searchsorted(below, column[:, None].contiguous(), right=True)[:, 0]
            rows = which.clamp_(max=num - 1).add_(first)
            known.append(self.values.index_select(0, rows).int())
            decided = decided + self.decided.index_select(0, rows)
        ram = self.resting.repeat(len(numbers), 1)
        if known:
            ram[:, self.free] = torch.stack(known, dim=1).to(torch.uint8)
        ram[:, self.followers] = self.following.gather(1, ram[:, self.leaders].T.long()).T
        return ram

    def _cost(
        self,
        features: Tensor,
        rows: Tensor,
        parents: Tensor,
        starts: Tensor,
        num_values: Tensor,
    ) -> Tensor:
        """-log p of some bytes' rows, int64 (n, B), summed up, their features, (n, B, width), their
        parents' values, uint8 (n, B), and where their rows are, int64 (n,), being given.
        """
        places = torch.arange(int(num_values.max()), device=rows.device)
        spread = (starts[:, None] + places).clamp(max=len(self.values) - 1)  # (n, most values)
        products = features @ functional.embedding(spread, self.directions).mT
        logits = products.float() + self.frequencies[spread][:, None]
        logits = logits - self._unseen(spread, parents)
        logits = logits.masked_fill((places >= num_values[:, None])[:, None], -math.inf)
        right = logits.gather(2, (rows - starts[:, None])[:, :, None])[:, :, 0]
        return (logits.logsumexp(2) - right).sum()

    def _derive(self) -> None:
        """Make the table of what is taken off the logits of each row, by the parent's value, and
        the list of each byte's first row, how many it has, and its parent's place.
        """
        bits = np.unpackbits(self.seen.cpu().numpy(), axis=1, bitorder="little")
        unlikely = torch.from_numpy((1 - bits.T) * np.float32(_UNSEEN))
        self.unlikely = unlikely.contiguous().to(self.seen.device)
        spans = (each.tolist() for each in (*self._spans(), self.parents))
        self._each = list(zip(*spans, strict=True))

    def _follow(self, ram: Tensor, leaders: dict[int, int]) -> None:
        """Remember what follows from what, leaders by followers."""
        addresses = torch.tensor([*leaders.items()], dtype=torch.int64).view(-1, 2)
        self.followers, self.leaders = addresses.unbind(1)
        self.following = torch.zeros(len(leaders), 256, dtype=torch.uint8)
        for told, (follower, leader) in zip(self.following, leaders.items(), strict=True):
            told[ram[:, leader].long()] = ram[:, follower]

    def _unseen(self, rows: Tensor, parents: Tensor) -> Tensor:
        """What is taken off the logits of values whose rows (n, values) are given, where those of
        their bytes' parents are uint8 (n, B); (n, B, values).
        """
        return self.unlikely[parents.long()[:, :, None], rows[:, None]]

    def _features(self, decided: Tensor) -> Tensor:
        features: Tensor = decided + self.mix(decided)
        return features

    def _spans(self) -> tuple[Tensor, Tensor]:
        """Each byte's first row, and how many it has, int64 (n,) both."""
        starts = self.row_of[:, 0].long()
        return starts, torch.diff(starts, append=starts.new_tensor([len(self.values)]))
