"""StatePrior: a distribution over RAM states, which also draws states that never occurred."""

import contextlib
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.byte_groups import MAX_CODES, ByteGroups
from atarigan.models.state.mutual_information import column_variables

WIDTH = 48
_SLOPE = 0.1
_RARE = 0.01
_PENALTY = 8.0  # nats
_MAX_DRAWN = 4096  # states at once on a CPU
_BAND_LIMITS = (256, 96, 32, 8, 0)
_Band = tuple[slice, int]


class StatePrior(SizedByData):
    """An autoregressive distribution over RAM uint8 (B, bytes).

    p(s) = Π_i p(s_i | s_1 … s_{i-1}), where s_i is the code of group i in `ByteGroups`. The sum of
    one table row for each earlier code summarizes the condition, as in the neural autoregressive
    distribution estimator (Larochelle and Murray 2011, PMLR 15:29-37), with two more layers:

        h_i = starts_i + Σ_{j<i} decided[s_j]
        logits_i = frequencies_i + directions_i (h_i + layers(h_i)) - penalties_i[s_parent(i)]

    In the terms of language models, `decided` are the input embeddings of codes, `directions` their
    output embeddings, `frequencies` the output biases, and `starts` the biases of the hidden units.
    Files of weights know them by these names.

    The penalty keeps groups from contradicting each other. It is 8 nats for codes that never
    occurred together with the code of the group's parent, the earlier group with the highest mutual
    information (the tree of Chow and Liu 1968, IEEE Transactions on Information Theory 14(3),
    restricted to this order). A group has no penalties if the estimated probability of an unseen
    pair (Good 1953, Biometrika 40, eq. 9) is 1/100 or more.

    States are drawn by inverse transform sampling with one quantile for each group, so that
    quantiles determine a state and close quantiles mostly give similar states.

    Attributes:
        groups: splits RAM into groups of bytes with one code each.
        parents: each group's parent, int64 (groups,); the first is its own.
        seen: codes of the parent that each code occurred with, as bits, uint8 (rows, 32).
    """

    parents: Tensor
    seen: Tensor
    penalties: Tensor
    by_size: Tensor

    def __init__(self, num_bytes: int, width: int = WIDTH) -> None:
        super().__init__()
        self.width = width
        self.groups = ByteGroups(num_bytes)
        self.register_buffer("parents", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(0, MAX_CODES // 8, dtype=torch.uint8))
        self.register_buffer("penalties", torch.zeros(0, MAX_CODES), persistent=False)
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
    def num_quantiles(self) -> int:
        """How many quantiles determine a state: one for each group."""
        return len(self.groups)

    def fit(self, ram: Tensor) -> None:
        """Find groups, codes and parents in RAM uint8 (N, bytes), N at least 1, and initialize the
        weights; the logits start at the log-frequencies.
        """
        self.groups.fit(ram)
        if not self.num_quantiles:
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
        self.starts = nn.Parameter(torch.randn(self.num_quantiles, self.width) * 0.1)
        self.directions = nn.Parameter(torch.randn(num_rows, self.width) * 0.02)

    def negative_log_likelihood(self, ram: Tensor) -> Tensor:
        """Return the mean of -log p, in nats, over RAM uint8 (B, bytes), a scalar.

        Unknown combinations of bytes count as known ones (`ByteGroups.codes`).
        """
        if not self.num_quantiles:
            return torch.zeros((), device=ram.device)
        codes = self.groups.codes(ram).T
        chosen = functional.embedding(self.groups.first_rows[:, None] + codes, self.decided)
        features = self._features(chosen.cumsum(0) - chosen + self.starts[:, None])
        each = (features, codes, codes[self.parents], self.groups.first_rows, self.groups.sizes)
        by_size = [tensor[self.by_size] for tensor in each]
        costs = [
            self._band_cost(most, *(tensor[band] for tensor in by_size))
            for band, most in self._bands
        ]
        return torch.stack(costs).sum() / len(ram)

    def states(self, quantiles: Tensor) -> Tensor:
        """Return the RAM uint8 (B, bytes) of quantiles (B, num_quantiles) in [0, 1)."""
        if quantiles.device.type != "cpu":
            return self.groups.ram(self._codes(quantiles))
        with _one_thread():
            codes = torch.cat([self._codes(part) for part in quantiles.split(_MAX_DRAWN)])
        return self.groups.ram(codes)

    def _codes(self, quantiles: Tensor) -> Tensor:
        """Return the codes of quantiles (B, n), int64 (B, groups)."""
        embedded = torch.zeros(len(quantiles), self.width, device=quantiles.device)
        codes: list[Tensor] = []  # of the groups so far, each (B,)
        tables = (self.frequencies, self.directions, self.penalties, self.decided)
        of_groups = zip(*(table.split(self.groups.num_codes) for table in tables), strict=True)
        each = zip(quantiles.T.contiguous(), self.starts, self._parents, of_groups, strict=True)
        for column, bias, parent, (frequencies, directions, penalties, embeddings) in each:
            logits = torch.addmm(frequencies, self._features(embedded + bias), directions.T)
            if codes:
                logits -= penalties.index_select(1, codes[parent]).T
            below = logits.softmax(1).cumsum(1)
            code = torch.searchsorted(below, column[:, None], right=True)[:, 0]
            codes.append(code.clamp_(max=len(embeddings) - 1))
            embedded = embedded + embeddings.index_select(0, codes[-1])
        none = torch.zeros(len(quantiles), 0, dtype=torch.int64, device=quantiles.device)
        return torch.stack(codes, dim=1) if codes else none

    def _band_cost(
        self,
        most: int,
        features: Tensor,
        codes: Tensor,
        parents: Tensor,
        first_rows: Tensor,
        sizes: Tensor,
    ) -> Tensor:
        """Return the sum of -log p over n groups of at most `most` codes, a scalar.

        Args:
            most: codes of the largest of these groups.
            features: (n, B, width).
            codes, parents: codes of the groups and of their parents, int64 (n, B).
            first_rows, sizes: first row and number of rows of each group, int64 (n,).
        """
        numbers = torch.arange(most, device=codes.device)
        rows = (first_rows[:, None] + numbers).clamp(max=len(self.directions) - 1)  # (n, most)
        products = features @ functional.embedding(rows, self.directions).mT
        logits = products.float() + self.frequencies[rows][:, None]
        logits = logits - self.penalties[rows[:, None], parents[:, :, None]]
        logits = logits.masked_fill((numbers >= sizes[:, None])[:, None], -math.inf)
        chosen = logits.gather(2, codes[:, :, None])[:, :, 0]
        return (logits.logsumexp(2) - chosen).sum()

    def _check(self) -> None:
        num_groups, num_rows = len(self.groups), len(self.groups.keys)
        self._expect("parents", (num_groups,), range(num_groups))
        self._expect("seen", (num_rows, MAX_CODES // 8))
        self._expect("frequencies", (num_rows,))
        self._expect("starts", (num_groups, self.width))
        for name in ("decided", "directions"):
            self._expect(name, (num_rows, self.width))
        for group, parent in enumerate(self.parents.tolist()):
            if group and parent >= group:
                raise ValueError(f"parents must be earlier groups, not {parent} of group {group}")

    def _derive(self) -> None:
        """Compute the penalty of each row by the parent's code, and the bands of groups."""
        bits = np.unpackbits(self.seen.cpu().numpy(), axis=1, bitorder="little")
        self.penalties = torch.from_numpy((1 - bits) * np.float32(_PENALTY)).to(self.seen.device)
        self._parents = self.parents.tolist()
        self.by_size = self.groups.sizes.argsort(descending=True, stable=True)
        self._bands = _bands(sorted(self.groups.num_codes, reverse=True))

    def _features(self, inputs: Tensor) -> Tensor:
        """Return h + layers(h) of inputs h (..., width).

        Calls functions, because calling modules would take as long as the arithmetic.
        """
        first, second = self.first_layer, self.second_layer
        hidden = functional.leaky_relu(inputs, _SLOPE)
        hidden = functional.linear(hidden, first.weight, first.bias)
        hidden = functional.leaky_relu(hidden, _SLOPE)
        features: Tensor = inputs + functional.linear(hidden, second.weight, second.bias)
        return features


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Make torch use one CPU thread, which is faster for many small operations."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def _bands(sizes: list[int]) -> list[_Band]:
    """Split descending group sizes into bands of similar size, each with its largest size.

    The groups of a band are padded to its largest size and computed together.
    """
    ends = [sum(size > least for size in sizes) for least in _BAND_LIMITS]
    return [(slice(start, end), sizes[start]) for start, end in pairwise(ends) if start < end]


def _parents(codes: Tensor) -> Tensor:
    """Return the earlier group with the highest mutual information for each column of codes int64
    (N, n), int64 (n,).
    """
    variables = column_variables(codes.numpy())
    known = [
        [each.information(other) for other in variables[:number]]
        for number, each in enumerate(variables)
    ]
    return torch.tensor([each.index(max(each)) if each else 0 for each in known])


def _seen(codes: Tensor, parents: Tensor, num_codes: int) -> Tensor:
    """Return which codes of the parent each code of a group occurred with, as bits, uint8
    (num_codes, 32); all of them, if too many pairs may be unseen.

    Args:
        codes, parents: codes of the group and of its parent in the data, int64 (N,).
        num_codes: codes of the group.
    """
    size = (num_codes, MAX_CODES)
    pairs = torch.bincount(codes * MAX_CODES + parents, minlength=math.prod(size)).view(size)
    is_all = (pairs == 1).sum() >= _RARE * len(codes)
    bits = np.packbits(((pairs > 0) | is_all).numpy(), axis=1, bitorder="little")
    return torch.from_numpy(bits)
