"""DCGAN: transposed convolutions up, strided convolutions down (Radford et al. 2015,
arXiv:1511.06434).
"""

import math

from torch import Tensor, nn

from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    LayeredCritic,
    NetworkFamily,
    NetworkShape,
    downsampled_sizes,
    downsampling_layers,
    initialize_normal,
    with_condition,
)

DEFAULT_WIDTH = 32


@NETWORKS.register("dcgan")
class DcganFamily(NetworkFamily):
    """Transposed convolutions with batch norm; strided convolutions without it in the critic."""

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
    """Latents to images (B, C, H, W) in [-1, 1]; each doubling of the image halves the channels,
    which start at up to 8 times the width.
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
        initialize_normal(self)  # as in the paper

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        features: Tensor = self.project(with_condition(latents, condition))
        for layer, (rows, columns) in zip(self.grow, self.sizes[1:], strict=True):
            features = layer(features)[:, :, :rows, :columns]
        return features.tanh()
