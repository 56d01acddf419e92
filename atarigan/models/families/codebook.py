"""Each pixel chooses among the values that it has in real frames: a family for game frames.

A game draws few objects in few colors, so only a handful of values occur at any pixel. The
generator starts with these values and chooses one for each pixel. Static pixels are exact from the
first step, and every color is real. The logits of the choice have low rank: they are sums of
products of a row profile and a column profile, the shape of bars, bricks, paddles and balls.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.images.pixel_values import frequent_values
from atarigan.images.pixels import frames_to_floats
from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    NetworkFamily,
    NetworkShape,
    patch_critic,
    with_condition,
)

GENERATOR_WIDTH = 256
NUM_VALUES = 6
RANK = 12
_RAREST = 0.02
_RARITY_POWER = 0.75


@NETWORKS.register("codebook")
class CodebookFamily(NetworkFamily):
    """Every pixel takes one of its values in real frames; for game frames."""

    def generator(self, shape: NetworkShape) -> Generator:
        return CodebookGenerator(shape, shape.image_shape("codebook"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return patch_critic(shape, shape.image_shape("codebook"))


class CodebookGenerator(Generator):
    """Latents to images (B, C, H, W) in [-1, 1]; each pixel has one of `num_values` real values.

    Attributes:
        values: each pixel's values, float (num_values, C, H, W).
        prior: log-frequency of each value, at least log 0.02, and -inf for a missing value, float
            (num_values, H, W).
    """

    values: Tensor
    prior: Tensor

    def __init__(
        self,
        shape: NetworkShape,
        image_shape: tuple[int, int, int],
        num_values: int = NUM_VALUES,
        rank: int = RANK,
    ) -> None:
        super().__init__()
        channels, height, columns = image_shape
        width, slope = shape.generator_width or GENERATOR_WIDTH, shape.leaky_slope
        self.project = nn.Linear(shape.input_size, width)
        self.mix = nn.Sequential(
            nn.Linear(width, width), nn.LeakyReLU(slope), nn.Linear(width, width)
        )
        self.row_profiles = nn.Sequential(
            nn.Linear(width, num_values * height * rank),
            nn.Unflatten(1, (num_values, height, rank)),
        )
        self.column_profiles = nn.Sequential(
            nn.Linear(width, num_values * rank * columns),
            nn.Unflatten(1, (num_values, rank, columns)),
        )
        self.scale = 4 / rank**0.5
        self.bias = nn.Parameter(torch.zeros(num_values, height, columns))
        self.register_buffer("values", torch.zeros(num_values, channels, height, columns))
        self.register_buffer("prior", torch.zeros(num_values, height, columns))

    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        """Find each pixel's most frequent values and their frequencies."""
        values, counts = frequent_values(samples.numpy(), len(self.prior))
        frequencies = torch.from_numpy(counts / len(samples)).float()
        self.values.copy_(frames_to_floats(torch.from_numpy(values)))
        never = torch.tensor(-torch.inf)
        self.prior.copy_(torch.where(frequencies > 0, frequencies.clamp(min=_RAREST).log(), never))

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        choose: Any = StraightThroughChoice.apply
        image: Tensor = choose(self.logits(with_condition(latents, condition)).float(), self.values)
        return image

    def reconstruction_loss(self, latents: Tensor, condition: Tensor, real: Tensor) -> Tensor:
        """Return the mean cross-entropy between each pixel's choice and its value nearest to the
        real one, weighted by that value's frequency to the power -3/4, at most 19.

        Without weights the loss would ignore small moving objects: a ball covers one pixel in
        7,000.
        """
        logits = self.logits(with_condition(latents, condition)).float()
        nearest = (self.values - real[:, None]).abs().sum(2).argmin(1)
        weights = self.prior.expand_as(logits).gather(1, nearest[:, None])[:, 0]
        weights = weights.mul(-_RARITY_POWER).exp()
        return (functional.cross_entropy(logits, nearest, reduction="none") * weights).mean()

    def logits(self, inputs: Tensor) -> Tensor:
        """Return the logit of each value of each pixel, (B, num_values, H, W), for inputs (B,
        input_size).
        """
        features = self.project(inputs)
        features = features + self.mix(features)
        products: Tensor = self.row_profiles(features) @ self.column_profiles(features)
        return torch.add(self.bias + self.prior, products, alpha=self.scale)


class StraightThroughChoice(torch.autograd.Function):
    """Each pixel's likeliest value forward; the gradient of the expected value backward.

    A straight-through estimator (Bengio et al. 2013, arXiv:1308.3432): the critic sees only real
    values. With p = softmax(logits) and g the gradient of the image, the gradient of logit k is
    p_k (g · v_k - Σ_j p_j g · v_j).
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, values: Tensor) -> Tensor:
        """Map logits (B, K, H, W) and values (K, C, H, W) to images (B, C, H, W)."""
        ctx.save_for_backward(logits, values)
        best, image = logits[:, :1], values[0].expand(logits.shape[0], *values.shape[1:])
        for k in range(1, len(values)):  # ten times faster than argmax and gather on a CPU
            challenger = logits[:, k : k + 1]
            image = torch.where(challenger > best, values[k], image)
            best = torch.maximum(best, challenger)
        return image

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the logits; values have none."""
        logits, values = ctx.saved_tensors
        (gradient,) = gradients
        slopes = gradient[:, :1] * values[:, 0]
        for channel in range(1, values.shape[1]):
            slopes += gradient[:, channel : channel + 1] * values[:, channel]
        return torch._softmax_backward_data(slopes, logits.softmax(1), 1, logits.dtype), None
