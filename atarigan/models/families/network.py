"""Network families: a generator and a critic for samples of any shape; shared layers."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from atarigan.config.registry import Registry
from atarigan.errors import InputError
from atarigan.images.pixels import floats_to_frames
from atarigan.models.search.positions import FoundGroups
from atarigan.models.state.ram_encoder import EncoderSettings

PATCH_CRITIC_WIDTH = 24


@dataclass(frozen=True)
class NetworkShape:
    """The sizes that a family builds its networks from.

    Attributes:
        sample_shape: (2,) for points, (C, H, W) for images.
        latent_size: length of a latent vector.
        condition_size: length of a condition vector; 0 for no condition.
        generator_width, critic_width: channels at the networks' widest resolution; 0 for the
            family's default.
        generator_layers, critic_layers: sizes of the hidden layers in order, for families that
            `lists_layers`; empty for the family's default.
        leaky_slope: slope of leaky ReLUs below zero.
        state_size: bytes of the RAM that a condition encodes; 0 for other conditions.
        vector_size: numbers of the vector that a condition encodes; 0 for other conditions.
        code_size: bytes of the learned code whose values a condition is, as many values for each
            byte; 0 for other conditions.
        screen_size: lines and columns of the screen that images were resized from; None if that is
            unknown.
    """

    sample_shape: tuple[int, ...]
    latent_size: int
    condition_size: int = 0
    generator_width: int = 0
    critic_width: int = 0
    generator_layers: tuple[int, ...] = ()
    critic_layers: tuple[int, ...] = ()
    leaky_slope: float = 0.2
    state_size: int = 0
    vector_size: int = 0
    code_size: int = 0
    screen_size: tuple[int, int] | None = None

    @property
    def input_size(self) -> int:
        """Length of a latent vector and a condition together."""
        return self.latent_size + self.condition_size

    def image_shape(self, family: str) -> tuple[int, int, int]:
        """Return (C, H, W).

        Raises:
            InputError: samples are not images.
        """
        if len(self.sample_shape) != 3:
            raise InputError(
                f"network {family!r} needs samples of shape (C, H, W), not {self.sample_shape}"
            )
        channels, height, width = self.sample_shape
        return channels, height, width


class Generator(nn.Module):
    """Maps latents (B, latent_size), and conditions (B, condition_size) if it has any, to samples
    (B, *sample_shape): images in [-1, 1], or points.

    Attributes:
        num_fitted: real samples that `fit` needs.
        num_observed: real samples that `observe` needs.
        takes_state: whether the network needs the state itself, and not only its features: a third
            argument of `forward` and `frames`, (B, size).
        extension_fractions: shares of the training after which `extend` is called.
        num_for_extension: real samples that `extend` needs.
    """

    num_fitted = 2048
    num_observed = 0
    takes_state = False
    extension_fractions: tuple[float, ...] = ()
    num_for_extension = 1024

    @property
    def num_extensions(self) -> int:
        """How often the generator was extended."""
        return 0

    def fit_states(self, states: Tensor) -> None:
        """Initialize from states (M, size), before `fit`; does nothing by default."""

    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        """Initialize from real samples; does nothing by default.

        Args:
            samples: frames uint8 (N, H, W, C) or points (N, 2).
            conditions: of these samples, (N, …); None without conditions.
        """

    def extend(self, samples: Tensor, latents: Tensor, *inputs: Tensor) -> None:
        """Add weights for what the generator does not draw yet; does nothing by default.

        Parameters may change their sizes, but stay the same objects.

        Args:
            samples: frames uint8 (N, H, W, C).
            latents: (N, latent_size).
            inputs: what else `forward` takes for these samples.
        """

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters with the options of their optimizer, as torch's optimizers take
        them.
        """
        return [{"params": list(self.parameters())}]

    def moving_groups(self) -> FoundGroups | None:
        """Return what moves in frames, and which bytes move it; None for a generator that does not
        look for it.
        """
        return None

    def observe(self, parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        """Initialize further, after `fit`, from more real samples than fit into memory at once;
        does nothing by default.

        Args:
            parts: samples and conditions as for `fit`, one part at a time.
        """

    def frames(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return samples that are images as frames uint8 (B, H, W, C)."""
        return floats_to_frames(self(latents, condition))

    def reconstruction_loss(self, latents: Tensor, condition: Tensor, real: Tensor) -> Tensor:
        """Return a scalar distance between generated samples of conditions (B, …) and the real
        samples (B, *sample_shape) with these conditions; by default the mean absolute difference.

        One that `takes_state` has a fourth argument, the states (B, bytes).
        """
        samples: Tensor = self(latents, condition)
        return (samples.float() - real).abs().mean()


class CriticHead(nn.Module):
    """The last layer of a critic: features (B, F) to logits (B,).

    With a condition y, logit = w · φ + b + (V y) · φ for features φ: the projection of Miyato and
    Koyama 2018 (arXiv:1802.05637, eq. 5).
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
    """Layers from samples to features (B, num_features), and a head."""

    def __init__(self, layers: nn.Sequential, num_features: int, condition_size: int = 0) -> None:
        super().__init__()
        self.layers = layers
        self.head = CriticHead(num_features, condition_size)

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        logits: Tensor = self.head(self.layers(samples), condition)
        return logits


class NetworkFamily:
    """A generator and a critic that are designed for each other.

    Attributes:
        critic_gives_energy: whether the critic's output is a reconstruction error. Such a critic
            has `embed`, which returns the codes (B, size) of samples.
        critic_mixes_samples: whether the critic's output for a sample depends on the rest of its
            batch; gradients of single samples are then undefined.
        lists_layers: whether `generator_layers` and `critic_layers` set its sizes.
        encoder_settings: of the encoders that give its networks features of states.
    """

    critic_gives_energy = False
    critic_mixes_samples = False
    lists_layers = False
    encoder_settings = EncoderSettings()

    def generator(self, shape: NetworkShape) -> Generator:
        """Return a new generator."""
        raise NotImplementedError

    def critic(self, shape: NetworkShape) -> nn.Module:
        """Return a new critic: samples (B, *sample_shape), conditions if any, to logits (B,)."""
        raise NotImplementedError


NETWORKS: Registry[type[NetworkFamily]] = Registry("network")


def layer_sizes(listed: tuple[int, ...], default: tuple[int, ...], network: str) -> tuple[int, ...]:
    """Return the listed layer sizes, or the default if none are listed.

    Raises:
        InputError: the network has another number of layers.
    """
    if listed and len(listed) != len(default):
        raise InputError(
            f"--{network}-layers must be {len(default)} sizes here, not {list(listed)}"
        )
    return listed or default


def with_condition(latents: Tensor, condition: Tensor | None) -> Tensor:
    """Concatenate latents (B, latent_size) and conditions (B, condition_size), if there are any."""
    return latents if condition is None else torch.cat([latents, condition], dim=1)


def initialize_normal(network: nn.Module) -> None:
    """Draw the weights of linear and convolutional layers from N(0, 0.02)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)


def downsampled_sizes(
    height: int, width: int, smallest: int = 4, most: int = 6
) -> list[tuple[int, int]]:
    """Return the sizes of an image that is halved, rounding up, until its shorter side is at most
    `smallest`, at least once and at most `most` times.

    The first entry is (height, width). 84×84 gives 84, 42, 21, 11, 6, 3.
    """
    sizes = [(height, width)]
    while len(sizes) == 1 or (min(sizes[-1]) > smallest and len(sizes) <= most):
        rows, columns = sizes[-1]
        sizes.append((-(-rows // 2), -(-columns // 2)))
    return sizes


def downsampling_layers(widths: list[int], leaky_slope: float) -> list[nn.Module]:
    """Return a convolution of stride 2 and a leaky ReLU for each pair of successive widths.

    Each convolution takes an image to the next of the `downsampled_sizes`.
    """
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.LeakyReLU(leaky_slope)]
    return layers


def patch_critic(shape: NetworkShape, image_shape: tuple[int, int, int]) -> LayeredCritic:
    """Return a critic whose first convolution sees overlapping patches of 6×6 pixels; strided
    convolutions follow.
    """
    channels, height, columns = image_shape
    width, slope = shape.critic_width or PATCH_CRITIC_WIDTH, shape.leaky_slope
    rows, cols = -(-height // 4), -(-columns // 4)
    sizes = downsampled_sizes(rows, cols)
    widths = [width * min(4, 2**level) for level in range(len(sizes))]
    layers = nn.Sequential(
        nn.ZeroPad2d((1, cols * 4 - columns + 1, 1, rows * 4 - height + 1)),
        nn.Conv2d(channels, width, 6, 4),
        nn.LeakyReLU(slope),
        *downsampling_layers(widths, slope),
        nn.Flatten(),
    )
    return LayeredCritic(layers, widths[-1] * math.prod(sizes[-1]), shape.condition_size)
