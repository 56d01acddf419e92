"""Networks of generators: built from a checkpoint's weights, and as modules that return frames."""

from pathlib import Path

import torch
from torch import Tensor, nn

from atarigan.errors import InputError, one_line
from atarigan.models.build import build_generator
from atarigan.models.families import Generator
from atarigan.models.model_config import ModelConfig


class FrameNetwork(nn.Module):
    """A generator network that returns frames uint8 (B, H, W, C)."""

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Tensor, conditions: Tensor | None = None) -> Tensor:
        return self.network.frames(*network_inputs(latents, conditions))


def network_inputs(latents: Tensor, conditions: Tensor | None) -> list[Tensor]:
    """Return the arguments of a network that may take no conditions."""
    return [latents] if conditions is None else [latents, conditions]


def loaded_network(model: ModelConfig, weights: dict[str, Tensor], folder: Path) -> Generator:
    """Build the network of a configuration and load its weights.

    A first attempt on torch's meta device refuses configurations larger than the weights before
    they take any memory.
    """
    try:
        with torch.device("meta"):
            build_generator(model).load_state_dict(weights, assign=True)
        network = build_generator(model)
        network.load_state_dict(weights)
    except Exception as error:  # torch raises various types for impossible sizes
        raise InputError(f"{folder} does not fit its own config.json: {one_line(error)}") from None
    return network
