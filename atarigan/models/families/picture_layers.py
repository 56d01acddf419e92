"""Pictures that are drawn over one another."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Layer(NamedTuple):
    """A picture in each frame of a batch.

    Attributes:
        figure: number of the figure that the picture is a part of.
        places: pixel of the frame, int64 (B, P).
        picture: what is drawn there, float32 (B, P).
        slope, most: a pixel covers min(|picture| · slope, most) of what is behind it, float32 ();
            None for nothing.
    """

    figure: int
    places: Tensor
    picture: Tensor
    slope: Tensor | None = None
    most: Tensor | None = None


def draw_layers(images: Tensor, layers: Iterable[Layer], covers: bool = True) -> Tensor:
    """Draw layers from back to front into images (B, H * W) in place; return these.

    A layer covers the figures behind it, but neither the images nor other parts of its own figure:
    drawn = (1 - opacity) · drawn + picture.

    Args:
        images: to draw into.
        layers: from back to front, the parts of a figure after one another.
        covers: False if no layer covers anything, which is faster.
    """
    if not covers:
        for layer in layers:
            # If `images` were viewed as flat, each layer would copy the gradient of all of them.
            images.scatter_add_(1, layer.places, layer.picture)
        return images
    drawn = torch.zeros_like(images)
    if torch.is_grad_enabled() and not torch.compiler.is_exporting():
        parts: Any = zip(*layers, strict=True)
        figures, places, pictures, slopes, mosts = parts
        apply: Any = _Drawn.apply
        return images.add_(apply(drawn, figures, places, *pictures, *slopes, *mosts))
    for figure in _figures_of(layers):
        _draw(drawn, figure)
    return images.add_(drawn)


def _figures_of(layers: Iterable[Layer]) -> Iterator[list[Layer]]:
    """Yield the parts of each figure."""
    for _, parts in groupby(layers, lambda layer: layer.figure):
        yield list(parts)


def _draw(drawn: Tensor, parts: Sequence[Layer]) -> list[Tensor | None]:
    """Draw a figure in place; return what was behind each part, (B, P), if that covers anything."""
    behind = [None if each.slope is None else drawn.gather(1, each.places) for each in parts]
    for layer, hidden in zip(parts, behind, strict=True):
        picture = layer.picture
        if hidden is not None:
            picture = picture - _opacity(layer).mul_(hidden)
        drawn.scatter_add_(1, layer.places, picture)
    return behind


def _opacity(layer: Layer) -> Tensor:
    assert layer.slope is not None
    assert layer.most is not None
    return (layer.picture.abs() * layer.slope).clamp_(max=layer.most)


class _Drawn(torch.autograd.Function):
    """All layers together, with their opacities. Autograd by itself would copy all of `drawn` for
    each layer.
    """

    @staticmethod
    def forward(
        ctx: Any, drawn: Tensor, figures: Sequence[int], places: Sequence[Tensor], *tensors: Any
    ) -> Tensor:
        num = len(figures)
        parts = (tensors[first : first + num] for first in range(0, 3 * num, num))
        layers = list(map(Layer, figures, places, *parts))
        behind = [each for figure in _figures_of(layers) for each in _draw(drawn, figure)]
        ctx.figures = figures
        ctx.save_for_backward(*places, *tensors, *behind)
        return drawn

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        num, saved = len(ctx.figures), ctx.saved_tensors
        parts = (saved[first : first + num] for first in range(0, 5 * num, num))
        layers = list(zip(ctx.figures, *parts, strict=True))
        of_drawn = gradient.clone()
        of_layers: list[tuple[Tensor | None, ...]] = []
        for _, figure in groupby(reversed(layers), lambda layer: layer[0]):
            drawn = [(*each, of_drawn.gather(1, each[1])) for each in figure]
            for *layer, behind, of_picture in drawn:
                of_layers.append(_gradients(of_drawn, Layer(*layer), behind, of_picture))
        of_tensors = zip(*reversed(of_layers), strict=True)
        return None, None, None, *(each for of_all in of_tensors for each in of_all)


def _gradients(
    of_drawn: Tensor, layer: Layer, behind: Tensor | None, of_sum: Tensor
) -> tuple[Tensor | None, ...]:
    """Return the gradients of a layer's picture, slope and most; subtract from that of what is
    drawn behind what the layer covers.

    Args:
        of_drawn: gradient of what is drawn with the layer, (B, H * W).
        layer: that covers or not.
        behind: what it covers, (B, P).
        of_sum: gradient of what is drawn at the layer's places, (B, P).
    """
    _, places, picture, slope, most = layer
    if behind is None or slope is None or most is None:
        return of_sum, None, None
    opacity = _opacity(layer)
    of_drawn.scatter_add_(1, places, -opacity * of_sum)
    of_opacity = -of_sum * behind
    of_rising = of_opacity.where(opacity < most, 0.0)
    of_picture = torch.addcmul(of_sum, of_rising * slope, picture.sign())
    of_slope = (of_rising * picture.abs()).sum()
    return of_picture, of_slope, of_opacity.sum() - of_rising.sum()
