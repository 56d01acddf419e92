"""Networks of any family conditioned on states."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from atarigan.models.families.network import Generator
from atarigan.models.search.positions import FoundGroups
from atarigan.models.state.frame_encoder import SharedEncoder
from atarigan.models.state.ram_encoder import RamEncoder
from atarigan.models.state.state_prior import StatePrior
from atarigan.models.state.vector_encoder import VectorEncoder
from atarigan.models.state.vector_prior import VectorPrior

_PRIOR_SHARE = 4
StateEncoder = RamEncoder | VectorEncoder


class StateConditionedGenerator(Generator):
    """Latents (B, latent_size) and states (B, size) to samples (B, *sample_shape).

    Attributes:
        network: the generator, conditioned on the encoder's features.
        encoder: states to features.
        prior: draws states when none are given; trained together with the reconstruction.
    """

    def __init__(
        self, network: Generator, encoder: StateEncoder, prior: StatePrior | VectorPrior
    ) -> None:
        super().__init__()
        self.network = network
        self.encoder = encoder
        self.prior = prior
        self.num_fitted = network.num_fitted
        self.num_observed = network.num_observed

        self.extension_fractions = network.extension_fractions

    def forward(self, latents: Tensor, condition: Tensor) -> Tensor:
        samples: Tensor = self.network(latents, *self._inputs(condition))
        return samples

    def frames(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        assert condition is not None
        return self.network.frames(latents, *self._inputs(condition))

    def _inputs(self, state: Tensor) -> tuple[Tensor, ...]:
        """What the network takes of a state: its features, and itself if the network asks."""
        features = self.encoder(state)
        return (features, state) if self.network.takes_state else (features,)

    def fit_states(self, states: Tensor) -> None:
        self.encoder.fit(states)
        self.prior.fit(states)

    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        self.network.fit(samples, conditions)

    @property
    def num_extensions(self) -> int:
        return self.network.num_extensions

    @torch.no_grad()
    def extend(self, samples: Tensor, latents: Tensor, *inputs: Tensor) -> None:
        (states,) = inputs
        self.network.extend(samples, latents, self.encoder(states), states)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the encoder's rows of values, with their weight decay, apart from the rest."""
        decay = self.encoder.settings.value_decay
        if not decay or not isinstance(self.encoder, RamEncoder):
            return super().parameter_groups()
        values = self.encoder.value_rows
        others = [each for each in self.parameters() if each is not values]
        return [{"params": others}, {"params": [values], "weight_decay": decay}]

    def moving_groups(self) -> FoundGroups | None:
        return self.network.moving_groups()

    def observe(self, parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        self.network.observe(parts)

    def reconstruction_loss(self, latents: Tensor, condition: Tensor, real: Tensor) -> Tensor:
        """Return the network's loss plus the prior's negative log-likelihood of a quarter of the
        states.

        A quarter suffices, as the prior converges sooner than the frames. The two share no weights.
        """
        features, *state = self._inputs(condition)
        loss_of: Any = self.network.reconstruction_loss
        loss: Tensor = loss_of(latents, features, real, *state)
        num_states = -(-len(condition) // _PRIOR_SHARE)
        return loss + self.prior.negative_log_likelihood(condition[:num_states])


class StateConditionedCritic(nn.Module):
    """Samples (B, *sample_shape) and states (B, size) to logits (B,); in the place of states may be
    frames, which the encoder of the generator reads.
    """

    def __init__(self, network: nn.Module, encoder: StateEncoder | SharedEncoder) -> None:
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
        """Find what varies in states (N, size)."""
        self.encoder.fit(conditions)
