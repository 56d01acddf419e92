"""Generators and critics for any sample shape."""

from atarigan.networks import autoencoder, codebook, dcgan, mlp, subpixel
from atarigan.networks.network import NETWORKS, Generator, NetworkFamily, NetworkShape

__all__ = [
    "NETWORKS",
    "Generator",
    "NetworkFamily",
    "NetworkShape",
    "autoencoder",
    "codebook",
    "dcgan",
    "mlp",
    "subpixel",
]
