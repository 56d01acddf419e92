"""A grid of cells, each unfolded into a patch of pixels: the family for learned codes.

Each cell of the grid has a byte of the code. Features of a cell come from its own byte and from its
neighbors', and one transposed convolution, whose stride is a cell, unfolds them into pixels
(`CellGrid`). A pixel takes one of the colors that it has in real frames (`PixelPalettes`).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    NetworkFamily,
    NetworkShape,
    patch_critic,
    with_condition,
)
from atarigan.models.families.pixel_palettes import PixelPalettes
from atarigan.models.state.cell_grid import CellGrid
from atarigan.models.state.frame_encoder import WIDTH, ResidualLayers

NUM_CELLS = 64
CELL_FEATURES = 4
_SLOPE = 0.2
_PLACE_SCALE = 0.5
_VISIBLE = 3 / 127.5
_RAREST = 1e-3
_RARITY_POWER = 0.5


@NETWORKS.register("cells")
class CellsFamily(NetworkFamily):
    """Cells of a grid, each with a byte of a code, unfolded into pixels; for learned codes."""

    def generator(self, shape: NetworkShape) -> Generator:
        return CellsGenerator(shape, shape.image_shape("cells"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return patch_critic(shape, shape.image_shape("cells"))


class CellsGenerator(Generator):
    """Values of codes to images (B, C, H, W) in [-1, 1].

    Without a code, latents and conditions pass a linear layer that takes its place.

    Attributes:
        usual: position of each pixel's most frequent color, float (H, W).
        unusual_rate: share of real frames in which a pixel visibly differs from it, float (H, W).
    """

    num_fitted = 16_384
    num_observed = 131_072
    usual: Tensor
    unusual_rate: Tensor
    neighbors: Tensor

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, columns = image_shape
        width = shape.generator_width or WIDTH
        num_cells = shape.code_size or NUM_CELLS
        self.grid = CellGrid.of(num_cells, height, columns)
        per_cell = shape.condition_size // num_cells if shape.code_size else CELL_FEATURES
        self.project = None
        if not shape.code_size:
            self.project = nn.Linear(shape.input_size, num_cells * per_cell)
        self.enter = nn.Linear(9 * per_cell, width)
        self.of_latents = nn.Linear(shape.latent_size, width, bias=False)
        nn.init.zeros_(self.of_latents.weight)
        self.places = nn.Parameter(torch.randn(num_cells, width) * _PLACE_SCALE)
        self.layers = ResidualLayers(width)
        tall, wide = self.grid.cell
        self.unfold = nn.Linear(width, tall * wide)
        nn.init.normal_(self.unfold.weight, 0.0, 0.02)
        self.background = nn.Parameter(torch.zeros(height, columns))
        self.colors = PixelPalettes(height, columns, channels)
        self.register_buffer("usual", torch.zeros(height, columns))
        self.register_buffer("unusual_rate", torch.zeros(height, columns))
        self.register_buffer("neighbors", self.grid.neighbors().flatten(), persistent=False)

    @torch.no_grad()
    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        """Find each pixel's palette, its most frequent color, and how often it shows another."""
        self.usual.copy_(self.colors.fit(samples.numpy()))
        self.background.copy_(self.usual)
        unusual = torch.zeros_like(self.unusual_rate)
        for part in samples.split(256):
            unusual += self._is_unusual(self.colors.positions_of(part)).sum(0)
        self.unusual_rate.copy_(unusual / len(samples))

    @torch.no_grad()
    def observe(self, parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        """Add the colors of further samples to the palettes."""
        self.colors.observe(samples.numpy() for samples, _ in parts)

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.colors.images(self.positions(latents, condition))

    def frames(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.colors.frames(self.positions(latents, condition))

    def positions(self, latents: Tensor, condition: Tensor | None) -> Tensor:
        """Return each pixel's position on the line of colors, float32 (B, H, W).

        Args:
            latents: (B, latent_size).
            condition: values of codes (B, cells * d), or another condition.
        """
        values = condition
        if self.project is not None or values is None:
            assert self.project is not None
            values = self.project(with_condition(latents, condition))
        cells = functional.pad(values.unflatten(1, (self.grid.num_cells, -1)), (0, 0, 0, 1))
        around = cells.index_select(1, self.neighbors).unflatten(1, (-1, 9)).flatten(2)
        features = self.enter(around) + self.places + self.of_latents(latents)[:, None]
        features = functional.leaky_relu(self.layers(features), _SLOPE)
        return self.grid.joined(self.unfold(features)).float() + self.background

    def reconstruction_loss(self, latents: Tensor, condition: Tensor, real: Tensor) -> Tensor:
        """Return the mean of `PixelPalettes.pixel_errors`, weighted by how rare it is that a pixel
        differs from its usual color, or does not, to the power -1/2, at most 32.

        Without weights the loss would take long to see a ball of one pixel in 7,000.
        """
        errors = self.colors.pixel_errors(self.positions(latents, condition), real)
        is_unusual = self._is_unusual(self.colors.positions_of_images(real))
        rate = self.unusual_rate.clamp(_RAREST, 1 - _RAREST)
        weights = torch.where(is_unusual, rate**-_RARITY_POWER, (1 - rate) ** -_RARITY_POWER)
        return (errors * weights.flatten(1)).mean()

    def _is_unusual(self, positions: Tensor) -> Tensor:
        return (positions - self.usual).abs() > _VISIBLE
