"""A background plus products of row and column profiles: the family for game states.

A game frame minus its background has low rank: bars, bricks, digits, paddles and balls cover a few
rows times a few columns. The sum of products is a position on a line of colors for each pixel, and
each pixel takes the nearest of the colors that it has in real frames (`PixelPalettes`). Positions
need not be exact, so a few products suffice.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    NetworkFamily,
    NetworkShape,
    patch_critic,
    with_condition,
)
from atarigan.models.families.pixel_palettes import PixelPalettes

RANK = 20
MIXING_WIDTH = 256


@NETWORKS.register("profiles")
class ProfilesFamily(NetworkFamily):
    """Products of row and column profiles, each pixel in one of its own colors; for game states."""

    def generator(self, shape: NetworkShape) -> Generator:
        return ProfilesGenerator(shape, shape.image_shape("profiles"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return patch_critic(shape, shape.image_shape("profiles"))


class ProfilesGenerator(Generator):
    """Inputs to images (B, C, H, W) in [-1, 1].

    The position of pixel (i, j) is background_ij + s Σ_r row_ir column_rj with s = rank^(-1/2).
    Rows and columns are linear in the inputs. Without conditions, or with a `generator_width`, the
    inputs first pass a residual layer of that width.
    """

    num_fitted = 16_384
    num_observed = 131_072

    def __init__(
        self, shape: NetworkShape, image_shape: tuple[int, int, int], rank: int = RANK
    ) -> None:
        super().__init__()
        channels, height, columns = image_shape
        size = shape.input_size
        width = shape.generator_width or (0 if shape.condition_size else MIXING_WIDTH)
        self.mix = (
            nn.Sequential(nn.Linear(size, width), nn.LeakyReLU(0.2), nn.Linear(width, size))
            if width
            else None
        )
        self.row_profiles = nn.Sequential(
            nn.Linear(size, height * rank), nn.Unflatten(1, (height, rank))
        )
        self.column_profiles = nn.Sequential(
            nn.Linear(size, rank * columns), nn.Unflatten(1, (rank, columns))
        )
        if shape.condition_size:
            self._zero_latent_weights(shape.latent_size)
        self.scale = rank**-0.5
        self.background = nn.Parameter(torch.zeros(1, height, columns))
        self.colors = PixelPalettes(height, columns, channels)

    @torch.no_grad()
    def _zero_latent_weights(self, latent_size: int) -> None:
        """Start without an influence of latents: conditions determine nearly everything."""
        for profiles in (self.row_profiles, self.column_profiles):
            for weight in profiles.parameters():
                if weight.ndim == 2:
                    weight[:, :latent_size] = 0

    @torch.no_grad()
    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        """Find each pixel's palette, and set the background to its most frequent color."""
        self.background.copy_(self.colors.fit(samples.numpy()))

    @torch.no_grad()
    def observe(self, parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        """Add the colors of further samples to the palettes."""
        self.colors.observe(samples.numpy() for samples, _ in parts)

    def forward(
        self, latents: Tensor, condition: Tensor | None = None, state: Tensor | None = None
    ) -> Tensor:
        return self.colors.images(self.positions(with_condition(latents, condition), state))

    def frames(
        self, latents: Tensor, condition: Tensor | None = None, state: Tensor | None = None
    ) -> Tensor:
        return self.colors.frames(self.positions(with_condition(latents, condition), state))

    def reconstruction_loss(
        self, latents: Tensor, condition: Tensor, real: Tensor, state: Tensor | None = None
    ) -> Tensor:
        """Return `PixelPalettes.position_error`."""
        positions = self.positions(with_condition(latents, condition), state)
        return self.colors.position_error(positions, real)

    def mixed(self, inputs: Tensor) -> Tensor:
        """Return the features that rows and columns are linear in, (B, input_size), of inputs."""
        return inputs if self.mix is None else inputs + self.mix(inputs)

    def positions(self, inputs: Tensor, state: Tensor | None = None) -> Tensor:
        """Return each pixel's position on the line of colors, float32 (B, H, W), for inputs (B,
        input_size). This family ignores states.
        """
        return self.products(self.mixed(inputs)).view(-1, *self.background.shape[1:])

    def products(self, features: Tensor) -> Tensor:
        """Return background and products, float32 (B, H * W), for what `mixed` returns."""
        products = self.row_profiles(features) @ self.column_profiles(features)
        background = self.background.flatten(1)
        return torch.add(background, products.float().flatten(1), alpha=self.scale)
