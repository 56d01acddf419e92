"""Fully connected networks, for points and small images."""

import itertools
import math

from torch import Tensor, nn

from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    LayeredCritic,
    NetworkFamily,
    NetworkShape,
    with_condition,
)

DEFAULT_WIDTH = 100


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
        """Return the generator's input size and the sizes of its hidden layers."""
        width = shape.generator_width or DEFAULT_WIDTH
        return [shape.input_size, *(shape.generator_layers or (width, width))]

    def critic_sizes(self, shape: NetworkShape) -> list[int]:
        """Return the critic's input size and the sizes of its hidden layers."""
        width = shape.critic_width or DEFAULT_WIDTH
        return [math.prod(shape.sample_shape), *(shape.critic_layers or (width, width))]


class MlpGenerator(Generator):
    """Latents to samples: points anywhere in the plane, or images in [-1, 1].

    Args:
        shape: of the samples and the inputs.
        hidden: the layers before the last linear one.
    """

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
        samples: Tensor = self.layers(with_condition(latents, condition))
        return samples


def leaky_layers(sizes: list[int], leaky_slope: float) -> list[nn.Module]:
    """Return a linear layer and a leaky ReLU for each pair of successive sizes."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.LeakyReLU(leaky_slope)]
    return layers
