"""Generators and critics for any sample shape; importing this package registers every family."""

from atarigan.models.families import (
    autoencoder,
    cells,
    codebook,
    coordinates,
    dcgan,
    mlp,
    profiles,
    residual,
    shifted_profiles,
    subpixel,
)
from atarigan.models.families.network import NETWORKS, Generator, NetworkFamily, NetworkShape
from atarigan.models.families.published import (
    atari_wgan,
    joined_autoencoder,
    joined_conv,
    published_mlp,
    upsample,
)

__all__ = [
    "NETWORKS",
    "Generator",
    "NetworkFamily",
    "NetworkShape",
    "atari_wgan",
    "autoencoder",
    "cells",
    "codebook",
    "coordinates",
    "dcgan",
    "joined_autoencoder",
    "joined_conv",
    "mlp",
    "profiles",
    "published_mlp",
    "residual",
    "shifted_profiles",
    "subpixel",
    "upsample",
]
