"""DCGAN: transposed convolutions up, strided convolutions down (Radford et al. 2015,
arXiv:1511.06434).
"""

import math

from torch import Tensor, nn

from atarigan.models.families.ladder import downsampled_sizes, downsampling_layers
from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    LayeredCritic,
    NetworkFamily,
    NetworkShape,
    joined,
)

DEFAULT_WIDTH = 32


@NETWORKS.register("dcgan")
class DcganFamily(NetworkFamily):
    """Transposed convolutions with batch norm, and a critic of strided convolutions without.

    In the critic every sample's gradient is its own.
    """

    def generator(self, shape: NetworkShape) -> Generator:
        return DcganGenerator(shape, shape.image_shape("dcgan"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        channels, height, columns = shape.image_shape("dcgan")
        width = shape.critic_width or DEFAULT_WIDTH
        sizes = downsampled_sizes(height, columns)
        widths = [channels, *(width * min(8, 2**level) for level in range(len(sizes) - 1))]
        layers = nn.Sequential(*downsampling_layers(widths, shape.leaky_slope), nn.Flatten())
        return LayeredCritic(layers, widths[-1] * math.prod(sizes[-1]), shape.condition_size)


class DcganGenerator(Generator):
    """Latents to images (B, C, H, W) in [-1, 1]; channels double at every halving, up to 8 times
    the width.
    """

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, columns = image_shape
        width = shape.generator_width or DEFAULT_WIDTH
        self.sizes = downsampled_sizes(height, columns)[::-1]
        self.widths = [width * min(8, 2**level) for level in range(len(self.sizes) - 1)][::-1]
        first = self.widths[0] if self.widths else width
        rows, cols = self.sizes[0]
        self.project = nn.Sequential(
            nn.Linear(shape.input_size, first * rows * cols, bias=False),
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

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        features: Tensor = self.project(joined(latents, condition))
        for layer, (rows, columns) in zip(self.grow, self.sizes[1:], strict=True):
            features = layer(features)[:, :, :rows, :columns]
        return features.tanh()


def _normal_weights(module: nn.Module) -> None:
    """Initial weights from N(0, 0.02), as the paper has it."""
    if isinstance(module, nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
