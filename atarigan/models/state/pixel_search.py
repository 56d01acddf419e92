"""The search for pixels that few parts of a state determine, such as bricks, shields and digits.

A playfield is often kept as it is shown: a bit for each brick. Digits are kept in halves of bytes.
So for each pixel, orthogonal matching pursuit (Pati et al. 1993, Asilomar Conference, p. 40) looks
for the few bits and values of halves of bytes whose weighted sum is the pixel. Mean products of all
of them suffice for that, so it takes seconds. A pixel is kept if its sum holds in frames that it
was not found in.
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor

NUM_TERMS = 3
MOST_PIXELS = 800
_FEWEST_FRAMES = 200
_NUM_BLOCKS = 16
_LEAST_EXPLAINED = 0.8
_LEAST_ENERGY = 4e-4
_LEAST_DEVIATION = 0.03
_RIDGE = 1e-4
_LOW, _HIGH = 0x0F, 0xF0


class Parts(NamedTuple):
    """Parts of a state: each is 1 where some bits of a byte have a value, else 0.

    Attributes:
        byte: address of each part's byte, int64 (parts,).
        mask, value: which bits count, and what they are, uint8 (parts,) each.
    """

    byte: Tensor
    mask: Tensor
    value: Tensor

    def of(self, states: Tensor) -> Tensor:
        """Return the parts of states uint8 (N, bytes), bool (N, parts)."""
        return (states.index_select(1, self.byte) & self.mask) == self.value

    def only(self, which: Tensor) -> Self:
        return type(self)(*(each[which] for each in self))


class FoundPixels(NamedTuple):
    """Pixels that are a constant plus a weighted sum of parts.

    Attributes:
        pixels: indices in the flattened frame, int64 (P,).
        parts: which parts occur.
        terms: the parts of each pixel, int64 (P, NUM_TERMS).
        weights: of the terms, float (P, NUM_TERMS).
        constants: float (P,).
    """

    pixels: Tensor
    parts: Parts
    terms: Tensor
    weights: Tensor
    constants: Tensor


def find_pixels(residual: Tensor, states: Tensor) -> FoundPixels:
    """Find pixels that few parts of the state determine.

    Args:
        residual: frames minus their background, float (N, H, W).
        states: of these frames, uint8 (N, bytes). In few frames nothing is found: so many parts fit
            them by chance.
    """
    if len(states) < _FEWEST_FRAMES:
        residual = torch.zeros_like(residual)
    pixels = torch.nonzero(residual.flatten(1).square().mean(0) > _LEAST_ENERGY)[:, 0]
    parts = _varying_parts(states)
    shown, active = residual.flatten(1)[:, pixels], parts.of(states).float()
    is_first = torch.arange(len(states)) * _NUM_BLOCKS // len(states) % 2 == 0
    first, second = (_Products.of(active[half], shown[half]) for half in (is_first, ~is_first))
    terms = first.pursued()
    explained = second.explained(terms, first.weights(terms))
    found = torch.nonzero(explained >= _LEAST_EXPLAINED)[:, 0]
    most = first.energy[found].argsort(descending=True)[:MOST_PIXELS]
    found = found[most].sort().values
    both = _Products(*((one + other) / 2 for one, other in zip(first, second, strict=True)))
    weights = both.weights(terms)[found]
    used, inverse = terms[found, 1:].unique(return_inverse=True)
    return FoundPixels(pixels[found], parts.only(used), inverse, weights[:, 1:], weights[:, 0])


class _Products(NamedTuple):
    """Mean products of parts, the first of which is always 1, and pixels.

    Attributes:
        energy: mean squares of the pixels, (P,).
        among: parts and parts, (parts, parts).
        across: parts and pixels, (parts, P).
    """

    energy: Tensor
    among: Tensor
    across: Tensor

    @classmethod
    def of(cls, active: Tensor, shown: Tensor) -> Self:
        num = max(1, len(active))
        return cls(shown.square().sum(0) / num, active.T @ active / num, active.T @ shown / num)

    def pursued(self) -> Tensor:
        """Return the constant part and the NUM_TERMS parts that explain each pixel, (P, terms)."""
        rates = self.among[0]
        deviations = (rates * (1 - rates)).clamp(min=0).sqrt()
        usable = (deviations > _LEAST_DEVIATION).float() / deviations.clamp(min=1e-6)
        terms = torch.zeros(len(self.energy), 1, dtype=torch.int64)
        for _ in range(NUM_TERMS):
            left = self.across.clone()
            for term, weight in zip(terms.T, self.weights(terms).T, strict=True):
                left -= self.among[:, term] * weight
            best = (left.abs() * usable[:, None]).argmax(0)
            terms = torch.cat([terms, best[:, None]], 1)
        return terms

    def weights(self, terms: Tensor) -> Tensor:
        """Return the weights (P, terms) that explain most of each pixel."""
        among = self.among[terms[:, :, None], terms[:, None, :]]
        ridge = _RIDGE * torch.eye(terms.shape[1])
        across = self.across.gather(0, terms.T).T
        solved: Tensor = torch.linalg.solve(among + ridge, across.unsqueeze(2))
        return solved.squeeze(2)

    def explained(self, terms: Tensor, weights: Tensor) -> Tensor:
        """Return the share of each pixel's variance that the terms explain, at most 1, (P,)."""
        among = self.among[terms[:, :, None], terms[:, None, :]]
        across = self.across.gather(0, terms.T).T
        quadratic = torch.einsum("pi,pij,pj->p", weights, among, weights)
        error = self.energy - 2 * (weights * across).sum(1) + quadratic
        variance = self.energy - self.across[0].square()
        return 1 - error / variance.clamp(min=_LEAST_ENERGY / 10)


def _varying_parts(states: Tensor) -> Parts:
    """A part that is always 1, and the bits and the values of halves of bytes that vary."""
    byte, mask, value = [0], [0], [0]
    for number, column in enumerate(states.T):
        values = column.unique().int()
        if len(values) < 2:
            continue
        for bits in (*(1 << bit for bit in range(8)), _LOW, _HIGH):
            occurred = (values & bits).unique().tolist()
            if len(occurred) > 1:  # of a bit, 0 says the same as 1
                occurred = occurred[1:] if bits not in (_LOW, _HIGH) else occurred
                byte += [number] * len(occurred)
                mask += [bits] * len(occurred)
                value += occurred
    return Parts(
        torch.tensor(byte),
        torch.tensor(mask, dtype=torch.uint8),
        torch.tensor(value, dtype=torch.uint8),
    )
