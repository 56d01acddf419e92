"""What a network family is: a generator and a critic for samples of any shape, made from one
description.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from atarigan.config.registry import Registry
from atarigan.errors import InputError
from atarigan.images.pixels import floats_to_frames


@dataclass(frozen=True)
class NetworkShape:
    """What a pair of networks has to fit.

    Attributes:
        sample_shape: (2,) for points, (C, H, W) for images.
        latent_size: numbers in a latent vector.
        condition_size: numbers in a condition; 0 means that there is none.
        generator_width, critic_width: channels at the networks' widest resolution; 0 means the
            family's own.
        generator_layers, critic_layers: sizes of the hidden layers in order, for families that
            `lists_layers`; none means the family's own.
        leaky_slope: slope of leaky ReLUs below zero.
    """

    sample_shape: tuple[int, ...]
    latent_size: int
    condition_size: int = 0
    generator_width: int = 0
    critic_width: int = 0
    generator_layers: tuple[int, ...] = ()
    critic_layers: tuple[int, ...] = ()
    leaky_slope: float = 0.2

    @property
    def input_size(self) -> int:
        """Numbers in a latent vector and a condition together."""
        return self.latent_size + self.condition_size

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
    """Latents (B, latent_size), and conditions (B, condition_size) where there are any, to samples
    (B, *sample_shape) in [-1, 1].

    Attributes:
        num_fitted: real samples that `fit` wants to see.
        num_observed: those that `observe` wants to see.
    """

    num_fitted = 2048
    num_observed = 0

    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        """Take what helps from real samples, frames uint8 (N, H, W, C) or points (N, 2), and from
        conditions (M, …), which are not of the same samples; by default nothing.
        """

    def observe(self, parts: Iterable[Tensor]) -> None:
        """Take what helps from more real samples than there is memory for, one part of them after
        the other, like those of `fit`, and after it; by default nothing.
        """

    def frames(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        """Samples that are images as frames uint8 (B, H, W, C)."""
        return floats_to_frames(self(latents, condition))

    def reconstruction_loss(self, latents: Tensor, condition: Tensor, real: Tensor) -> Tensor:
        """How far samples of conditions (B, …) are from the real ones (B, *sample_shape) that had
        those, a scalar; by default their mean absolute difference.
        """
        samples: Tensor = self(latents, condition)
        return (samples.float() - real).abs().mean()


class CriticHead(nn.Module):
    """The last layer of a critic: features (B, F) to logits (B,).

    A condition y adds its own direction of the features φ: logit = w · φ + b + (V y) · φ, the
    projection of Miyato and Koyama 2018 (arXiv:1802.05637, eq. 5).
    """

    def __init__(self, num_features: int, condition_size: int = 0) -> None:
        super().__init__()
        self.logit = nn.Linear(num_features, 1)
        self.direction = (
            nn.Linear(condition_size, num_features, bias=False) if condition_size else None
        )

    def forward(self, features: Tensor, condition: Tensor | None = None) -> Tensor:
        logits: Tensor = self.logit(features)[:, 0]
        if self.direction is not None:
            logits = logits + (self.direction(condition) * features).sum(1)
        return logits


class LayeredCritic(nn.Module):
    """Layers that turn samples into features (B, num_features), and a head."""

    def __init__(self, layers: nn.Sequential, num_features: int, condition_size: int = 0) -> None:
        super().__init__()
        self.layers = layers
        self.head = CriticHead(num_features, condition_size)

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        logits: Tensor = self.head(self.layers(samples), condition)
        return logits


class NetworkFamily:
    """A pair of networks that suit one another.

    Attributes:
        critic_gives_energy: whether the critic's output is a reconstruction error, and the critic
            has `embed`, which gives the codes (B, size) of samples.
        critic_mixes_samples: whether the critic's output for a sample depends on the rest of its
            batch, so that a gradient by one sample has no meaning.
        lists_layers: whether it is shaped by `generator_layers` and `critic_layers`.
    """

    critic_gives_energy = False
    critic_mixes_samples = False
    lists_layers = False

    def generator(self, shape: NetworkShape) -> Generator:
        """A fresh generator."""
        raise NotImplementedError

    def critic(self, shape: NetworkShape) -> nn.Module:
        """A fresh critic: samples (B, *sample_shape), and conditions where there are any, to logits
        (B,).
        """
        raise NotImplementedError


NETWORKS: Registry[type[NetworkFamily]] = Registry("network")


def exactly(sizes: tuple[int, ...], num: int, network: str) -> tuple[int, ...]:
    """The listed layer sizes. Raises InputError where they are not so many as the network has."""
    if len(sizes) != num:
        raise InputError(f"--{network}-layers must be {num} sizes here, not {list(sizes)}")
    return sizes


def joined(latents: Tensor, condition: Tensor | None) -> Tensor:
    """Latents (B, latent_size) and conditions (B, condition_size) as one input of a network."""
    return latents if condition is None else torch.cat([latents, condition], dim=1)
