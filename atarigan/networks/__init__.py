"""Generators and critics for any sample shape."""

from atarigan.networks import autoencoder, codebook, dcgan, mlp, subpixel
from atarigan.networks.network import NETWORKS, Generator, NetworkShape

__all__ = [
    "NETWORKS",
    "Generator",
    "NetworkShape",
    "autoencoder",
    "codebook",
    "dcgan",
    "mlp",
    "subpixel",
]
