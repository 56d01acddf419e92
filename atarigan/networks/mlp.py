"""Fully connected networks, for points and for small images."""

import math

from torch import Tensor, nn

from atarigan.networks.network import NETWORKS, Generator, NetworkShape

DEFAULT_WIDTH = 100


@NETWORKS.register("mlp")
class MlpFamily:
    """Fully connected layers; points as well as images."""

    critic_gives_energy = False

    def generator(self, shape: NetworkShape) -> Generator:
        width = shape.generator_width or DEFAULT_WIDTH
        return MlpGenerator(shape.sample_shape, shape.latent_size, width)

    def critic(self, shape: NetworkShape) -> nn.Module:
        return MlpCritic(shape.sample_shape, shape.critic_width or DEFAULT_WIDTH)


class MlpGenerator(Generator):
    """Latents (B, latent_size) to samples (B, *sample_shape): points anywhere in the plane, images
    in [-1, 1].
    """

    def __init__(self, sample_shape: tuple[int, ...], latent_size: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_size, width),
            nn.LeakyReLU(0.01),
            nn.Linear(width, width),
            nn.LeakyReLU(0.01),
            nn.Linear(width, math.prod(sample_shape)),
            nn.Unflatten(1, sample_shape),
            nn.Tanh() if len(sample_shape) == 3 else nn.Identity(),
        )

    def forward(self, latents: Tensor) -> Tensor:
        samples: Tensor = self.layers(latents)
        return samples


class MlpCritic(nn.Module):
    """Samples (B, *sample_shape) to logits (B,)."""

    def __init__(self, sample_shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(sample_shape), width),
            nn.LeakyReLU(0.01),
            nn.Linear(width, width),
            nn.LeakyReLU(0.01),
            nn.Linear(width, 1),
        )

    def forward(self, samples: Tensor) -> Tensor:
        logits: Tensor = self.layers(samples)
        return logits[:, 0]
