"""Which bytes of the console's memory go together, and one code for what a group of them says."""

from collections.abc import Iterable
from itertools import combinations

import torch
from torch import Tensor

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.mutual_information import DiscreteVariable, variables_of

MOST_CODES = 256
_MOST_JOINED = 64
_MOST_BYTES = 7  # that a key holds
_RARE = 0.005
_NO_KEY = 2**63 - 1

Group = tuple[int, ...]  # addresses


class ByteGroups(SizedByData):
    """Memory uint8 (B, bytes) as one code for each group of bytes, and back.

    A code stands for a combination of values that occurred, so that what a group says never
    contradicts itself. Codes ascend with the group's last byte, then with those before it.

    Attributes:
        addresses: of the bytes that vary, int64 (m,).
        group_of: each one's group, int64 (m,).
        shifts: where it is in the group's key, in bits, int64 (m,).
        keys: the values that codes stand for, as numbers in base 256, group after group and each
            ascending, int64 (rows,).
        sizes, num_codes: how many codes each group has, 1 to 256, int64 (groups,), and as numbers.
        starts: the row of each group's first code, int64 (groups,).
        resting: the values of all bytes in one state, uint8 (bytes,).
    """

    addresses: Tensor
    group_of: Tensor
    shifts: Tensor
    keys: Tensor
    sizes: Tensor
    starts: Tensor
    resting: Tensor
    ascending: Tensor

    def __init__(self, num_bytes: int) -> None:
        super().__init__()
        self.num_bytes = num_bytes
        for name in ("addresses", "group_of", "shifts", "keys", "sizes"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64))
        self.register_buffer("resting", torch.zeros(num_bytes, dtype=torch.uint8))
        for name in ("starts", "ascending"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64), persistent=False)
        self.num_codes: list[int] = []

    def __len__(self) -> int:
        return len(self.sizes)

    def fit(self, ram: Tensor) -> None:
        """Find the groups and what they say in memory uint8 (N, bytes), N at least 1."""
        self.resting = ram[0].clone()
        groups = groups_of(ram)
        if not groups:
            return
        places = [
            (address, number, 8 * place)
            for number, group in enumerate(groups)
            for place, address in enumerate(group)
        ]
        self.addresses, self.group_of, self.shifts = torch.tensor(places).unbind(1)
        keys = [_most_frequent(column) for column in self._keys(ram, len(groups)).T]
        self.keys = torch.cat(keys)
        self.sizes = torch.tensor([len(each) for each in keys])
        self._derive()

    def codes(self, ram: Tensor) -> Tensor:
        """What groups say in memory uint8 (B, bytes), int64 (B, groups), 0 to 255; a combination
        that never occurred counts as the next lower one that did, or else as the lowest.
        """
        keys = self._keys(ram, len(self)).T.contiguous()
        return (torch.searchsorted(self.ascending, keys, right=True) - 1).clamp_(min=0).T

    def memory(self, codes: Tensor) -> Tensor:
        """What int64 codes (B, groups) stand for, uint8 (B, bytes)."""
        ram = self.resting.repeat(len(codes), 1)
        keys = self.keys[self.starts + codes][:, self.group_of]
        ram[:, self.addresses] = (keys >> self.shifts).to(torch.uint8)
        return ram

    def _keys(self, ram: Tensor, num_groups: int) -> Tensor:
        """int64 (B, groups)."""
        parts = ram[:, self.addresses].long() << self.shifts
        return parts.new_zeros(len(ram), num_groups).index_add_(1, self.group_of, parts)

    def _check(self) -> None:
        num_varying = (len(self.addresses),)
        self._expect("resting", (self.num_bytes,))
        self._expect("addresses", num_varying, range(self.num_bytes))
        self._expect("group_of", num_varying, range(len(self)))
        self._expect("shifts", num_varying, range(8 * _MOST_BYTES))
        self._expect("sizes", (len(self),), range(1, MOST_CODES + 1))
        self._expect("keys", (int(self.sizes.sum()),))

    def _derive(self) -> None:
        """Make the table of each group's keys, int64 (groups, 256), filled up with what is none."""
        self.starts = self.sizes.cumsum(0) - self.sizes
        self.num_codes = self.sizes.tolist()
        places = torch.arange(MOST_CODES, device=self.keys.device)
        rows = (self.starts[:, None] + places).clamp(max=len(self.keys) - 1)
        self.ascending = self.keys[rows].masked_fill(places >= self.sizes[:, None], _NO_KEY)


def varying_bytes(ram: Tensor) -> Tensor:
    """Addresses, int64 (n,), of what is not always the same in memory uint8 (N, bytes)."""
    return torch.nonzero((ram != ram[0]).any(0))[:, 0]


def groups_of(ram: Tensor) -> list[Group]:
    """Which varying bytes of memory uint8 (N, bytes) to tell as one.

    The two groups that say most of each other are joined, again and again, where together they
    take at most 64 values, or no more than one of them alone, and hardly a combination is left
    that was not seen: those seen once are at most one in 200 states (Good 1953, Biometrika 40,
    equation 9). At most 8,192 of the states, evenly spaced, are looked at.

    Groups of more than 64 values, which mostly are places, come first, those of most before the
    others; then the rest in the order of their addresses. A group's bytes ascend with how many
    values they take.
    """
    varying = varying_bytes(ram)
    found = variables_of(ram[:, varying].numpy())
    bytes_alone = dict(zip(varying.tolist(), found, strict=True))
    labels: dict[Group, DiscreteVariable] = {(byte,): each for byte, each in bytes_alone.items()}
    gains = _gains(combinations(labels, 2), labels)
    while gains:
        pair = max(gains, key=lambda pair: gains[pair])
        first, second = (labels.pop(group) for group in pair)
        gains = {other: gain for other, gain in gains.items() if not {*other} & {*pair}}
        joined = (*pair[0], *pair[1])
        others = [*labels]
        labels[joined] = first.joined(second)
        gains |= _gains(((other, joined) for other in others), labels)
    return [
        tuple(sorted(group, key=lambda byte: bytes_alone[byte].num_values))
        for group in sorted(labels, key=lambda group: _place(group, labels[group].num_values))
    ]


def _gains(
    pairs: Iterable[tuple[Group, Group]], labels: dict[Group, DiscreteVariable]
) -> dict[tuple[Group, Group], float]:
    """How much two groups say of each other, in nats, for each pair that may be joined."""
    gains = {}
    for pair in pairs:
        if len(pair[0]) + len(pair[1]) > _MOST_BYTES:
            continue
        first, second = (labels[group] for group in pair)
        counts = first.together(second)
        most = max(_MOST_JOINED, first.num_values, second.num_values)
        if len(counts) <= most and (counts == 1).sum() <= _RARE * len(first.values):
            gains[pair] = first.information(second, counts)
    return gains


def _place(group: Group, num_values: int) -> tuple[int, int]:
    """Where a group comes in the order."""
    return (-num_values, 0) if num_values > _MOST_JOINED else (0, min(group))


def _most_frequent(keys: Tensor) -> Tensor:
    """At most 256 of keys int64 (N,), the most frequent ones, ascending."""
    found, counts = keys.unique(return_counts=True)
    kept = counts.argsort(descending=True, stable=True)[:MOST_CODES]
    most_frequent: Tensor = found[kept.sort().values]
    return most_frequent
