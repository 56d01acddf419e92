"""Fully connected networks, for points and for small images."""

import itertools
import math

from torch import Tensor, nn

from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    LayeredCritic,
    NetworkFamily,
    NetworkShape,
    joined,
)

DEFAULT_WIDTH = 100
DROPOUT = 0.3


@NETWORKS.register("mlp")
class MlpFamily(NetworkFamily):
    """Fully connected layers with leaky ReLUs; points as well as images."""

    lists_layers = True

    def generator(self, shape: NetworkShape) -> Generator:
        return MlpGenerator(shape, leaky_layers(self.generator_sizes(shape), shape.leaky_slope))

    def critic(self, shape: NetworkShape) -> nn.Module:
        sizes = self.critic_sizes(shape)
        layers = nn.Sequential(nn.Flatten(), *leaky_layers(sizes, shape.leaky_slope))
        return LayeredCritic(layers, sizes[-1], shape.condition_size)

    def generator_sizes(self, shape: NetworkShape) -> list[int]:
        """Numbers going into the generator's first layer and out of each hidden one."""
        width = shape.generator_width or DEFAULT_WIDTH
        return [shape.input_size, *(shape.generator_layers or (width, width))]

    def critic_sizes(self, shape: NetworkShape) -> list[int]:
        """Numbers going into the critic's first layer and out of each hidden one."""
        width = shape.critic_width or DEFAULT_WIDTH
        return [math.prod(shape.sample_shape), *(shape.critic_layers or (width, width))]


@NETWORKS.register("mlp_norm")
class NormalizedMlpFamily(MlpFamily):
    """Fully connected, with batch norm in the generator and dropout in the critic."""

    def generator(self, shape: NetworkShape) -> Generator:
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(self.generator_sizes(shape)):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
        return MlpGenerator(shape, layers)

    def critic(self, shape: NetworkShape) -> nn.Module:
        sizes = self.critic_sizes(shape)
        layers: list[nn.Module] = [nn.Flatten()]
        for layer in leaky_layers(sizes, shape.leaky_slope):
            is_activation = isinstance(layer, nn.LeakyReLU)
            layers += [layer, nn.Dropout(DROPOUT)] if is_activation else [layer]
        return LayeredCritic(nn.Sequential(*layers), sizes[-1], shape.condition_size)

    def generator_sizes(self, shape: NetworkShape) -> list[int]:
        width = shape.generator_width or 128
        doubling = (width, 2 * width, 4 * width, 8 * width)
        return [shape.input_size, *(shape.generator_layers or doubling)]

    def critic_sizes(self, shape: NetworkShape) -> list[int]:
        width = shape.critic_width or 128
        halving = (4 * width, 2 * width, width)
        return [math.prod(shape.sample_shape), *(shape.critic_layers or halving)]


@NETWORKS.register("mlp_sigmoid")
class SigmoidMlpFamily(MlpFamily):
    """Fully connected, with a sigmoid after every layer of the critic: it learns slowly."""

    def critic(self, shape: NetworkShape) -> nn.Module:
        sizes = self.critic_sizes(shape)
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), nn.Sigmoid()]
        return LayeredCritic(nn.Sequential(*layers), sizes[-1], shape.condition_size)


class MlpGenerator(Generator):
    """Latents to samples through hidden layers: points anywhere in the plane, images in [-1, 1]."""

    def __init__(self, shape: NetworkShape, hidden: list[nn.Module]) -> None:
        super().__init__()
        last = [layer for layer in hidden if isinstance(layer, nn.Linear)][-1]
        self.layers = nn.Sequential(
            *hidden,
            nn.Linear(last.out_features, math.prod(shape.sample_shape)),
            nn.Unflatten(1, shape.sample_shape),
            nn.Tanh() if len(shape.sample_shape) == 3 else nn.Identity(),
        )

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        samples: Tensor = self.layers(joined(latents, condition))
        return samples


def leaky_layers(sizes: list[int], leaky_slope: float) -> list[nn.Module]:
    """A linear layer and a leaky ReLU for each step from one size to the next."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.LeakyReLU(leaky_slope)]
    return layers
