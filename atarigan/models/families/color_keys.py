"""Numbers for colors, few enough that a table holds what is known of each."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_GRAY_BITS = 8
_KEPT_BITS = 5


def num_keys(num_channels: int) -> int:
    """How many keys there are: of grays one each, else one for all colors that agree in the upper
    five bits of every channel.
    """
    return 1 << (_GRAY_BITS if num_channels == 1 else _KEPT_BITS * num_channels)


def keys_of_frames(frames: Tensor) -> Tensor:
    """Of the colors of frames uint8 (..., C), int32 (...)."""
    return _keys([channel.int() for channel in frames.unbind(-1)])


def keys_of_images(images: Tensor) -> Tensor:
    """Of the colors of images (B, C, H, W) in [-1, 1] that are whole levels, int32 (B, H, W)."""
    middle = torch.full((), 128.0, device=images.device)
    channels = images.float().unbind(1)
    return _keys([torch.add(middle, channel, alpha=127.5).int() for channel in channels])


def nearest_of_keys(colors: Tensor) -> Tensor:
    """The nearest of colors uint8 (num_colors, C) for each key, int32."""
    num_channels = colors.shape[1]
    bits = _GRAY_BITS if num_channels == 1 else _KEPT_BITS
    keys = np.arange(num_keys(num_channels))
    channels = [(keys >> bits * c & (1 << bits) - 1) << 8 - bits for c in range(num_channels)]
    middle = np.stack(channels, axis=1) + ((1 << 8 - bits) - 1) / 2
    table = torch.cdist(torch.from_numpy(middle), colors.double()).argmin(1).int()
    table[keys_of_frames(colors).long()] = torch.arange(len(colors), dtype=torch.int32)
    return table


def _keys(levels: Sequence[Tensor]) -> Tensor:
    """Of colors whose channels have these levels, int32 (...) each."""
    if len(levels) == 1:
        return levels[0]
    keys = torch.zeros_like(levels[0])
    for number, level in enumerate(levels):
        keys.add_(level >> (8 - _KEPT_BITS), alpha=1 << _KEPT_BITS * number)
    return keys
