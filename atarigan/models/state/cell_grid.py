"""CellGrid: a frame divided into equal cells, one for each byte of a code."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class CellGrid:
    """A grid of cells that covers a frame. Those at the bottom and on the right may reach beyond.

    Attributes:
        height, width: of the frame in pixels.
        rows, columns: of the grid.
    """

    height: int
    width: int
    rows: int
    columns: int

    @classmethod
    def of(cls, num_cells: int, height: int, width: int) -> "CellGrid":
        """Return the grid of this number of cells whose cells are closest to squares."""
        divisors = [each for each in range(1, num_cells + 1) if num_cells % each == 0]

        def stretch(rows: int) -> float:
            return abs(math.log(height * (num_cells // rows) / (width * rows)))

        rows = min(divisors, key=stretch)
        return cls(height, width, rows, num_cells // rows)

    @property
    def num_cells(self) -> int:
        return self.rows * self.columns

    @property
    def cell(self) -> tuple[int, int]:
        """Height and width of a cell in pixels."""
        return -(-self.height // self.rows), -(-self.width // self.columns)

    @property
    def margin(self) -> tuple[int, int]:
        """How far an encoder looks beyond a cell: a third of its size, at least 1 pixel."""
        tall, wide = self.cell
        return max(1, tall // 3), max(1, wide // 3)

    def patches(self, images: Tensor) -> Tensor:
        """Return each cell of images (B, C, H, W) with its margin, (B, cells, C * h * w).

        Pixels beyond the image are 0.
        """
        (tall, wide), (above, beside) = self.cell, self.margin
        below = self.rows * tall - self.height + above
        right = self.columns * wide - self.width + beside
        padded = functional.pad(images, (beside, right, above, below))
        windows = padded.unfold(2, tall + 2 * above, tall).unfold(3, wide + 2 * beside, wide)
        return windows.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)

    def patch_size(self, num_channels: int) -> int:
        """How many numbers a patch of `patches` has."""
        (tall, wide), (above, beside) = self.cell, self.margin
        return num_channels * (tall + 2 * above) * (wide + 2 * beside)

    def joined(self, cells: Tensor) -> Tensor:
        """Return the planes (B, H, W) of cells (B, cells, h * w)."""
        tall, wide = self.cell
        by_place = cells.view(-1, self.rows, self.columns, tall, wide)
        planes = by_place.transpose(2, 3).flatten(3).flatten(1, 2)
        return planes[:, : self.height, : self.width]

    def neighbors(self) -> Tensor:
        """Return the numbers of each cell's neighbors and of itself, int64 (cells, 9); `num_cells`
        stands for one beyond the grid.
        """
        numbers = torch.arange(self.num_cells).view(self.rows, self.columns)
        padded = functional.pad(numbers, (1, 1, 1, 1), value=self.num_cells)
        return padded.unfold(0, 3, 1).unfold(1, 3, 1).reshape(self.num_cells, 9)
