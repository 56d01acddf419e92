"""What states a game is in: a distribution over the console's memory, to draw states that never
were.
"""

import contextlib
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.byte_groups import MOST_CODES, ByteGroups
from atarigan.models.state.mutual_information import variables_of

WIDTH = 48
_SLOPE = 0.1
_RARE, _UNSEEN = 0.01, 8.0
_MOST_DRAWN = 4096
# Groups of about as many codes are compared with all of them at once.
_SIZES = (256, 96, 32, 8, 0)
_Band = tuple[slice, int]


class StatePrior(SizedByData):
    """Memory uint8 (B, bytes), one group of bytes after the other, each by those before it.

    p(s) = Π_i p(s_i | s_1 … s_{i-1}), s_i being the codes of `ByteGroups`, in their order. What was
    decided so far is a sum of one row of a table for each code, as in the neural autoregressive
    estimator of Larochelle and Murray 2011 (PMLR 15:29-37), with two more layers before the logits.
    A code that never occurred together with that of the group's parent, the earlier one that says
    most about it (the tree of Chow and Liu 1968, IEEE Transactions on Information Theory 14(3), in
    this order), is e^8 times less likely than the layers say, where less than a hundredth of states
    may be thought to show a pair unseen so far (Good 1953, Biometrika 40, equation 9). So groups
    seldom contradict each other. A state is drawn by inverting each group's distribution function
    at a number, so that numbers determine states and near numbers mostly give near ones.

    Attributes:
        groups: the bytes, and the codes that they have.
        parents: each group's parent, int64 (groups,); the first is its own.
        seen: which codes of its parent each code occurred with, a bit each, uint8 (rows, 32).
    """

    parents: Tensor
    seen: Tensor
    unlikely: Tensor
    by_size: Tensor

    def __init__(self, num_bytes: int, width: int = WIDTH) -> None:
        super().__init__()
        self.width = width
        self.groups = ByteGroups(num_bytes)
        self.register_buffer("parents", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(0, MOST_CODES // 8, dtype=torch.uint8))
        self.register_buffer("unlikely", torch.zeros(0, MOST_CODES), persistent=False)
        self.register_buffer("by_size", torch.zeros(0, dtype=torch.int64), persistent=False)
        self.decided = nn.Parameter(torch.zeros(0, width))
        self.starts = nn.Parameter(torch.zeros(0, width))
        self.first_layer = nn.Linear(width, width)
        self.second_layer = nn.Linear(width, width)
        self.directions = nn.Parameter(torch.zeros(0, width))
        self.frequencies = nn.Parameter(torch.zeros(0))
        self._parents: list[int] = []
        self._bands: list[_Band] = []

    @property
    def num_numbers(self) -> int:
        """How many numbers determine a state."""
        return len(self.groups)

    def fit(self, ram: Tensor) -> None:
        """Find out what varies in memory uint8 (N, bytes), N at least 1, how often, and with what
        else.
        """
        self.groups.fit(ram)
        if not self.num_numbers:
            return
        codes = self.groups.codes(ram)
        self.parents = _parents(codes)
        counts = [
            torch.bincount(column, minlength=size)
            for column, size in zip(codes.T, self.groups.num_codes, strict=True)
        ]
        pairs = zip(codes.T, codes.T[self.parents], counts, strict=True)
        self.seen = torch.cat([_seen(code, parent, len(each)) for code, parent, each in pairs])
        self.seen[: len(counts[0])] = 255
        self._derive()
        num_rows = len(self.groups.keys)
        self.frequencies = nn.Parameter((torch.cat(counts) / len(ram)).log())
        self.decided = nn.Parameter(torch.randn(num_rows, self.width) * 0.1)
        self.starts = nn.Parameter(torch.randn(self.num_numbers, self.width) * 0.1)
        self.directions = nn.Parameter(torch.randn(num_rows, self.width) * 0.02)

    def negative_log_likelihood(self, ram: Tensor) -> Tensor:
        """-log p of memory uint8 (B, bytes), in nats, the batch's mean; what never occurred counts
        as `ByteGroups` says.
        """
        if not self.num_numbers:
            return torch.zeros((), device=ram.device)
        codes = self.groups.codes(ram).T
        chosen = functional.embedding(self.groups.starts[:, None] + codes, self.decided)
        features = self._features(chosen.cumsum(0) - chosen + self.starts[:, None])
        each = (features, codes, codes[self.parents], self.groups.starts, self.groups.sizes)
        by_size = [tensor[self.by_size] for tensor in each]
        costs = [
            self._cost(most, *(tensor[band] for tensor in by_size)) for band, most in self._bands
        ]
        return torch.stack(costs).sum() / len(ram)

    def states(self, numbers: Tensor) -> Tensor:
        """Memory uint8 (B, bytes) that numbers (B, n) in [0, 1) determine."""
        with _one_thread():
            codes = torch.cat([self._codes(part) for part in numbers.split(_MOST_DRAWN)])
        return self.groups.memory(codes)

    def _codes(self, numbers: Tensor) -> Tensor:
        """What numbers (B, n) determine, int64 (B, groups)."""
        decided = torch.zeros(len(numbers), self.width, device=numbers.device)
        codes: list[Tensor] = []  # of the groups so far, each (B,)
        tables = (self.frequencies, self.directions, self.unlikely, self.decided)
        of_groups = zip(*(table.split(self.groups.num_codes) for table in tables), strict=True)
        each = zip(numbers.T.contiguous(), self.starts, self._parents, of_groups, strict=True)
        for column, start, parent, (frequencies, directions, unlikely, rows) in each:
            logits = torch.addmm(frequencies, self._features(decided + start), directions.T)
            if codes:
                logits -= unlikely.index_select(1, codes[parent]).T
            below = logits.softmax(1).cumsum(1)
            code = torch.searchsorted(below, column[:, None], right=True)[:, 0]
            codes.append(code.clamp_(max=len(rows) - 1))
            decided = decided + rows.index_select(0, codes[-1])
        none = torch.zeros(len(numbers), 0, dtype=torch.int64, device=numbers.device)
        return torch.stack(codes, dim=1) if codes else none

    def _cost(
        self,
        most: int,
        features: Tensor,
        codes: Tensor,
        parents: Tensor,
        starts: Tensor,
        sizes: Tensor,
    ) -> Tensor:
        """-log p of some groups' codes, int64 (n, B), summed up, their features, (n, B, width),
        their parents' codes, int64 (n, B), and where and how many their rows are, int64 (n,), at
        most `most`, being given.
        """
        places = torch.arange(most, device=codes.device)
        rows = (starts[:, None] + places).clamp(max=len(self.directions) - 1)  # (n, most codes)
        products = features @ functional.embedding(rows, self.directions).mT
        logits = products.float() + self.frequencies[rows][:, None]
        logits = logits - self.unlikely[rows[:, None], parents[:, :, None]]
        logits = logits.masked_fill((places >= sizes[:, None])[:, None], -math.inf)
        right = logits.gather(2, codes[:, :, None])[:, :, 0]
        return (logits.logsumexp(2) - right).sum()

    def _check(self) -> None:
        num_groups, num_rows = len(self.groups), len(self.groups.keys)
        self._expect("parents", (num_groups,), range(num_groups))
        self._expect("seen", (num_rows, MOST_CODES // 8))
        self._expect("frequencies", (num_rows,))
        self._expect("starts", (num_groups, self.width))
        for name in ("decided", "directions"):
            self._expect(name, (num_rows, self.width))
        if any(parent >= place for place, parent in enumerate(self.parents.tolist()) if place):
            raise ValueError("parents must come before those that they are parents of")

    def _derive(self) -> None:
        """Make the table of what is taken off the logits of each row, by the parent's code."""
        bits = np.unpackbits(self.seen.cpu().numpy(), axis=1, bitorder="little")
        self.unlikely = torch.from_numpy((1 - bits) * np.float32(_UNSEEN)).to(self.seen.device)
        self._parents = self.parents.tolist()
        self.by_size = self.groups.sizes.argsort(descending=True, stable=True)
        self._bands = _bands(sorted(self.groups.num_codes, reverse=True))

    def _features(self, decided: Tensor) -> Tensor:
        """Two layers added to what was decided; as functions, because the calls of modules would
        take as long as so few numbers do.
        """
        first, second = self.first_layer, self.second_layer
        hidden = functional.leaky_relu(decided, _SLOPE)
        hidden = functional.linear(hidden, first.weight, first.bias)
        hidden = functional.leaky_relu(hidden, _SLOPE)
        features: Tensor = decided + functional.linear(hidden, second.weight, second.bias)
        return features


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute with one CPU thread: several would mostly wait for each other, where steps
    are many and small.
    """
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def _bands(sizes: list[int]) -> list[_Band]:
    """Where descending sizes are about alike, with the largest of each; known without asking the
    device.
    """
    ends = [sum(size > least for size in sizes) for least in _SIZES]
    return [(slice(start, end), sizes[start]) for start, end in pairwise(ends) if start < end]


def _parents(codes: Tensor) -> Tensor:
    """Which earlier group says most about each of codes int64 (N, n), int64 (n,)."""
    labels = variables_of(codes.numpy())
    said = [
        [each.information(other) for other in labels[:place]] for place, each in enumerate(labels)
    ]
    return torch.tensor([known.index(max(known)) if known else 0 for known in said])


def _seen(codes: Tensor, parents: Tensor, num_codes: int) -> Tensor:
    """Which codes of its parent each code of a group occurred with, codes int64 (N,) both, a bit
    each, uint8 (num_codes, 32); all, where too many may have been missed.
    """
    size = (num_codes, MOST_CODES)
    pairs = torch.bincount(codes * MOST_CODES + parents, minlength=math.prod(size)).view(size)
    is_all = (pairs == 1).sum() >= _RARE * len(codes)
    bits = np.packbits(((pairs > 0) | is_all).numpy(), axis=1, bitorder="little")
    return torch.from_numpy(bits)
