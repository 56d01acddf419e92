"""Generators and critics for any sample shape."""

from atarigan.networks import (
    atari_wgan,
    autoencoder,
    codebook,
    dcgan,
    joined_autoencoder,
    joined_conv,
    mlp,
    profiles,
    residual,
    subpixel,
    upsample,
)
from atarigan.networks.network import NETWORKS, Generator, NetworkFamily, NetworkShape

__all__ = [
    "NETWORKS",
    "Generator",
    "NetworkFamily",
    "NetworkShape",
    "atari_wgan",
    "autoencoder",
    "codebook",
    "dcgan",
    "joined_autoencoder",
    "joined_conv",
    "mlp",
    "profiles",
    "residual",
    "subpixel",
    "upsample",
]
