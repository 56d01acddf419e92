"""DCGAN: transposed convolutions up, strided convolutions down (Radford et al. 2015,
arXiv:1511.06434).
"""

from torch import Tensor, nn

from atarigan.networks.ladder import halving_layers, halvings
from atarigan.networks.network import NETWORKS, Generator, NetworkShape

DEFAULT_WIDTH = 32


@NETWORKS.register("dcgan")
class DcganFamily:
    """Transposed convolutions with batch norm, and a critic of strided convolutions without."""

    critic_gives_energy = False

    def generator(self, shape: NetworkShape) -> Generator:
        image_shape = shape.image_shape("dcgan")
        return DcganGenerator(
            image_shape, shape.latent_size, shape.generator_width or DEFAULT_WIDTH
        )

    def critic(self, shape: NetworkShape) -> nn.Module:
        return DcganCritic(shape.image_shape("dcgan"), shape.critic_width or DEFAULT_WIDTH)


class DcganGenerator(Generator):
    """Latents (B, latent_size) to images (B, C, H, W) in [-1, 1]; channels double at every halving,
    up to 8 times `width`.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_size: int, width: int) -> None:
        super().__init__()
        channels, height, columns = image_shape
        self.sizes = halvings(height, columns)[::-1]
        self.widths = [width * min(8, 2**level) for level in range(len(self.sizes) - 1)][::-1]
        first = self.widths[0] if self.widths else width
        rows, cols = self.sizes[0]
        self.project = nn.Sequential(
            nn.Linear(latent_size, first * rows * cols, bias=False),
            nn.Unflatten(1, (first, rows, cols)),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        )
        outputs = [*self.widths[1:], channels]
        self.grow = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=after == channels),
                nn.Identity() if last else nn.Sequential(nn.BatchNorm2d(after), nn.ReLU()),
            )
            for before, after, last in zip(
                self.widths, outputs, [False] * (len(outputs) - 1) + [True], strict=True
            )
        )
        self.apply(_normal_weights)

    def forward(self, latents: Tensor) -> Tensor:
        features: Tensor = self.project(latents)
        for layer, (rows, columns) in zip(self.grow, self.sizes[1:], strict=True):
            features = layer(features)[:, :, :rows, :columns]
        return features.tanh()


class DcganCritic(nn.Module):
    """Images (B, C, H, W) to logits (B,); no batch norm, so that every sample's gradient is its
    own.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        channels, height, columns = image_shape
        sizes = halvings(height, columns)
        widths = [channels, *(width * min(8, 2**level) for level in range(len(sizes) - 1))]
        rows, cols = sizes[-1]
        self.layers = nn.Sequential(
            *halving_layers(widths), nn.Flatten(), nn.Linear(widths[-1] * rows * cols, 1)
        )

    def forward(self, samples: Tensor) -> Tensor:
        logits: Tensor = self.layers(samples)
        return logits[:, 0]


def _normal_weights(module: nn.Module) -> None:
    """Initial weights from N(0, 0.02), as the paper has it."""
    if isinstance(module, nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
