"""What a network family is: a generator and a critic for samples of any shape, made from one
description.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from atarigan.errors import InputError
from atarigan.registry import Registry


@dataclass(frozen=True)
class NetworkShape:
    """What a pair of networks has to fit.

    Attributes:
        sample_shape: (2,) for points, (C, H, W) for images.
        latent_size: numbers in a latent vector.
        generator_width, critic_width: channels at the networks' widest resolution; 0 means the
            family's own.
    """

    sample_shape: tuple[int, ...]
    latent_size: int
    generator_width: int = 0
    critic_width: int = 0

    def image_shape(self, family: str) -> tuple[int, int, int]:
        """(C, H, W).

        Raises:
            InputError: the samples are no images.
        """
        if len(self.sample_shape) != 3:
            raise InputError(
                f"network {family!r} needs samples of shape (C, H, W), not {self.sample_shape}"
            )
        channels, height, width = self.sample_shape
        return channels, height, width


class Generator(nn.Module):
    """Latents (B, latent_size) to samples (B, *sample_shape) in [-1, 1]."""

    def start_from(self, samples: Tensor) -> None:
        """Take what helps from real samples (N, *sample_shape); by default nothing."""


class NetworkFamily(Protocol):
    """A pair of networks that suit one another.

    Attributes:
        critic_gives_energy: whether the critic's output is a reconstruction error, and the critic
            has `embed`, which gives the codes (B, size) of samples.
    """

    critic_gives_energy: bool

    def generator(self, shape: NetworkShape) -> Generator:
        """A fresh generator."""

    def critic(self, shape: NetworkShape) -> nn.Module:
        """A fresh critic: samples (B, *sample_shape) to logits (B,). It treats every sample by
        itself.
        """


NETWORKS: Registry[type[NetworkFamily]] = Registry("network")
