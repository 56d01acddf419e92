"""How an image of any size is halved step by step, and grown back to exactly that size."""

import itertools

from torch import nn


def downsampled_sizes(
    height: int, width: int, smallest: int = 4, most: int = 6
) -> list[tuple[int, int]]:
    """Sizes from (height, width) down, each half of the one before rounded up, until the shorter
    side is at most `smallest`.

    At least one and at most `most` halvings; the first entry is the size itself. 84×84 gives
    84, 42, 21, 11, 6, 3.
    """
    sizes = [(height, width)]
    while len(sizes) == 1 or (min(sizes[-1]) > smallest and len(sizes) <= most):
        rows, columns = sizes[-1]
        sizes.append((-(-rows // 2), -(-columns // 2)))
    return sizes


def downsampling_layers(widths: list[int], leaky_slope: float) -> list[nn.Module]:
    """A convolution of stride 2 and a leaky ReLU for each step from one width to the next.

    They take an image through the sizes of `downsampled_sizes`, one step each.
    """
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.LeakyReLU(leaky_slope)]
    return layers
