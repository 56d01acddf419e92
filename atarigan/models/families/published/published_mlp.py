"""The fully connected networks of two published GANs, on images and on points of a sine wave."""

import itertools
import math

from torch import nn

from atarigan.models.families.mlp import MlpFamily, MlpGenerator, leaky_layers
from atarigan.models.families.network import NETWORKS, Generator, LayeredCritic, NetworkShape

NORMALIZED_WIDTH = 128
DROPOUT = 0.3


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
            layers.append(layer)
            if isinstance(layer, nn.LeakyReLU):
                layers.append(nn.Dropout(DROPOUT))
        return LayeredCritic(nn.Sequential(*layers), sizes[-1], shape.condition_size)

    def generator_sizes(self, shape: NetworkShape) -> list[int]:
        width = shape.generator_width or NORMALIZED_WIDTH
        doubling = (width, 2 * width, 4 * width, 8 * width)
        return [shape.input_size, *(shape.generator_layers or doubling)]

    def critic_sizes(self, shape: NetworkShape) -> list[int]:
        width = shape.critic_width or NORMALIZED_WIDTH
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
