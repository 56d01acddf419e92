"""Networks of any family conditioned on RAM."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from atarigan.models.families.network import Generator
from atarigan.models.state.ram_encoder import RamEncoder
from atarigan.models.state.state_prior import StatePrior

_PRIOR_SHARE = 4


class RamConditionedGenerator(Generator):
    """Latents (B, latent_size) and RAM uint8 (B, bytes) to samples (B, *sample_shape).

    Attributes:
        network: the generator, conditioned on the encoder's features.
        encoder: RAM to features.
        prior: draws states when none are given; trained together with the reconstruction.
    """

    def __init__(self, network: Generator, encoder: RamEncoder, prior: StatePrior) -> None:
        super().__init__()
        self.network = network
        self.encoder = encoder
        self.prior = prior
        self.num_fitted = network.num_fitted
        self.num_observed = network.num_observed

    def forward(self, latents: Tensor, condition: Tensor) -> Tensor:
        samples: Tensor = self.network(latents, self.encoder(condition))
        return samples

    def frames(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.network.frames(latents, self.encoder(condition))

    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        assert conditions is not None
        self.encoder.fit(conditions)
        self.prior.fit(conditions)
        self.network.fit(samples)

    def observe(self, parts: Iterable[Tensor]) -> None:
        self.network.observe(parts)

    def reconstruction_loss(self, latents: Tensor, condition: Tensor, real: Tensor) -> Tensor:
        """Return the network's loss plus the prior's negative log-likelihood of a quarter of the
        states.

        A quarter suffices, as the prior converges sooner than the frames. The two share no weights.
        """
        loss = self.network.reconstruction_loss(latents, self.encoder(condition), real)
        num_states = -(-len(condition) // _PRIOR_SHARE)
        return loss + self.prior.negative_log_likelihood(condition[:num_states])


class RamConditionedCritic(nn.Module):
    """Samples (B, *sample_shape) and RAM uint8 (B, bytes) to logits (B,)."""

    def __init__(self, network: nn.Module, encoder: RamEncoder) -> None:
        super().__init__()
        self.network = network
        self.encoder = encoder

    def forward(self, samples: Tensor, condition: Tensor) -> Tensor:
        logits: Tensor = self.network(samples, self.encoder(condition))
        return logits

    def embed(self, samples: Tensor, condition: Tensor) -> Tensor:
        """Return the codes of samples, if the network is an autoencoder."""
        embed: Any = self.network.embed
        codes: Tensor = embed(samples, self.encoder(condition))
        return codes

    @torch.no_grad()
    def fit(self, conditions: Tensor) -> None:
        """Find what varies in RAM uint8 (N, bytes)."""
        self.encoder.fit(conditions)
