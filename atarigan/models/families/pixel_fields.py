"""PixelFields: what each pixel shows by itself, as a function of a few numbers."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.images.pixels import frames_to_floats
from atarigan.models.sized_by_data import SizedByData

UNIT = 8.0
"""Pixels of a unit of coordinates."""
_STEEPNESS = 2 * UNIT  # a field grows by 2 in a pixel: from black to white
_DIRECTIONS = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
NUM_FIELDS = len(_DIRECTIONS)


class PixelFields(SizedByData):
    """Which pixels change in real frames, what the others always show, and fields: at row y and
    column x, in units of 8 pixels from the middle,

        field_f = relu(16 (a_f y + b_f x + Σ_j (rows_yfj + columns_xfj) h_j + offset_fyx))

    for numbers h (B, num_inputs) of the state. An edge that moves is such a field: the sum is the
    distance from it, and its place in each row or column follows from the state.

    Pixels are numbered from 0 to H * W - 1; H * W is one outside of the picture.

    Attributes:
        background: each pixel's most frequent color in [-1, 1], float (H * W + 1, C).
        varies: which pixels change, bool (H * W + 1,).
        numbers: of the pixels that change, ascending, int64 (V,).
        rows, columns: (H, num_inputs, fields), (W, num_inputs, fields).
        directions: a and b, (2, fields).
        offsets: (H * W + 1, fields).
        colors: color of each pixel where all fields are 0, (H * W + 1, C).
    """

    background: Tensor
    varies: Tensor
    numbers: Tensor
    coordinates: Tensor

    def __init__(self, size: tuple[int, int], num_channels: int, num_inputs: int) -> None:
        super().__init__()
        self.height, self.width = size
        num = self.height * self.width + 1
        self.register_buffer("background", torch.zeros(num, num_channels))
        self.register_buffer("varies", torch.arange(num) < num - 1)
        self.register_buffer("numbers", torch.arange(num - 1), persistent=False)
        self.register_buffer("coordinates", self._coordinates(), persistent=False)
        self.rows = nn.Parameter(torch.zeros(self.height, num_inputs, NUM_FIELDS))
        self.columns = nn.Parameter(torch.zeros(self.width, num_inputs, NUM_FIELDS))
        self.directions = nn.Parameter(torch.tensor(_DIRECTIONS).T.contiguous())
        self.offsets = nn.Parameter(torch.zeros(num, NUM_FIELDS))
        self.colors = nn.Parameter(torch.zeros(num, num_channels))

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shown(self) -> Tensor:
        """The background as uint8 (H, W, C)."""
        levels = self.background[:-1].add(1).mul(127.5).round().to(torch.uint8)
        shown: Tensor = levels.unflatten(0, (self.height, self.width))
        return shown

    def fit(self, frames: Tensor) -> None:
        """Find both in frames uint8 (N, H, W, C)."""
        flat = frames.flatten(1, 2)
        usual = flat.mode(0).values
        self.background[:-1] = frames_to_floats(usual[None, None])[0, :, 0].T
        self.colors.copy_(self.background)
        self.varies[:-1] = (flat != usual).any(2).any(0)
        self._derive()

    def observe(self, frames: Tensor) -> None:
        """Add the pixels that change in further frames uint8 (N, H, W, C)."""
        self.varies[:-1] |= (frames != self.shown).any(3).any(0).flatten()
        self._derive()

    def at(self, pixels: Tensor, inputs: Tensor) -> Tensor:
        """Return the fields of each row of inputs at its own pixels (B, M), or at the same ones
        (M,), as (B, M, fields).
        """
        y, x = (pixels // self.width).clamp(max=self.height - 1), pixels % self.width
        by_row, by_column = self._along(self.rows, inputs), self._along(self.columns, inputs)
        if pixels.dim() == 2:
            by_row = by_row.gather(1, y[:, :, None].expand(-1, -1, NUM_FIELDS))
            by_column = by_column.gather(1, x[:, :, None].expand(-1, -1, NUM_FIELDS))
        else:
            by_row, by_column = by_row[:, y], by_column[:, x]
        still = functional.embedding(pixels, self.coordinates) @ self.directions
        sums = by_row + by_column + still + functional.embedding(pixels, self.offsets)
        return functional.relu(_STEEPNESS * sums)

    def everywhere(self, inputs: Tensor) -> Tensor:
        """Return the fields at all pixels, (fields, B, H * W)."""
        by_row, by_column = self._along(self.rows, inputs), self._along(self.columns, inputs)
        still = self.coordinates[:-1] @ self.directions + self.offsets[:-1]
        still = _STEEPNESS * still.T.unflatten(1, (1, self.height, self.width))
        by_row, by_column = (_STEEPNESS * each.permute(2, 0, 1) for each in (by_row, by_column))
        sums = by_row[:, :, :, None] + still + by_column[:, :, None]
        return functional.relu(sums, inplace=not sums.requires_grad).flatten(2)

    def _along(self, table: Tensor, inputs: Tensor) -> Tensor:
        """Return what the rows or columns of a table add, (B, its length, fields)."""
        sums = inputs @ table.transpose(0, 1).flatten(1)
        found: Tensor = sums.unflatten(1, (len(table), NUM_FIELDS))
        return found

    def _coordinates(self) -> Tensor:
        """Return y and x of every pixel, and 0 of one outside, (H * W + 1, 2)."""
        rows = (torch.arange(self.height) - (self.height - 1) / 2) / UNIT
        columns = (torch.arange(self.width) - (self.width - 1) / 2) / UNIT
        return functional.pad(torch.cartesian_prod(rows, columns), (0, 0, 0, 1))

    def _check(self) -> None:
        if bool(self.varies[-1]):
            raise ValueError("varies must be false outside of the picture")

    def _derive(self) -> None:
        self.numbers = torch.nonzero(self.varies)[:, 0]
