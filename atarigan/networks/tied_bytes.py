"""Which bytes of the console's memory go together."""

from dataclasses import dataclass

import torch
from torch import Tensor

_NUM_COMPARED = 8192
_MANY_VALUES = 64
_NOTHING = 1e-9  # nats: one state in 8,192 that differs leaves a thousand times more open, and more


@dataclass(frozen=True)
class TiedBytes:
    """How bytes that vary hang together.

    Attributes:
        free: addresses of those that no other decides. Those of more than 64 values, which mostly
            are places, come first, the others in the order of their addresses.
        parents: for each of them, the earlier one that says most about it, as its place in `free`:
            a tree as that of Chow and Liu 1968 (IEEE Transactions on Information Theory 14(3)), but
            of this order. The first is its own.
        leaders: by the address of each other byte, that of a free one that decides it.
    """

    free: list[int]
    parents: list[int]
    leaders: dict[int, int]

    @classmethod
    def of(cls, ram: Tensor) -> "TiedBytes":
        """Found in memory uint8 (N, bytes), N at least 1. What says most about a byte is found in
        at most 8,192 of the states, evenly spaced.
        """
        columns = {byte: ram[:, byte] for byte in varying_bytes(ram).tolist()}
        every = -(-len(ram) // _NUM_COMPARED)
        few = {byte: column[::every].long() for byte, column in columns.items()}
        free: list[int] = []
        parents: list[int] = []
        leaders: dict[int, int] = {}
        for byte in _in_order(columns):
            unknown = [_unknown(few[other], few[byte]) for other in free]
            leader = next(
                (
                    other
                    for other, left_open in zip(free, unknown, strict=True)
                    if left_open < _NOTHING and _decides(columns[other], columns[byte])
                ),
                None,
            )
            if leader is None:
                parents.append(unknown.index(min(unknown)) if unknown else 0)
                free.append(byte)
            else:
                leaders[byte] = leader
        return cls(free, parents, leaders)


def varying_bytes(ram: Tensor) -> Tensor:
    """Addresses, int64 (n,), of what is not always the same in memory uint8 (N, bytes)."""
    return torch.nonzero((ram != ram[0]).any(0))[:, 0]


def together(first: Tensor, second: Tensor) -> Tensor:
    """How often values of two bytes, each integers (N,), occur together, int64 (256, 256)."""
    return torch.bincount(first.long() * 256 + second, minlength=256 * 256).view(256, 256)


def _in_order(columns: dict[int, Tensor]) -> list[int]:
    """Addresses, those of many values first, and those of most before the others."""
    num_values = {byte: len(column.unique()) for byte, column in columns.items()}
    many = [byte for byte, num in num_values.items() if num > _MANY_VALUES]
    few = [byte for byte, num in num_values.items() if num <= _MANY_VALUES]
    return [*sorted(many, key=lambda byte: -num_values[byte]), *few]


def _decides(first: Tensor, second: Tensor) -> bool:
    """Whether one byte's value always leaves one for the other."""
    return bool(((together(first, second) > 0).sum(1) <= 1).all())


def _unknown(first: Tensor, second: Tensor) -> float:
    """How much knowing one byte leaves open of the other, H(second | first), in nats."""
    counts = together(first, second)
    shares = counts[counts > 0].double() / len(first)
    of_first = counts.sum(1)
    known = of_first[of_first > 0].double() / len(first)
    return float((known * known.log()).sum() - (shares * shares.log()).sum())
