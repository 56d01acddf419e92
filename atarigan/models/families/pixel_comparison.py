"""Which pixels of generated images are compared with real ones, and how."""

import torch
from torch import Tensor
from torch.nn import functional

_ANYWHERE = 4  # one of so many pixels
_EVERY = 1e-4  # weight of a pixel that shows its background
_FLOOR = 2 / 127.5  # differences below it cost nothing
_EXTREME = 1 - 0.5 / 127.5
_AROUND = 2  # rows and columns from what differs


def draw_pixels(differs: Tensor, pixels: Tensor, size: tuple[int, int], num: int) -> Tensor:
    """Draw pixels, int64 (B, num): a quarter of them anywhere among given ones, the others at most
    two rows and columns from one that differs.

    Args:
        differs: which of the given pixels differ from the background, bool (B, R).
        pixels: the given ones, int64 (B, R); H * W for one outside of the picture.
        size: (H, W) of the images.
        num: pixels to draw.
    """
    sums = (differs.float() + _EVERY).cumsum(1)
    num_anywhere = num // _ANYWHERE
    chances = torch.rand(len(sums), num - num_anywhere, device=sums.device) * sums[:, -1:]
    most = pixels.shape[1] - 1
    chosen = torch.searchsorted(sums, chances).clamp(max=most)
    around = _moved(pixels.gather(1, chosen), size)
    others = torch.randint(most + 1, (len(sums), num_anywhere), device=sums.device)
    return torch.cat([around, pixels.gather(1, others)], dim=1)


def values_at(images: Tensor, numbers: Tensor) -> Tensor:
    """Return the values of images (B, C, H, W) at pixels (B, M), (B, M, C)."""
    numbers = numbers[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, numbers).transpose(1, 2)


def visible_errors(colors: Tensor, wanted: Tensor) -> Tensor:
    """Return absolute differences above 2 levels. Colors may go beyond black and white, to which
    images are clipped.
    """
    beyond = (wanted.abs() > _EXTREME) & (colors.detach() * wanted > 1)
    apart = functional.relu((colors - wanted).abs() - _FLOOR)
    return apart.masked_fill(beyond, 0)


def _moved(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Move pixels (B, M) by up to two rows and columns, inside of the picture."""
    height, width = size
    moves = torch.randint(-_AROUND, _AROUND + 1, (2, *pixels.shape), device=pixels.device)
    rows = (pixels // width + moves[0]).clamp(0, height - 1)
    columns = (pixels % width + moves[1]).clamp(0, width - 1)
    return torch.where(pixels < height * width, rows * width + columns, pixels)
