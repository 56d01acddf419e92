"""A critic that is an autoencoder: a sample's energy is its reconstruction error."""

import itertools

import torch
from torch import Tensor, nn

from atarigan.models.families.dcgan import DEFAULT_WIDTH, DcganGenerator
from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    NetworkFamily,
    NetworkShape,
    downsampled_sizes,
    downsampling_layers,
    with_condition,
)

CODE_SIZE = 64


@NETWORKS.register("autoencoder")
class AutoencoderFamily(NetworkFamily):
    """A DCGAN generator, and a critic that reconstructs; for the objectives energy and began."""

    critic_gives_energy = True

    def generator(self, shape: NetworkShape) -> Generator:
        return DcganGenerator(shape, shape.image_shape("autoencoder"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return AutoencoderCritic(shape, shape.image_shape("autoencoder"))


class AutoencoderCritic(nn.Module):
    """Images (B, C, H, W) to energies (B,): the mean squared errors of their reconstruction.

    The decoder receives the condition together with the code.
    """

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        width, slope = shape.critic_width or DEFAULT_WIDTH, shape.leaky_slope
        channels, height, columns = image_shape
        self.sizes = downsampled_sizes(height, columns, smallest=8, most=3)
        widths = [channels, *(width * 2**level for level in range(len(self.sizes) - 1))]
        rows, cols = self.sizes[-1]
        num_features = widths[-1] * rows * cols
        up: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            last: nn.Module = nn.Tanh() if before == channels else nn.LeakyReLU(slope)
            up.insert(0, nn.Sequential(nn.ConvTranspose2d(after, before, 4, 2, 1), last))
        self.encode = nn.Sequential(
            *downsampling_layers(widths, slope), nn.Flatten(), nn.Linear(num_features, CODE_SIZE)
        )
        self.expand = nn.Sequential(
            nn.Linear(CODE_SIZE + shape.condition_size, num_features),
            nn.LeakyReLU(slope),
            nn.Unflatten(1, (widths[-1], rows, cols)),
        )
        self.grow = nn.ModuleList(up)

    def embed(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the codes (B, CODE_SIZE) of samples; they do not depend on the condition."""
        codes: Tensor = self.encode(samples)
        return codes

    def reconstruct(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        """Encode and decode samples (B, C, H, W)."""
        features: Tensor = self.expand(with_condition(self.encode(samples), condition))
        for layer, (rows, columns) in zip(self.grow, self.sizes[-2::-1], strict=True):
            features = layer(features)[:, :, :rows, :columns]
        return features

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.square(self.reconstruct(samples, condition) - samples).flatten(1).mean(1)
