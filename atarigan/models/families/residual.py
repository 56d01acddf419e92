"""Residual blocks (He et al. 2016, arXiv:1512.03385), arranged as in Gulrajani et al. 2017,
arXiv:1704.00028, appendix F.
"""

import itertools
import math

from torch import Tensor, nn
from torch.nn import functional

from atarigan.models.families.network import (
    NETWORKS,
    CriticHead,
    Generator,
    NetworkFamily,
    NetworkShape,
    downsampled_sizes,
    with_condition,
)

DEFAULT_WIDTH = 32


@NETWORKS.register("residual")
class ResidualFamily(NetworkFamily):
    """Residual blocks that double or halve the resolution; no batch norm in the critic."""

    def generator(self, shape: NetworkShape) -> Generator:
        return ResidualGenerator(shape, shape.image_shape("residual"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return ResidualCritic(shape, shape.image_shape("residual"))


class ResidualGenerator(Generator):
    """Latents to images (B, C, H, W) in [-1, 1]; each block enlarges the image to the next size."""

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, columns = image_shape
        self.sizes = downsampled_sizes(height, columns)[::-1]
        widths = block_widths(shape.generator_width or DEFAULT_WIDTH, len(self.sizes))[::-1]
        rows, cols = self.sizes[0]
        self.project = nn.Sequential(
            nn.Linear(shape.input_size, widths[0] * rows * cols),
            nn.Unflatten(1, (widths[0], rows, cols)),
        )
        self.blocks = nn.ModuleList(
            GrowingBlock(before, after, shape.leaky_slope)
            for before, after in itertools.pairwise(widths)
        )
        self.to_image = nn.Sequential(
            nn.BatchNorm2d(widths[-1]),
            nn.LeakyReLU(shape.leaky_slope),
            nn.Conv2d(widths[-1], channels, 3, 1, 1),
            nn.Tanh(),
        )

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        features: Tensor = self.project(with_condition(latents, condition))
        for block, size in zip(self.blocks, self.sizes[1:], strict=True):
            features = block(features, size)
        image: Tensor = self.to_image(features)
        return image


class ResidualCritic(nn.Module):
    """Images (B, C, H, W) to logits (B,); every block but the last halves the image."""

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, columns = image_shape
        sizes = downsampled_sizes(height, columns)
        widths = block_widths(shape.critic_width or DEFAULT_WIDTH, len(sizes))
        self.from_image = nn.Conv2d(channels, widths[0], 3, 1, 1)
        self.blocks = nn.Sequential(
            *(
                ShrinkingBlock(before, after, shape.leaky_slope)
                for before, after in itertools.pairwise(widths)
            ),
            nn.LeakyReLU(shape.leaky_slope),
            nn.Flatten(),
        )
        self.head = CriticHead(widths[-1] * math.prod(sizes[-1]), shape.condition_size)

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.from_image(samples)), condition)
        return logits


class GrowingBlock(nn.Module):
    """Features (B, before, h, w) to (B, after, rows, columns).

    The shortcut is a 1×1 convolution, the residual two of 3×3; both repeat pixels to the new size.
    """

    def __init__(self, before: int, after: int, leaky_slope: float) -> None:
        super().__init__()
        self.around = nn.Conv2d(before, after, 1, bias=False)
        self.start = nn.Sequential(nn.BatchNorm2d(before), nn.LeakyReLU(leaky_slope))
        self.reduce = nn.Conv2d(before, after, 3, 1, 1, bias=False)
        self.finish = nn.Sequential(
            nn.BatchNorm2d(after), nn.LeakyReLU(leaky_slope), nn.Conv2d(after, after, 3, 1, 1)
        )

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        # A convolution before the enlargement takes a quarter of the work of one after it.
        through = functional.interpolate(self.reduce(self.start(features)), size)
        around = functional.interpolate(self.around(features), size)
        result: Tensor = around + self.finish(through)
        return result


class ShrinkingBlock(nn.Module):
    """Features (B, before, h, w) to (B, after, ⌈h/2⌉, ⌈w/2⌉)."""

    def __init__(self, before: int, after: int, leaky_slope: float) -> None:
        super().__init__()
        self.around = nn.Conv2d(before, after, 1, bias=False)
        self.through = nn.Sequential(
            nn.LeakyReLU(leaky_slope),
            nn.Conv2d(before, after, 3, 1, 1),
            nn.LeakyReLU(leaky_slope),
            nn.Conv2d(after, after, 3, 2, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        around = functional.avg_pool2d(features, 2, ceil_mode=True)
        result: Tensor = self.around(around) + self.through(features)
        return result


def block_widths(width: int, num_sizes: int) -> list[int]:
    """Return the channels at each size, the largest first; they double up to 4 times the width."""
    return [width * min(4, 2**level) for level in range(num_sizes)]
