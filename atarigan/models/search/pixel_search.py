"""The search for pixels that few parts of a state determine, such as bricks, shields and digits.

A playfield is often kept as it is shown: a bit for each brick. Digits are kept in halves of bytes.
So for each pixel, orthogonal matching pursuit (Pati et al. 1993, Asilomar Conference, p. 40) looks
for the few bits and halves of bytes that determine the pixel as a sum of a table each. Mean
products suffice for that, so it takes seconds. A pixel is kept if its sum holds in frames that it
was not found in. Four fifths of the pixel's variance must be explained. Three tenths are enough
where a bit explains most of them, as of a brick that others pass and whose color changes.
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor

NUM_TERMS = 3
NUM_VALUES = 16
MAX_PIXELS = 6000
BITS = tuple(1 << bit for bit in range(8))
HALVES = (0x0F, 0xF0)
_MIN_FRAMES = 200
_NUM_BLOCKS = 16
_MIN_EXPLAINED = 0.8
_MIN_EXPLAINED_BY_BIT = 0.3  # is enough where a bit alone explains most of it
_BIT_SHARE = 0.7  # of what is explained, at least
_DETERMINED = 0.995
_MIN_ENERGY = 4e-4
_MIN_RATE = 1e-3
_HALF_COST = 2.0
_RIDGE = 1e-4
_CHUNK = 512


class Fields(NamedTuple):
    """Parts of a state that are numbers: single bits and halves of bytes.

    Attributes:
        byte: address of each field's byte, int64 (fields,).
        mask: its bits, one of `BITS` or `HALVES`, uint8 (fields,).
    """

    byte: Tensor
    mask: Tensor

    def values(self, states: Tensor) -> Tensor:
        """Return the numbers in states uint8 (N, bytes), int64 (N, fields), 0 to 15."""
        mask = self.mask.long()
        bits = states.index_select(1, self.byte).long() & mask
        return bits.div(mask & -mask, rounding_mode="floor")

    def only(self, which: Tensor) -> Self:
        return type(self)(*(each[which] for each in self))


class FoundPixels(NamedTuple):
    """Pixels that are a constant plus the entries of tables, one of each of a few fields.

    Attributes:
        pixels: indices in the flattened frame, int64 (P,).
        fields: which fields occur.
        terms: the fields of each pixel, int64 (P, NUM_TERMS).
        tables: what each number of these fields adds, float (P, NUM_TERMS, NUM_VALUES).
        constants: float (P,).
        explained: share of each pixel's variance that this explains in other frames, float (P,).
    """

    pixels: Tensor
    fields: Fields
    terms: Tensor
    tables: Tensor
    constants: Tensor
    explained: Tensor

    @property
    def is_determined(self) -> Tensor:
        """Whether hardly anything else changes a pixel, bool (P,)."""
        return self.explained > _DETERMINED


def find_pixels(residual: Tensor, states: Tensor) -> FoundPixels:
    """Find pixels that few fields of the state determine.

    Args:
        residual: frames minus their background, float (N, H, W).
        states: of these frames, uint8 (N, bytes). In few frames nothing is found: so many fields
            fit them by chance.
    """
    if len(states) < _MIN_FRAMES:
        residual = torch.zeros_like(residual)
    pixels = torch.nonzero(residual.flatten(1).square().mean(0) > _MIN_ENERGY)[:, 0]
    fields = _varying_fields(states)
    values = fields.values(states)
    parts = _Parts.of(values)
    shown = residual.flatten(1)[:, pixels]
    active = (values[:, parts.field] == parts.value).float()
    is_first = torch.arange(len(states)) * _NUM_BLOCKS // len(states) % 2 == 0
    first, second = (_Products.of(active[half], shown[half]) for half in (is_first, ~is_first))
    terms = first.pursued(parts, fields.mask)
    explained, by_first = (
        second.explained(members, first.weights(members))
        for members in (parts.members_of(terms), parts.members_of(terms[:, :1]))
    )
    found = torch.nonzero(_suffices(explained, by_first, fields.mask[terms[:, 0]]))[:, 0]
    drawn = first.energy[found] * explained[found]
    most = drawn.argsort(descending=True)[:MAX_PIXELS]
    found = found[most].sort().values
    both = _Products(*((one + other) / 2 for one, other in zip(first, second, strict=True)))
    weights = both.of_pixels(found).weights(parts.members_of(terms[found]))
    used, inverse = terms[found].unique(return_inverse=True)
    tables = weights[:, 1:].view(-1, NUM_TERMS, NUM_VALUES)
    return FoundPixels(
        pixels[found], fields.only(used), inverse, tables, weights[:, 0], explained[found]
    )


def _suffices(explained: Tensor, by_first: Tensor, first_mask: Tensor) -> Tensor:
    """Return whether enough of each pixel's variance is explained, bool (P,).

    Args:
        explained: share that all its fields explain, float (P,).
        by_first: share that the first one explains alone, float (P,).
        first_mask: bits of that field, uint8 (P,).
    """
    is_of_bit = torch.isin(first_mask, torch.tensor(BITS, dtype=torch.uint8))
    is_of_bit &= (explained >= _MIN_EXPLAINED_BY_BIT) & (by_first >= _BIT_SHARE * explained)
    return is_of_bit | (explained >= _MIN_EXPLAINED)


class _Parts(NamedTuple):
    """Parts of states: each is 1 where a field has a value, else 0.

    Attributes:
        field, value: of each part, int64 (parts,) each.
        members: the parts of each field by value, int64 (fields, NUM_VALUES); the number of parts
            stands for a part that is always 0.
    """

    field: Tensor
    value: Tensor
    members: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Self:
        """Return the parts that occur in the values of fields (N, fields)."""
        occurs = torch.stack([(values == value).any(0) for value in range(NUM_VALUES)], 1)
        field, value = occurs.nonzero(as_tuple=True)
        members = torch.full(occurs.shape, len(field))
        members[field, value] = torch.arange(len(field))
        return cls(field, value, members)

    def members_of(self, terms: Tensor) -> Tensor:
        """Return all parts of the fields of each pixel, (P, parts), for fields (P, fields)."""
        return self.members[terms].flatten(1)


class _Products(NamedTuple):
    """Mean products of parts and pixels. Two parts come after those given: one that is always 0,
    and one that is always 1.

    Attributes:
        energy: mean squares of the pixels, (P,).
        among: parts and parts, (parts + 2, parts + 2).
        across: parts and pixels, (parts + 2, P).
    """

    energy: Tensor
    among: Tensor
    across: Tensor

    @classmethod
    def of(cls, active: Tensor, shown: Tensor) -> Self:
        num = max(1, len(active))
        zero, one = active.new_zeros(len(active), 1), active.new_ones(len(active), 1)
        active = torch.cat([active, zero, one], 1)
        return cls(shown.square().sum(0) / num, active.T @ active / num, active.T @ shown / num)

    def of_pixels(self, which: Tensor) -> Self:
        return type(self)(self.energy[which], self.among, self.across[:, which])

    def pursued(self, parts: _Parts, masks: Tensor) -> Tensor:
        """Return the NUM_TERMS fields that explain each pixel, (P, NUM_TERMS)."""
        chunks = torch.arange(len(self.energy)).split(_CHUNK)
        return torch.cat([self.of_pixels(chunk)._pursued(parts, masks) for chunk in chunks])

    def _pursued(self, parts: _Parts, masks: Tensor) -> Tensor:
        """As `pursued`. Half a byte is preferred to a bit only if it leaves less than half of what
        the bit leaves: bits hold in combinations that never occurred.
        """
        rates = self.among.diag()[: len(parts.field), None]
        cost = torch.where(torch.isin(masks, torch.tensor(HALVES)), _HALF_COST, 1.0)[:, None]
        terms = torch.zeros(len(self.energy), 0, dtype=torch.int64)
        for _ in range(NUM_TERMS):
            members = parts.members_of(terms)
            weights = self.weights(members)
            left = self._left(members, weights)[: len(rates)]
            gains = (left.square() / rates).masked_fill(rates < _MIN_RATE, 0.0)
            of_fields = torch.zeros(len(masks), left.shape[1]).index_add(0, parts.field, gains)
            error = self._error(members, weights)
            unexplained = (error - of_fields).clamp(min=0) + 1e-3 * error
            terms = torch.cat([terms, (unexplained * cost).argmin(0)[:, None]], 1)
        return terms

    def weights(self, members: Tensor) -> Tensor:
        """Return the weights of a constant and of parts (P, parts) that explain most of each pixel,
        (P, 1 + parts).
        """
        among, across = self._of_parts(members)
        ridge = _RIDGE * torch.eye(among.shape[1])
        solved: Tensor = torch.linalg.solve(among + ridge, across.unsqueeze(2))
        return solved.squeeze(2)

    def explained(self, members: Tensor, weights: Tensor) -> Tensor:
        """Return the share of each pixel's variance that weights explain, at most 1, (P,)."""
        variance = self.energy - self.across[-1].square()
        return 1 - self._error(members, weights) / variance.clamp(min=_MIN_ENERGY / 10)

    def _left(self, members: Tensor, weights: Tensor) -> Tensor:
        """Return the products of parts and what weights leave of the pixels, (parts + 2, P)."""
        left = self.across.clone()
        for part, weight in zip(self._with_constant(members).T, weights.T, strict=True):
            left -= self.among[:, part] * weight
        return left

    def _error(self, members: Tensor, weights: Tensor) -> Tensor:
        """Return the mean square of what weights leave of each pixel, (P,)."""
        among, across = self._of_parts(members)
        quadratic = torch.einsum("pi,pij,pj->p", weights, among, weights)
        return self.energy - 2 * (weights * across).sum(1) + quadratic

    def _of_parts(self, members: Tensor) -> tuple[Tensor, Tensor]:
        """Return the products of a constant and of parts (P, parts), and those with the pixels."""
        members = self._with_constant(members)
        among = self.among[members[:, :, None], members[:, None, :]]
        return among, self.across.gather(0, members.T).T

    def _with_constant(self, members: Tensor) -> Tensor:
        return torch.cat([members.new_full((len(members), 1), len(self.among) - 1), members], 1)


def _varying_fields(states: Tensor) -> Fields:
    """Return the bits and halves of bytes that vary, or any bit if there are none."""
    found = [
        (number, mask)
        for number, column in enumerate(states.T)
        for mask in (*BITS, *HALVES)
        if len((column & mask).unique()) > 1
    ]
    byte, mask = torch.tensor(found or [(0, BITS[0])]).T
    return Fields(byte, mask.to(torch.uint8))
