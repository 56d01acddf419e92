"""The console's memory as numbers that a network can use."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_FEATURES = 128
NUM_EXAMPLES = 1024
_BITS = 8


class RamEncoder(nn.Module):
    """Memory uint8 (B, bytes) to features float (B, num_features).

    Which bytes vary, which of their bits do, and which values they take is found in the data. Every
    value of every such byte has a row of a table, and so has every bit; the features are the sum of
    the rows. A value says where something is, and rows of their own let neighbors differ as much
    as they must; a bit says whether something is there (a brick, an enemy), and is understood in
    combinations that were never seen. A value that did not occur counts as the nearest that did.

    How many rows there are follows from the data: `start_from` makes the tables, and loading makes
    them as large as they are in what is loaded.

    Attributes:
        examples: memory that occurred, uint8 (num_examples, bytes).
    """

    varying: Tensor
    row_of: Tensor
    varying_bits: Tensor
    examples: Tensor

    def __init__(self, num_bytes: int, num_features: int = NUM_FEATURES) -> None:
        super().__init__()
        self.num_features = num_features
        self.register_buffer("varying", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("row_of", torch.zeros(0, 256, dtype=torch.int32))
        self.register_buffer("varying_bits", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("examples", torch.zeros(0, num_bytes, dtype=torch.uint8))
        self.value_rows = nn.Parameter(torch.zeros(0, num_features))
        self.bit_rows = nn.Parameter(torch.zeros(0, num_features))

    def start_from(self, ram: Tensor) -> None:
        """Find out what varies in memory uint8 (N, bytes), N at least 1, and make the tables."""
        self.varying = torch.nonzero((ram != ram[0]).any(0))[:, 0]
        values = ram[:, self.varying]
        num_rows, maps = 0, []
        for column in values.T:
            occurred = column.unique().int()
            nearest = (torch.arange(256)[:, None] - occurred).abs().argmin(1)
            maps.append(num_rows + nearest)
            num_rows += len(occurred)
        self.row_of = torch.stack(maps).int() if maps else self.row_of
        bits = bits_of(values)
        self.varying_bits = torch.nonzero((bits != bits[0]).any(0))[:, 0]
        picked = torch.linspace(0, len(ram) - 1, min(len(ram), NUM_EXAMPLES)).long()
        self.examples = ram[picked].clone()
        scale = max(1, len(self.varying)) ** -0.5
        self.value_rows = nn.Parameter(scale * torch.randn(num_rows, self.num_features))
        self.bit_rows = nn.Parameter(torch.zeros(len(self.varying_bits), self.num_features))

    def forward(self, ram: Tensor) -> Tensor:
        values = ram[:, self.varying]
        rows = self.row_of.gather(1, values.T.long()).T.long()
        bits = bits_of(values)[:, self.varying_bits].float()
        of_values = functional.embedding(rows, self.value_rows).sum(1)  # bags know no torch.func
        features: Tensor = torch.addmm(of_values, bits, self.bit_rows)
        return features

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        for name, tensor in (*self.named_parameters(), *self.named_buffers()):
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.shape != tensor.shape:
                tensor.data = torch.empty(stored.shape, dtype=tensor.dtype, device=tensor.device)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def bits_of(values: Tensor) -> Tensor:
    """Bits 0 or 1, uint8 (N, 8 K), of bytes uint8 (N, K), each byte's lowest first."""
    shifts = torch.arange(_BITS, dtype=torch.uint8, device=values.device)
    return (values[:, :, None] >> shifts & 1).flatten(1)
