"""The console's memory as numbers that a network can use."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.byte_groups import varying_bytes

NUM_FEATURES = 256
BIT_PLACES = torch.tensor([1 << bit for bit in range(8)], dtype=torch.uint8)
# So small that bytes which do not matter say next to nothing from the beginning.
_FIRST_SCALE = 0.02


class RamEncoder(SizedByData):
    """Memory uint8 (B, bytes) to features float (B, num_features).

    Which bytes vary, which of their bits do, and which values they take is found in the data. Every
    value of every such byte has a row of a table, and so has every bit; the features are the sum of
    the rows. A value says where something is, and rows of their own let neighbors differ as much
    as they must; a bit says whether something is there (a brick, an enemy), and is understood in
    combinations that were never seen. A value that did not occur counts as the nearest that did.

    """

    varying: Tensor
    row_of: Tensor
    varying_bits: Tensor
    bit_places: Tensor

    def __init__(self, num_bytes: int, num_features: int = NUM_FEATURES) -> None:
        super().__init__()
        self.num_bytes = num_bytes
        self.num_features = num_features
        self.register_buffer("varying", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("row_of", torch.zeros(0, 256, dtype=torch.int32))
        self.register_buffer("varying_bits", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("bit_places", BIT_PLACES.clone(), persistent=False)
        self.value_rows = nn.Parameter(torch.zeros(0, num_features))
        self.bit_rows = nn.Parameter(torch.zeros(0, num_features))

    def fit(self, ram: Tensor) -> None:
        """Find out what varies in memory uint8 (N, bytes), N at least 1, and make the tables."""
        self.varying = varying_bytes(ram)
        values = ram[:, self.varying]
        num_rows, maps = 0, []
        for column in values.T:
            occurred = column.unique().int()
            nearest = (torch.arange(256)[:, None] - occurred).abs().argmin(1)
            maps.append(num_rows + nearest)
            num_rows += len(occurred)
        self.row_of = torch.stack(maps).int() if maps else self.row_of
        bits = bits_of(values, self.bit_places)
        self.varying_bits = torch.nonzero((bits != bits[0]).any(0))[:, 0]
        self.value_rows = nn.Parameter(_FIRST_SCALE * torch.randn(num_rows, self.num_features))
        self.bit_rows = nn.Parameter(torch.zeros(len(self.varying_bits), self.num_features))

    def _check(self) -> None:
        num, num_rows, num_bits = len(self.varying), len(self.value_rows), len(self.bit_rows)
        self._expect("varying", (num,), range(self.num_bytes))
        self._expect("row_of", (num, 256), range(num_rows))
        self._expect("varying_bits", (num_bits,), range(8 * num))
        self._expect("value_rows", (num_rows, self.num_features))
        self._expect("bit_rows", (num_bits, self.num_features))

    def forward(self, ram: Tensor) -> Tensor:
        values = ram[:, self.varying]
        rows = self.row_of.gather(1, values.T.long()).T.long()
        bits = bits_of(values, self.bit_places)[:, self.varying_bits].float()
        of_values = functional.embedding(rows, self.value_rows).sum(1)  # bags know no torch.func
        features: Tensor = torch.addmm(of_values, bits, self.bit_rows)
        return features


def bits_of(values: Tensor, places: Tensor = BIT_PLACES) -> Tensor:
    """Whether bits are set, bool (N, 8 K), of bytes uint8 (N, K), each byte's lowest first, with
    `BIT_PLACES` where the bytes are.
    """
    return (values[:, :, None] & places).flatten(1).bool()
