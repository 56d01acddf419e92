"""RamEncoder: RAM, the console's 128 bytes of memory, to features for a network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.byte_groups import varying_bytes

BIT_VALUES = torch.tensor([1 << bit for bit in range(8)], dtype=torch.uint8)


@dataclass(frozen=True)
class EncoderSettings:
    """How a generator wants the encoder of its states to begin and to be trained.

    Attributes:
        num_features: features of a state.
        value_scale, bit_scale: standard deviation of the initial rows of values and of bits.
        value_decay: weight decay of the rows of values, decoupled from the gradient (Loshchilov and
            Hutter 2019, arXiv:1711.05101); 0 for none. It leaves to the rows of bits what they can
            say, and these generalize better to rare values.
        rare_share: values of a byte that fewer of the states have share one row of values, so that
            bits alone tell them apart.
    """

    num_features: int = 256
    value_scale: float = 0.02  # small, so that irrelevant bytes hardly matter from the start
    bit_scale: float = 0.0
    value_decay: float = 0.0
    rare_share: float = 0.0


DEFAULT_SETTINGS = EncoderSettings()


class RamEncoder(SizedByData):
    """RAM uint8 (B, bytes) to features float (B, num_features).

    features = Σ_i value_rows[value of byte i] + Σ_j bit_rows[j] · (bit j is set)

    The sums run over the bytes and bits that vary in the data, and each value of a byte has a row
    of its own. Rows of values suit bytes that hold coordinates: neighboring values can differ
    freely. Rows of bits suit bytes that hold flags (bricks, enemies): they generalize to unseen
    combinations. A value that is not in the data has the row of the nearest one that is.

    Attributes:
        varying: addresses of the bytes that vary, int64 (n,).
        row_of: row in `value_rows` of each value of these bytes, int32 (n, 256).
        varying_bits: which of their 8 n bits vary, int64 (bits,).
    """

    varying: Tensor
    row_of: Tensor
    varying_bits: Tensor
    bit_values: Tensor

    def __init__(
        self,
        num_bytes: int,
        num_features: int = 0,
        settings: EncoderSettings = DEFAULT_SETTINGS,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.num_bytes = num_bytes
        self.num_features = num_features or settings.num_features
        num_features = self.num_features
        self.register_buffer("varying", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("row_of", torch.zeros(0, 256, dtype=torch.int32))
        self.register_buffer("varying_bits", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("bit_values", BIT_VALUES.clone(), persistent=False)
        self.value_rows = nn.Parameter(torch.zeros(0, num_features))
        self.bit_rows = nn.Parameter(torch.zeros(0, num_features))

    def fit(self, ram: Tensor) -> None:
        """Find what varies in RAM uint8 (N, bytes), N at least 1, and initialize the rows."""
        self.varying = varying_bytes(ram)
        values = ram[:, self.varying]
        fewest = self.settings.rare_share * len(ram)
        num_rows = int(fewest > 1)
        maps = []
        for column in values.T:
            occurred, counts = column.unique(return_counts=True)
            nearest = (torch.arange(256)[:, None] - occurred.int()).abs().argmin(1)
            is_rare = counts < fewest
            rows = torch.where(is_rare, 0, num_rows - 1 + (~is_rare).cumsum(0))
            maps.append(rows[nearest])
            num_rows += int((~is_rare).sum())
        self.row_of = torch.stack(maps).int() if maps else self.row_of
        bits = bits_of(values, self.bit_values)
        self.varying_bits = torch.nonzero((bits != bits[0]).any(0))[:, 0]
        scale = self.settings.value_scale
        self.value_rows = nn.Parameter(scale * torch.randn(num_rows, self.num_features))
        self.bit_rows = nn.Parameter(torch.zeros(len(self.varying_bits), self.num_features))
        if self.settings.bit_scale:
            nn.init.normal_(self.bit_rows, std=self.settings.bit_scale)

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
        bits = bits_of(values, self.bit_values)[:, self.varying_bits].float()
        is_empty = not len(self.varying)  # which embedding_bag refuses
        if torch.is_grad_enabled() or torch.compiler.is_exporting() or is_empty:
            of_values = functional.embedding(rows, self.value_rows).sum(1)
        else:  # five times faster, but torch.func does not support it
            of_values = functional.embedding_bag(rows, self.value_rows, mode="sum")
        features: Tensor = torch.addmm(of_values, bits, self.bit_rows)
        return features


def bits_of(values: Tensor, bit_values: Tensor = BIT_VALUES) -> Tensor:
    """Return the bits of bytes uint8 (N, K), the lowest of each byte first, bool (N, 8 K).

    `bit_values` are `BIT_VALUES` on the device of the bytes.
    """
    return (values[:, :, None] & bit_values).flatten(1).bool()
