"""Low resolution and PixelShuffle: a family for frames that is fast on a CPU.

Convolutions run on a grid of a quarter of the frame's size, and PixelShuffle unfolds each cell's
channels into a patch of pixels (Shi et al. 2016, arXiv:1609.05158). A mask blends the output with a
fixed background, so that static pixels are exact from the first step and the network learns only
the foreground.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.images.pixels import frames_to_floats
from atarigan.models.families.network import (
    NETWORKS,
    CriticHead,
    Generator,
    NetworkFamily,
    NetworkShape,
    downsampled_sizes,
    downsampling_layers,
    with_condition,
)

GENERATOR_WIDTH = 32
CRITIC_WIDTH = 32


@NETWORKS.register("subpixel")
class SubpixelFamily(NetworkFamily):
    """Convolutions on a coarse grid, PixelShuffle to full size, over a fixed background; fast."""

    def generator(self, shape: NetworkShape) -> Generator:
        return SubpixelGenerator(shape, shape.image_shape("subpixel"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return SubpixelCritic(shape, shape.image_shape("subpixel"))


class SubpixelGenerator(Generator):
    """Latents to images (B, C, H, W) in [-1, 1]."""

    background: Tensor

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        width, slope = shape.generator_width or GENERATOR_WIDTH, shape.leaky_slope
        self.slope = slope
        self.channels, self.height, self.width = image_shape
        factor = patch_size(self.height, self.width)
        rows, columns = -(-self.height // factor), -(-self.width // factor)
        self.project = nn.Sequential(
            nn.Linear(shape.input_size, 256),
            nn.LeakyReLU(slope),
            nn.Linear(256, width * rows * columns),
            nn.Unflatten(1, (width, rows, columns)),
        )
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for _ in range(2))
        self.unfold = nn.Sequential(
            nn.LeakyReLU(slope),
            nn.Conv2d(width, (self.channels + 1) * factor**2, 3, 1, 1),
            nn.PixelShuffle(factor),
        )
        self.register_buffer("background", torch.zeros(image_shape))

    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        """Set the background to each pixel's most frequent value."""
        background = samples.mode(dim=0).values
        self.background.copy_(frames_to_floats(background[None])[0])

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        features = self.project(with_condition(latents, condition))
        features = features.contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions:
            features = features + convolution(functional.leaky_relu(features, self.slope))
        layers = self.unfold(features)[:, :, : self.height, : self.width].float()
        foreground, mask = layers[:, :-1].tanh(), layers[:, -1:].sigmoid()
        return torch.lerp(self.background, foreground, mask)


class SubpixelCritic(nn.Module):
    """Images (B, C, H, W) to logits (B,): patches of pixels become channels; strided convolutions
    follow.
    """

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        width, slope = shape.critic_width or CRITIC_WIDTH, shape.leaky_slope
        channels, height, columns = image_shape
        self.factor = patch_size(height, columns)
        rows, cols = -(-height // self.factor), -(-columns // self.factor)
        self.padding = (0, cols * self.factor - columns, 0, rows * self.factor - height)
        sizes = downsampled_sizes(rows, cols)
        before = channels * self.factor**2
        layers: list[nn.Module] = [nn.Conv2d(before, width, 3, 1, 1), nn.LeakyReLU(slope)]
        widths = [width * min(4, 2**level) for level in range(len(sizes))]
        layers += downsampling_layers(widths, slope)
        rows, cols = sizes[-1]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = CriticHead(widths[-1] * rows * cols, shape.condition_size)

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        patches = functional.pixel_unshuffle(functional.pad(samples, self.padding), self.factor)
        logits: Tensor = self.head(self.layers(patches), condition)
        return logits


def patch_size(height: int, width: int) -> int:
    """Return the side, in pixels, of the patch that one cell of the grid unfolds into."""
    return 4 if min(height, width) >= 16 else 2
