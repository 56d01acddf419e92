"""Layers with a cheap second derivative, for critics under a gradient penalty.

They compute the same as the layers of torch.nn with the same names. To differentiate a
convolution's gradient by its weight, PyTorch runs a convolution whose kernel is as large as the
image; to differentiate the slope of a leaky ReLU, which is constant, it sends zeros back through
the whole network. These layers compute the derivatives directly.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional


def use_double_backward_layers(network: nn.Module) -> None:
    """Replace a network's convolutions and leaky ReLUs by the layers below, which share their
    parameters and names.
    """
    for name, module in list(network.named_modules()):
        if type(module) is nn.Conv2d:
            network.set_submodule(name, Conv2d.like(module))
        elif type(module) is nn.LeakyReLU:
            network.set_submodule(name, LeakyReLU(module.negative_slope))


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d`. Its second derivative is direct where the padding is a number of zeros."""

    @classmethod
    def like(cls, layer: nn.Conv2d) -> "Conv2d":
        """The same convolution, with the same parameters."""
        layer_like = cls(
            layer.in_channels,
            layer.out_channels,
            cast(tuple[int, int], layer.kernel_size),
            cast(tuple[int, int], layer.stride),
            cast("str | tuple[int, int]", layer.padding),
            cast(tuple[int, int], layer.dilation),
            layer.groups,
            bias=layer.bias is not None,
            padding_mode=layer.padding_mode,
            device="meta",  # its own parameters are never made
        )
        layer_like.weight, layer_like.bias = layer.weight, layer.bias
        return layer_like

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.padding_mode != "zeros" or isinstance(self.padding, str):
            return cast(Tensor, super()._conv_forward(input, weight, bias))
        device = input.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            input, weight = input.to(dtype), weight.to(dtype)
            bias = None if bias is None else bias.to(dtype)
        apply: Any = _Convolution.apply
        output: Tensor = apply(
            input, weight, bias, self.stride, self.padding, self.dilation, self.groups
        )
        return output


class _Convolution(Function):
    @staticmethod
    def forward(
        samples: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> Tensor:
        return functional.conv2d(samples, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        samples, weight, bias, *ctx.geometry = inputs
        ctx.bias_sizes = None if bias is None else list(bias.shape)
        ctx.save_for_backward(samples, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        samples, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.geometry
        by_samples = by_weight = by_bias = None
        if ctx.needs_input_grad[0]:
            # A transposed convolution, which is cheap to differentiate once more.
            rest = [
                samples.shape[2 + side]
                + 2 * padding[side]
                - dilation[side] * (weight.shape[2 + side] - 1)
                - 1
                - stride[side] * (gradient.shape[2 + side] - 1)
                for side in (0, 1)
            ]
            by_samples = functional.conv_transpose2d(
                gradient, weight, None, stride, padding, rest, groups, dilation
            )
        if ctx.needs_input_grad[1]:
            wanted = [False, True, ctx.bias_sizes is not None]
            _, by_weight, by_bias = torch.ops.aten.convolution_backward(
                gradient, samples, weight, ctx.bias_sizes, stride, padding, dilation, False,
                [0, 0], groups, wanted,
            )  # fmt: skip
        return by_samples, by_weight, by_bias, None, None, None, None


class LeakyReLU(nn.LeakyReLU):
    """`torch.nn.LeakyReLU` for slopes of at least 0, never in place."""

    def forward(self, input: Tensor) -> Tensor:
        apply: Any = _Leaky.apply
        output: Tensor = apply(input, self.negative_slope)
        return output


class _Leaky(Function):
    @staticmethod
    def forward(features: Tensor, slope: float) -> Tensor:
        return functional.leaky_relu(features, slope)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.slope = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (output,) = ctx.saved_tensors
        apply: Any = _LeakySlopes.apply
        return apply(gradients[0], output.detach(), ctx.slope), None


class _LeakySlopes(Function):
    """Multiply by the slope at each place. Linear, so that it is its own derivative."""

    @staticmethod
    def forward(gradient: Tensor, output: Tensor, slope: float) -> Tensor:
        product: Tensor = torch.ops.aten.leaky_relu_backward(gradient, output, slope, True)
        return product

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, activations, ctx.slope = inputs
        ctx.save_for_backward(activations)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (activations,) = ctx.saved_tensors
        apply: Any = _LeakySlopes.apply
        return apply(gradients[0], activations, ctx.slope), None, None
