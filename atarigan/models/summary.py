"""Summaries of networks: layers, parameters, and floating-point operations for one sample."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from atarigan.cli.text_table import aligned
from atarigan.models.families import NETWORKS, NetworkShape

_TITLE_ROW = ("layer", "kind", "output", "parameters")


@dataclass(frozen=True)
class LayerSummary:
    """One layer.

    Attributes:
        name: dotted path in the network.
        kind: its class.
        output_shape: for one sample, without the batch.
        num_parameters: its learned parameters.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    num_parameters: int


@dataclass(frozen=True)
class NetworkSummary:
    """A network's layers in the order in which they run.

    Attributes:
        title: name of the network.
        layers: those that hold no other layers; a layer that runs twice is listed twice.
        num_parameters: all learned parameters, including those outside of layers.
        num_flop: floating-point operations of matrix products and convolutions in a forward pass of
            one sample; a multiplication and an addition count as two.
    """

    title: str
    layers: tuple[LayerSummary, ...]
    num_parameters: int
    num_flop: int

    def __str__(self) -> str:
        rows = [_TITLE_ROW] + [
            (
                layer.name,
                layer.kind,
                "×".join(map(str, layer.output_shape)),
                f"{layer.num_parameters:,}" if layer.num_parameters else "",
            )
            for layer in self.layers
        ]
        table = textwrap.indent(aligned(rows, left={0, 1, 2}), "  ")
        total = f"{self.num_parameters:,} parameters, {_in_millions(self.num_flop)} MFLOP a sample"
        return f"{self.title}: {total}\n{table}"


def summarize(network: str, shape: NetworkShape) -> tuple[NetworkSummary, NetworkSummary]:
    """Summarize a family's generator and critic on torch's meta device, without computing anything.

    Raises:
        InputError: the family does not fit the shape.
    """
    family = NETWORKS[network]()
    with torch.device("meta"):
        generator, critic = family.generator(shape), family.critic(shape)
        latents = torch.empty(1, shape.latent_size)
        samples = torch.empty(1, *shape.sample_shape)
        condition = torch.empty(1, shape.condition_size) if shape.condition_size else None
    return (
        _summary(f"generator of {network}", generator, latents, condition),
        _summary(f"critic of {network}", critic, samples, condition),
    )


def _summary(
    title: str, network: nn.Module, inputs: Tensor, condition: Tensor | None
) -> NetworkSummary:
    network.eval()
    layers: list[LayerSummary] = []
    for name, module in network.named_modules():
        if not any(module.children()):
            module.register_forward_hook(_recorder(name, layers))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(inputs, condition)
    num_parameters = sum(weight.numel() for weight in network.parameters())
    return NetworkSummary(title, tuple(layers), num_parameters, counter.get_total_flops())


def _recorder(
    name: str, layers: list[LayerSummary]
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    """Return a forward hook that appends the layer's summary to `layers`."""

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        num_parameters = sum(weight.numel() for weight in module.parameters())
        shape = tuple(output.shape[1:])
        layers.append(LayerSummary(name, type(module).__name__, shape, num_parameters))

    return record


def _in_millions(number: int) -> str:
    return f"{number / 1e6:,.3g}" if number < 1e9 else f"{number / 1e6:,.0f}"
