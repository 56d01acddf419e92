"""ByteGroups: bytes of RAM that depend on each other, each group of them as one code."""

from collections.abc import Iterable
from itertools import combinations

import torch
from torch import Tensor

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.mutual_information import DiscreteVariable, column_variables

MAX_CODES = 256
_MAX_JOINED = 64
_MAX_BYTES = 7  # an int64 key holds 7 bytes and stays positive
_RARE = 0.005
_NO_KEY = 2**63 - 1

Group = tuple[int, ...]  # addresses


class ByteGroups(SizedByData):
    """RAM uint8 (B, bytes) to one code for each group of bytes, and back.

    A code stands for a combination of values that occurred in the data, so that decoded bytes of a
    group never contradict each other. The bytes of a group form a key, a number in base 256; codes
    number the keys of the data in ascending order.

    Attributes:
        addresses: of the bytes that vary, int64 (n,).
        group_of: group of each of these bytes, int64 (n,).
        shifts: bit position of each of these bytes in its group's key, int64 (n,).
        keys: the key of each code, group after group, int64 (rows,).
        sizes, num_codes: number of codes of each group, 1 to 256, int64 (groups,) and as a list.
        first_rows: row in `keys` of each group's first code, int64 (groups,).
        resting: a state of the data, from which the bytes that never vary are taken, uint8
            (bytes,).
    """

    addresses: Tensor
    group_of: Tensor
    shifts: Tensor
    keys: Tensor
    sizes: Tensor
    first_rows: Tensor
    resting: Tensor
    padded_keys: Tensor

    def __init__(self, num_bytes: int) -> None:
        super().__init__()
        self.num_bytes = num_bytes
        for name in ("addresses", "group_of", "shifts", "keys", "sizes"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64))
        self.register_buffer("resting", torch.zeros(num_bytes, dtype=torch.uint8))
        for name in ("first_rows", "padded_keys"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64), persistent=False)
        self.num_codes: list[int] = []

    def __len__(self) -> int:
        return len(self.sizes)

    def fit(self, ram: Tensor) -> None:
        """Find the groups and their codes in RAM uint8 (N, bytes), N at least 1."""
        self.resting = ram[0].clone()
        groups = groups_of(ram)
        if not groups:
            return
        columns = [
            (address, number, 8 * place)
            for number, group in enumerate(groups)
            for place, address in enumerate(group)
        ]
        self.addresses, self.group_of, self.shifts = torch.tensor(columns).unbind(1)
        keys = [_most_frequent(column) for column in self._keys(ram, len(groups)).T]
        self.keys = torch.cat(keys)
        self.sizes = torch.tensor([len(each) for each in keys])
        self._derive()

    def codes(self, ram: Tensor) -> Tensor:
        """Return the codes of RAM uint8 (B, bytes), int64 (B, groups), 0 to 255.

        An unknown combination has the code of the next lower known one, or code 0.
        """
        keys = self._keys(ram, len(self)).T.contiguous()
        return (torch.searchsorted(self.padded_keys, keys, right=True) - 1).clamp_(min=0).T

    def ram(self, codes: Tensor) -> Tensor:
        """Return the RAM uint8 (B, bytes) of codes int64 (B, groups)."""
        ram = self.resting.repeat(len(codes), 1)
        keys = self.keys[self.first_rows + codes][:, self.group_of]
        ram[:, self.addresses] = (keys >> self.shifts).to(torch.uint8)
        return ram

    def _keys(self, ram: Tensor, num_groups: int) -> Tensor:
        """Return the keys of RAM uint8 (B, bytes), int64 (B, groups)."""
        parts = ram[:, self.addresses].long() << self.shifts
        return parts.new_zeros(len(ram), num_groups).index_add_(1, self.group_of, parts)

    def _check(self) -> None:
        num_varying = (len(self.addresses),)
        self._expect("resting", (self.num_bytes,))
        self._expect("addresses", num_varying, range(self.num_bytes))
        self._expect("group_of", num_varying, range(len(self)))
        self._expect("shifts", num_varying, range(8 * _MAX_BYTES))
        self._expect("sizes", (len(self),), range(1, MAX_CODES + 1))
        self._expect("keys", (int(self.sizes.sum()),))

    def _derive(self) -> None:
        """Compute each group's keys, int64 (groups, 256), padded with a sentinel."""
        self.first_rows = self.sizes.cumsum(0) - self.sizes
        self.num_codes = self.sizes.tolist()
        numbers = torch.arange(MAX_CODES, device=self.keys.device)
        rows = (self.first_rows[:, None] + numbers).clamp(max=len(self.keys) - 1)
        self.padded_keys = self.keys.long()[rows].masked_fill(
            numbers >= self.sizes[:, None], _NO_KEY
        )


def varying_bytes(ram: Tensor) -> Tensor:
    """Return the addresses of bytes that vary in RAM uint8 (N, bytes), int64 (n,)."""
    return torch.nonzero((ram != ram[0]).any(0))[:, 0]


def groups_of(ram: Tensor) -> list[Group]:
    """Partition the bytes that vary in RAM uint8 (N, bytes) into groups.

    Repeatedly joins the two groups with the highest mutual information among the pairs that

    - have at most 64 joint values, or no more than one of the two alone, and
    - have hardly an unseen joint value: the estimated probability of one, the share of values seen
      once (Good 1953, Biometrika 40, eq. 9), is at most 1/200.

    Estimates come from at most 8,192 evenly spaced states. Groups of more than 64 values, mostly
    coordinates, come first, in descending order of size; the others follow in the order of their
    addresses. The bytes of a group are in ascending order of their number of values.
    """
    varying = varying_bytes(ram)
    found = column_variables(ram[:, varying].numpy())
    single = dict(zip(varying.tolist(), found, strict=True))
    variables: dict[Group, DiscreteVariable] = {(byte,): each for byte, each in single.items()}
    gains = _gains(combinations(variables, 2), variables)
    while gains:
        pair = max(gains, key=lambda pair: gains[pair])
        first, second = (variables.pop(group) for group in pair)
        gains = {other: gain for other, gain in gains.items() if not {*other} & {*pair}}
        joined = (*pair[0], *pair[1])
        others = [*variables]
        variables[joined] = first.joined(second)
        gains |= _gains(((other, joined) for other in others), variables)
    return [
        tuple(sorted(group, key=lambda byte: single[byte].num_values))
        for group in sorted(variables, key=lambda group: _rank(group, variables[group].num_values))
    ]


def _gains(
    pairs: Iterable[tuple[Group, Group]], variables: dict[Group, DiscreteVariable]
) -> dict[tuple[Group, Group], float]:
    """Return the mutual information, in nats, of each pair of groups that may be joined."""
    gains = {}
    for pair in pairs:
        if len(pair[0]) + len(pair[1]) > _MAX_BYTES:
            continue
        first, second = (variables[group] for group in pair)
        counts = first.pair_counts(second)
        most = max(_MAX_JOINED, first.num_values, second.num_values)
        if len(counts) <= most and (counts == 1).sum() <= _RARE * len(first.values):
            gains[pair] = first.information(second, counts)
    return gains


def _rank(group: Group, num_values: int) -> tuple[int, int]:
    """Return the sort key of a group."""
    return (-num_values, 0) if num_values > _MAX_JOINED else (0, min(group))


def _most_frequent(keys: Tensor) -> Tensor:
    """Return the at most 256 most frequent of keys int64 (N,), ascending."""
    found, counts = keys.unique(return_counts=True)
    kept = counts.argsort(descending=True, stable=True)[:MAX_CODES]
    most_frequent: Tensor = found[kept.sort().values]
    return most_frequent
