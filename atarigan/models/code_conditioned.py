"""Networks conditioned on a code that an encoder, trained with them, reads off the frames."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from atarigan.models.families.network import Generator
from atarigan.models.state.frame_encoder import FrameEncoder
from atarigan.models.state.state_prior import StatePrior

PRIOR_WIDTH = 128
_PRIOR_FRACTION = 0.6
_NUM_FOR_PRIOR = 32_768
_AT_ONCE = 64


class CodeConditionedGenerator(Generator):
    """Latents (B, latent_size), and frames uint8 (B, K, H, W, C) or their codes uint8 (B, size), to
    samples (B, *sample_shape).

    Frames are encoded, so that the reconstruction loss trains the encoder together with the
    network. After 60 % of the training `extend` fits the prior to the codes that the encoder then
    gives; from there on the encoder stays as it is, and the prior is trained together with the
    network.

    Attributes:
        network: the generator, conditioned on the values of codes.
        encoder: frames to codes.
        prior: draws codes when neither frames nor codes are given.
        is_settled: whether the encoder no longer changes, int64 ().
    """

    extension_fractions = (_PRIOR_FRACTION,)
    num_for_extension = _NUM_FOR_PRIOR
    is_settled: Tensor

    def __init__(self, network: Generator, encoder: FrameEncoder, prior: StatePrior) -> None:
        super().__init__()
        self.network = network
        self.encoder = encoder
        self.prior = prior
        self.num_fitted = network.num_fitted
        self.num_observed = network.num_observed
        self.register_buffer("is_settled", torch.zeros((), dtype=torch.int64))
        self._num_extensions = 0
        self.register_load_state_dict_post_hook(_read_num_extensions)  # type: ignore[no-untyped-call]

    def forward(self, latents: Tensor, condition: Tensor) -> Tensor:
        samples: Tensor = self.network(latents, self._values(condition))
        return samples

    def frames(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        assert condition is not None
        return self.network.frames(latents, self._values(condition))

    def _values(self, condition: Tensor) -> Tensor:
        if not self.num_extensions:
            values: Tensor = self.encoder(condition)
            return values
        with torch.no_grad():
            settled: Tensor = self.encoder(condition)
        return settled

    def codes(self, frames: Tensor) -> Tensor:
        """Return the codes uint8 (B, size) of frames uint8 (B, K, H, W, C)."""
        return torch.cat([self.encoder.codes(part) for part in frames.split(_AT_ONCE)])

    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        self.encoder.fit(samples)
        self.network.fit(samples)

    def observe(self, parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        self.network.observe(parts)

    @property
    def num_extensions(self) -> int:
        return self._num_extensions

    @torch.no_grad()
    def extend(self, samples: Tensor, latents: Tensor, *inputs: Tensor) -> None:
        """Fit the prior to the codes of the samples' frames, and let the encoder stay."""
        (frames,) = inputs
        fitted = StatePrior(self.prior.groups.num_bytes, self.prior.width)
        fitted.fit(self.codes(frames).cpu())
        self.prior.load_state_dict(fitted.state_dict())  # its parameters stay the same objects
        self.is_settled.fill_(1)
        self._num_extensions = 1

    def reconstruction_loss(self, latents: Tensor, condition: Tensor, real: Tensor) -> Tensor:
        """Return the network's loss plus, once it is fitted, the prior's negative log-likelihood.

        The two share no weights.
        """
        loss_of: Any = self.network.reconstruction_loss
        values = self._values(condition)
        loss: Tensor = loss_of(latents, values, real)
        if not self.num_extensions:
            return loss
        codes = self.encoder.quantizer.bytes(values.unflatten(1, (self.encoder.grid.num_cells, -1)))
        return loss + self.prior.negative_log_likelihood(codes)


def _read_num_extensions(generator: CodeConditionedGenerator, _: Any) -> None:
    """Keep the count outside of tensors, which would have to be waited for on a GPU."""
    if not generator.is_settled.is_meta:
        generator._num_extensions = int(generator.is_settled)
