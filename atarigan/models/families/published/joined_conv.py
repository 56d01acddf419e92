"""Small convolutional networks that receive the condition at every layer."""

import itertools
import math

import torch
from torch import Tensor, nn

from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    NetworkFamily,
    NetworkShape,
    layer_sizes,
    with_condition,
)

GENERATOR_LAYERS = (64, 16, 5)
CRITIC_LAYERS = (16, 64, 128)
DENSE_WIDTH = 1024
_FIRST_CHANNELS = 128


@NETWORKS.register("joined_conv")
class JoinedConvFamily(NetworkFamily):
    """Convolutions that receive the condition at every layer, as published for 64×64 images."""

    lists_layers = True

    def generator(self, shape: NetworkShape) -> Generator:
        return JoinedGenerator(shape, shape.image_shape("joined_conv"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return JoinedCritic(shape, shape.image_shape("joined_conv"))


class JoinedGenerator(Generator):
    """Latents to images: a dense layer of 1,024, 128 channels at an eighth of the image's size,
    three transposed convolutions that double it, and one of 5×5 at full size.
    """

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, columns = image_shape
        self.sizes = [(-(-height // n), -(-columns // n)) for n in (8, 4, 2, 1)]
        widths = layer_sizes(shape.generator_layers, GENERATOR_LAYERS, "generator")
        more = shape.condition_size
        self.activation = nn.LeakyReLU(shape.leaky_slope)
        self.dense = nn.Linear(shape.input_size, shape.generator_width or DENSE_WIDTH)
        first = (_FIRST_CHANNELS, *self.sizes[0])
        self.spread = nn.Sequential(
            nn.Linear(self.dense.out_features + more, math.prod(first)), nn.Unflatten(1, first)
        )
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(before + more, after, 4, 2, 1)
            for before, after in itertools.pairwise((_FIRST_CHANNELS, *widths))
        )
        self.to_image = nn.ConvTranspose2d(widths[-1] + more, channels, 5, 1, 2)

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        features = self.activation(self.dense(with_condition(latents, condition)))
        features = self.activation(self.spread(with_condition(features, condition)))
        for layer, (rows, columns) in zip(self.grow, self.sizes[1:], strict=True):
            grown = layer(with_planes(features, condition))[:, :, :rows, :columns]
            features = self.activation(grown)
        # Published: a sigmoid for images in [0, 1]; for [-1, 1] that is tanh of half the input.
        image: Tensor = torch.tanh(self.to_image(with_planes(features, condition)) / 2)
        return image


class JoinedEncoder(nn.Module):
    """Images to codes: three convolutions of 4×4 that halve the image.

    Args:
        shape, image_shape: as of the family's critic.
        default_layers: their widths, where the shape lists none.
    """

    def __init__(
        self,
        shape: NetworkShape,
        image_shape: tuple[int, int, int],
        default_layers: tuple[int, ...],
    ) -> None:
        super().__init__()
        channels, height, columns = image_shape
        widths = layer_sizes(shape.critic_layers, default_layers, "critic")
        self.activation = nn.LeakyReLU(shape.leaky_slope)
        self.shrink = nn.ModuleList(
            halving(before + shape.condition_size, after)
            for before, after in itertools.pairwise((channels, *widths))
        )
        self.code_size = widths[-1] * -(-height // 8) * -(-columns // 8)

    def embed(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the codes (B, code_size) of samples (B, C, H, W)."""
        features = samples
        for layer in self.shrink:
            features = self.activation(layer(with_planes(features, condition)))
        return features.flatten(1)


class JoinedCritic(JoinedEncoder):
    """Images to logits (B,): the encoder and two dense layers."""

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__(shape, image_shape, CRITIC_LAYERS)
        dense = shape.critic_width or DENSE_WIDTH
        self.dense = nn.Linear(self.code_size + shape.condition_size, dense)
        self.logit = nn.Linear(dense + shape.condition_size, 1)

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        code = with_condition(self.embed(samples, condition), condition)
        features = self.activation(self.dense(code))
        logits: Tensor = self.logit(with_condition(features, condition))
        return logits[:, 0]


def halving(before: int, after: int) -> nn.Module:
    """Return a convolution of 4×4 and stride 2 that halves any size, rounding up."""
    return nn.Sequential(nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(before, after, 4, 2))


def with_planes(features: Tensor, condition: Tensor | None) -> Tensor:
    """Append each number of the condition (B, K) to features (B, C, H, W) as a constant plane."""
    if condition is None:
        return features
    planes = condition[:, :, None, None].expand(-1, -1, *features.shape[2:])
    return torch.cat([features, planes.to(features.dtype)], dim=1)
