"""Generators and critics for any sample shape."""

from atarigan.networks import codebook, dcgan, mlp, subpixel
from atarigan.networks.network import NETWORKS, Generator, NetworkShape

__all__ = ["NETWORKS", "Generator", "NetworkShape", "codebook", "dcgan", "mlp", "subpixel"]
