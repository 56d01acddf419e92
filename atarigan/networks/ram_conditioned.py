"""Networks of any family that are told the console's memory, which an encoder reads for them."""

from typing import Any

import torch
from torch import Tensor, nn

from atarigan.networks.network import Generator
from atarigan.networks.ram_encoder import RamEncoder


class RamConditionedGenerator(Generator):
    """Latents (B, latent_size) and memory uint8 (B, bytes) to samples (B, *sample_shape)."""

    def __init__(self, network: Generator, encoder: RamEncoder) -> None:
        super().__init__()
        self.network = network
        self.encoder = encoder

    def forward(self, latents: Tensor, condition: Tensor) -> Tensor:
        samples: Tensor = self.network(latents, self.encoder(condition))
        return samples

    def start_from(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        assert conditions is not None
        self.encoder.start_from(conditions)
        self.network.start_from(samples)

    def reconstruction_loss(self, latents: Tensor, condition: Tensor, real: Tensor) -> Tensor:
        return self.network.reconstruction_loss(latents, self.encoder(condition), real)


class RamConditionedCritic(nn.Module):
    """Samples (B, *sample_shape) and memory uint8 (B, bytes) to logits (B,)."""

    def __init__(self, network: nn.Module, encoder: RamEncoder) -> None:
        super().__init__()
        self.network = network
        self.encoder = encoder

    def forward(self, samples: Tensor, condition: Tensor) -> Tensor:
        logits: Tensor = self.network(samples, self.encoder(condition))
        return logits

    def embed(self, samples: Tensor, condition: Tensor) -> Tensor:
        """The codes of samples, where the network reconstructs."""
        embed: Any = self.network.embed
        codes: Tensor = embed(samples, self.encoder(condition))
        return codes

    @torch.no_grad()
    def start_from(self, conditions: Tensor) -> None:
        """Find out what varies in memory uint8 (N, bytes)."""
        self.encoder.start_from(conditions)
