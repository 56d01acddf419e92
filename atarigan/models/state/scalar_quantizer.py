"""Finite scalar quantization: a few rounded numbers, stored as one byte.

Mentzer et al. 2023, arXiv:2309.15505.
"""

import math

import torch
from torch import Tensor, nn

_EPSILON = 1e-3  # keeps the outermost levels reachable


class ScalarQuantizer(nn.Module):
    """Numbers (..., d) to d channels of L_1 … L_d levels each, and these to one byte and back.

    Channel i of z is bounded and rounded to one of L_i integers (section 3.1 and appendix A.1):

        bounded_i = tanh(z_i + shift_i) (L_i - 1)(1 + ε)/2 - offset_i
        value_i = round(bounded_i) / ⌊L_i/2⌋

    offset_i is 1/2 for an even number of levels, so that L_i integers are within the bounds, and 0
    for an odd one; shift_i maps z_i = 0 to 0. The gradient of the rounding is that of the identity
    (straight through, eq. 1). A byte is the number of the levels in mixed radix, the first channel
    counting least.

    Args:
        levels: L_1 … L_d, each at least 2, with a product of at most 256.
    """

    half_widths: Tensor
    offsets: Tensor
    shifts: Tensor
    halves: Tensor
    values: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        numbers = torch.tensor(levels, dtype=torch.float32)
        half_widths = (numbers - 1) * (1 + _EPSILON) / 2
        offsets = torch.where(numbers % 2 == 0, 0.5, 0.0)
        tables = {
            "half_widths": half_widths,
            "offsets": offsets,
            "shifts": torch.atanh(offsets / half_widths),
            "halves": (numbers / 2).floor(),
            "radix": torch.tensor([math.prod(levels[:place]) for place in range(len(levels))]),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)
        places = torch.arange(self.num_words)[:, None] // tables["radix"] % numbers.long()
        values = (places - tables["halves"]) / tables["halves"]
        self.register_buffer("values", values.float(), persistent=False)

    @property
    def num_words(self) -> int:
        """How many different bytes there are."""
        return math.prod(self.levels)

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the quantized values, in [-1, 1], of numbers (..., d)."""
        bounded = torch.tanh(numbers + self.shifts) * self.half_widths - self.offsets
        return (bounded + (bounded.round() - bounded).detach()) / self.halves

    def bytes(self, values: Tensor) -> Tensor:
        """Return the bytes uint8 (...) of quantized values (..., d)."""
        radix = self.get_buffer("radix")
        places = (values * self.halves + self.halves).round().long()
        return (places * radix).sum(-1).to(torch.uint8)

    def values_of(self, codes: Tensor) -> Tensor:
        """Return the quantized values (..., d) of bytes uint8 (...).

        A byte that stands for no word counts as the last one.
        """
        rows = codes.long().clamp(max=self.num_words - 1)
        return torch.nn.functional.embedding(rows, self.values)
