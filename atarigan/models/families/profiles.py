"""A background plus products of row and column profiles: the family for a game's states.

A frame of a game is close to its background, and what differs has low rank: bars, bricks, digits,
paddles and balls are a few rows times a few columns. Where each pixel then takes the nearest of the
colors that it really shows (`PixelPalettes`), it suffices to be near, so that a few products draw
it all.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from atarigan.models.families.codebook import patch_critic
from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    NetworkFamily,
    NetworkShape,
    joined,
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

    Pixel (i, j) is at place background_ij + s Σ_r row_ri column_rj on the line of the game's
    colors, s = rank^(-1/2), rows and columns being linear in the inputs. Without conditions, and
    where `generator_width` asks for it, a layer of that width is added to the inputs first.
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
        """Begin with latents that say nothing, where conditions say nearly all."""
        for profiles in (self.row_profiles, self.column_profiles):
            for weight in profiles.parameters():
                if weight.ndim == 2:
                    weight[:, :latent_size] = 0

    @torch.no_grad()
    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        """Take each pixel's colors, and the most frequent of them as its background."""
        self.background.copy_(self.colors.fit(samples.numpy()))

    @torch.no_grad()
    def observe(self, parts: Iterable[Tensor]) -> None:
        """Let pixels take the colors that they show in further samples."""
        self.colors.observe(part.numpy() for part in parts)

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.colors.snapped(self.places(joined(latents, condition)))

    def frames(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.colors.frames(self.places(joined(latents, condition)))

    def reconstruction_loss(self, latents: Tensor, condition: Tensor, real: Tensor) -> Tensor:
        """`PixelPalettes.misplacement`: distance to where the real colors would be shown."""
        return self.colors.misplacement(self.places(joined(latents, condition)), real)

    def places(self, inputs: Tensor) -> Tensor:
        """Where on the line of colors pixels are, float32 (B, H, W), of inputs (B, input_size)."""
        features = inputs if self.mix is None else inputs + self.mix(inputs)
        products = self.row_profiles(features) @ self.column_profiles(features)
        return torch.add(self.background, products.float(), alpha=self.scale)
