"""PixelFields: what each pixel shows by itself, as a function of a few numbers."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.images.pixels import frames_to_floats
from atarigan.models.sized_by_data import SizedByData

UNIT = 8.0
"""Pixels of a unit of coordinates."""
_STEEPNESS = UNIT  # a field grows by 1 in a pixel
_DIRECTIONS = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
NUM_FIELDS = 2 * len(_DIRECTIONS)


class PixelFields(SizedByData):
    """Which pixels change in real frames, what the others always show, and fields of those: at row
    y and column x, in units of 8 pixels from the middle,

        field_f = relu(8 (a_f y + b_f x + Σ_j (rows_yfj + columns_xfj) h_j + offset_fyx))

    for numbers h (B, num_inputs) of the state. A horizon that moves is such a field: the sum is the
    distance from it, and its height in each column follows from the state.

    Attributes:
        background: each pixel's most frequent color in [-1, 1], float (H * W, C).
        numbers: of the pixels that change, ascending, int64 (V,).
        places: of each pixel and of one outside of the picture, its place in `numbers`, or V, int64
            (H * W + 1,).
        rows, columns: (H, num_inputs, fields), (W, num_inputs, fields).
        directions: a and b, (2, fields).
        offsets: (V + 1, fields). The last row stands for all other pixels.
        colors: color of each pixel where all fields are 0, (V + 1, C).
    """

    background: Tensor
    numbers: Tensor
    places: Tensor

    def __init__(self, size: tuple[int, int], num_channels: int, num_inputs: int) -> None:
        super().__init__()
        self.height, self.width = size
        self.num_pixels, self.num_channels = self.height * self.width, num_channels
        self.register_buffer("background", torch.zeros(self.num_pixels, num_channels))
        self.register_buffer("numbers", torch.arange(self.num_pixels))
        self.register_buffer("places", torch.arange(self.num_pixels + 1), persistent=False)
        self.rows = nn.Parameter(torch.zeros(self.height, num_inputs, NUM_FIELDS))
        self.columns = nn.Parameter(torch.zeros(self.width, num_inputs, NUM_FIELDS))
        self.directions = nn.Parameter(torch.tensor(_DIRECTIONS).T.repeat_interleave(2, dim=1))
        self.offsets = nn.Parameter(torch.zeros(self.num_pixels + 1, NUM_FIELDS))
        self.colors = nn.Parameter(torch.zeros(self.num_pixels + 1, num_channels))

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shown(self) -> Tensor:
        """The background as uint8 (H * W, C)."""
        return self.background.add(1).mul(127.5).round().to(torch.uint8)

    def fit(self, frames: Tensor) -> None:
        """Find both in frames uint8 (N, H, W, C)."""
        flat = frames.flatten(1, 2)
        usual = flat.mode(0).values
        self.background = frames_to_floats(usual[None, None])[0, :, 0].T.contiguous()
        self._set_numbers((flat != usual).any(2).any(0))

    def observe(self, frames: Tensor) -> None:
        """Add the pixels that change in further frames uint8 (N, H, W, C)."""
        changes = (frames.flatten(1, 2) != self.shown).any(2).any(0)
        changes[self.numbers] = True
        self._set_numbers(changes)

    def _set_numbers(self, changes: Tensor) -> None:
        self.numbers = torch.nonzero(changes)[:, 0]
        colors = self.background[self.numbers]
        self.colors = nn.Parameter(torch.cat([colors, colors.new_zeros(1, self.num_channels)]))
        self.offsets = nn.Parameter(self.offsets.new_zeros(len(colors) + 1, NUM_FIELDS))
        self._derive()

    def at(self, pixels: Tensor, inputs: Tensor) -> Tensor:
        """Return the fields of each row of inputs at its own pixels (B, M), or at the same ones
        (M,), as (B, M, fields).
        """
        is_own = pixels.dim() == 2
        places = self.places[pixels]
        y, x = (pixels // self.width).clamp(max=self.height - 1), pixels % self.width
        by_row, by_column = self._along(self.rows, inputs), self._along(self.columns, inputs)
        if is_own:
            by_row = by_row.gather(1, y[:, :, None].expand(-1, -1, NUM_FIELDS))
            by_column = by_column.gather(1, x[:, :, None].expand(-1, -1, NUM_FIELDS))
        else:
            by_row, by_column = by_row[:, y], by_column[:, x]
        still = torch.stack([self._centered(y, self.height), self._centered(x, self.width)], dim=-1)
        sums = by_row + by_column + (still @ self.directions)
        return functional.relu(_STEEPNESS * (sums + functional.embedding(places, self.offsets)))

    def everywhere(self, inputs: Tensor) -> Tensor:
        """Return the fields at all pixels that change, (fields, B, V)."""
        by_row, by_column = self._along(self.rows, inputs), self._along(self.columns, inputs)
        sums = by_row.permute(2, 0, 1)[:, :, :, None] + by_column.permute(2, 0, 1)[:, :, None]
        y, x = self.numbers // self.width, self.numbers % self.width
        still = torch.stack([self._centered(y, self.height), self._centered(x, self.width)], dim=1)
        still = still @ self.directions + self.offsets[:-1]
        return functional.relu(_STEEPNESS * (sums.flatten(2)[:, :, self.numbers] + still.T[:, None]))

    def _along(self, table: Tensor, inputs: Tensor) -> Tensor:
        """Return what the rows or columns of a table add, (B, its length, fields)."""
        return (inputs @ table.transpose(0, 1).flatten(1)).unflatten(1, (len(table), NUM_FIELDS))

    def _centered(self, places: Tensor, size: int) -> Tensor:
        return (places - (size - 1) / 2) / UNIT

    def _check(self) -> None:
        num = len(self.numbers)
        self._expect("background", (self.num_pixels, self.num_channels))
        self._expect("numbers", (num,), range(self.num_pixels))
        self._expect("offsets", (num + 1, NUM_FIELDS))
        self._expect("colors", (num + 1, self.num_channels))

    def _derive(self) -> None:
        places = self.numbers.new_full((self.num_pixels + 1,), len(self.numbers))
        places[self.numbers] = torch.arange(len(self.numbers), device=places.device)
        self.places = places
