"""The energy-based version of the networks that receive the condition at every layer."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    NetworkFamily,
    NetworkShape,
    with_condition,
)
from atarigan.models.families.published.joined_conv import (
    JoinedEncoder,
    JoinedGenerator,
    with_planes,
)

CRITIC_LAYERS = (48, 64, 16)
DECODER_CHANNELS = (20, 64, 32)  # 20 planes of 8×8: the published dense layer of 1,280


@NETWORKS.register("joined_autoencoder")
class JoinedAutoencoderFamily(NetworkFamily):
    """The same generator, and a critic that reconstructs; for the objectives energy and began."""

    critic_gives_energy = True
    lists_layers = True

    def generator(self, shape: NetworkShape) -> Generator:
        return JoinedGenerator(shape, shape.image_shape("joined_autoencoder"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return JoinedAutoencoder(shape, shape.image_shape("joined_autoencoder"))


class JoinedAutoencoder(JoinedEncoder):
    """Images (B, C, H, W) to energies (B,): the mean squared errors of their reconstruction.

    The decoder is a dense layer followed by three steps that repeat pixels and convolve 5×5.
    """

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__(shape, image_shape, CRITIC_LAYERS)
        channels, height, columns = image_shape
        self.sizes = [(-(-height // n), -(-columns // n)) for n in (8, 4, 2, 1)]
        more = shape.condition_size
        rows, cols = self.sizes[0]
        first, *others = DECODER_CHANNELS
        self.dense = nn.Sequential(
            nn.Linear(self.code_size + more, first * rows * cols),
            nn.Unflatten(1, (first, rows, cols)),
        )
        self.grow = nn.ModuleList(
            nn.Conv2d(before + more, after, 5, 1, 2)
            for before, after in itertools.pairwise((first, *others, channels))
        )

    def reconstruct(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        """Encode and decode samples (B, C, H, W)."""
        features = self.dense(with_condition(self.embed(samples, condition), condition))
        for layer, size in zip(self.grow, self.sizes[1:], strict=True):
            larger = functional.interpolate(self.activation(features), size)
            features = layer(with_planes(larger, condition))
        return torch.tanh(features / 2)

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.square(self.reconstruct(samples, condition) - samples).flatten(1).mean(1)
