"""The published Atari WGAN's networks: transposed convolutions, then two large linear layers."""

import itertools
import math

from torch import Tensor, nn

from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    LayeredCritic,
    NetworkFamily,
    NetworkShape,
    layer_sizes,
    with_condition,
)

GENERATOR_LAYERS = (512, 256, 128, 64, 1012)
CRITIC_LAYERS = (32, 64, 64, 1012)
_CRITIC_KERNELS = ((8, 4), (4, 2), (3, 1))
_SMALLEST_SIDE = 36  # the critic's convolutions reduce it to one pixel


@NETWORKS.register("atari_wgan")
class AtariWganFamily(NetworkFamily):
    """The published Atari WGAN's layers, 168 million weights in the generator at 210×160."""

    lists_layers = True

    def generator(self, shape: NetworkShape) -> Generator:
        shape.image_shape("atari_wgan")
        return AtariWganGenerator(shape)

    def critic(self, shape: NetworkShape) -> nn.Module:
        channels, height, width = shape.image_shape("atari_wgan")
        *widths, hidden = layer_sizes(shape.critic_layers, CRITIC_LAYERS, "critic")
        below, right = (max(0, _SMALLEST_SIDE - side) for side in (height, width))
        layers: list[nn.Module] = [nn.ZeroPad2d((0, right, 0, below))]
        size = [height + below, width + right]
        steps = itertools.pairwise((channels, *widths))
        for (before, after), (kernel, stride) in zip(steps, _CRITIC_KERNELS, strict=True):
            layers += [nn.Conv2d(before, after, kernel, stride), nn.ReLU()]
            size = [(side - kernel) // stride + 1 for side in size]
        layers += [nn.Flatten(), nn.Linear(widths[-1] * math.prod(size), hidden), nn.ReLU()]
        return LayeredCritic(nn.Sequential(*layers), hidden, shape.condition_size)


class AtariWganGenerator(Generator):
    """Latents to images: four transposed convolutions to 32×32, each followed by leaky ReLU and
    batch norm, then two linear layers to all pixels.
    """

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        *widths, hidden = layer_sizes(shape.generator_layers, GENERATOR_LAYERS, "generator")
        layers: list[nn.Module] = [nn.Unflatten(1, (shape.input_size, 1, 1))]
        for before, after in itertools.pairwise((shape.input_size, *widths)):
            stride, padding = (1, 0) if len(layers) == 1 else (2, 1)
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride, padding),
                nn.LeakyReLU(shape.leaky_slope),
                nn.BatchNorm2d(after),
            ]
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(widths[-1] * 32 * 32, hidden),
            nn.LeakyReLU(shape.leaky_slope),
            nn.Linear(hidden, math.prod(shape.sample_shape)),
            nn.Tanh(),
            nn.Unflatten(1, shape.sample_shape),
        )

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        image: Tensor = self.layers(with_condition(latents, condition))
        return image
