"""Each pixel chooses among the values that real frames show there: the family for game frames.

A game draws few things in few colors, so at any pixel only a handful of values ever occur. The
generator is given them and decides, pixel by pixel, which one shows; what never moves is exact from
the first step, and no color is made up. The choice is made by logits of low rank: a sum of products
of a row profile and a column profile, which is what bars, bricks, paddles and balls are.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.images.pixel_values import frequent_values
from atarigan.images.pixels import frames_to_floats
from atarigan.models.families.ladder import downsampled_sizes, downsampling_layers
from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    LayeredCritic,
    NetworkFamily,
    NetworkShape,
    joined,
)

GENERATOR_WIDTH = 256
CRITIC_WIDTH = 24
NUM_VALUES = 6
RANK = 12
_RAREST = 0.02
_RARITY_POWER = 0.75


@NETWORKS.register("codebook")
class CodebookFamily(NetworkFamily):
    """Every pixel picks one of the values that real frames show there; for game frames."""

    def generator(self, shape: NetworkShape) -> Generator:
        return CodebookGenerator(shape, shape.image_shape("codebook"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return patch_critic(shape, shape.image_shape("codebook"))


class CodebookGenerator(Generator):
    """Latents to images (B, C, H, W) in [-1, 1], each pixel one of `num_values` of real ones."""

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
        """Take each pixel's most frequent values, and how frequent they are."""
        values, counts = frequent_values(samples.numpy(), len(self.prior))
        frequencies = torch.from_numpy(counts / len(samples)).float()
        self.values.copy_(frames_to_floats(torch.from_numpy(values)))
        never = torch.tensor(-torch.inf)
        self.prior.copy_(torch.where(frequencies > 0, frequencies.clamp(min=_RAREST).log(), never))

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        choose: Any = StraightThroughChoice.apply
        image: Tensor = choose(self.logits(joined(latents, condition)).float(), self.values)
        return image

    def reconstruction_loss(self, latents: Tensor, condition: Tensor, real: Tensor) -> Tensor:
        """Cross-entropy of each pixel's choice with the value that is nearest to the real one,
        weighted by how rare that value is there: frequency to the power of -3/4, at most 19.

        Without weights what is small and moves, a ball of one pixel in 7,000, is never worth its
        mistakes.
        """
        logits = self.logits(joined(latents, condition)).float()
        nearest = (self.values - real[:, None]).abs().sum(2).argmin(1)
        weights = self.prior.expand_as(logits).gather(1, nearest[:, None])[:, 0]
        weights = weights.mul(-_RARITY_POWER).exp()
        return (functional.cross_entropy(logits, nearest, reduction="none") * weights).mean()

    def logits(self, inputs: Tensor) -> Tensor:
        """How strongly each pixel (B, num_values, H, W) wants each of its values, by the inputs (B,
        input_size).
        """
        features = self.project(inputs)
        features = features + self.mix(features)
        products: Tensor = self.row_profiles(features) @ self.column_profiles(features)
        return torch.add(self.bias + self.prior, products, alpha=self.scale)


class StraightThroughChoice(torch.autograd.Function):
    """Each pixel's likeliest value, with the gradient of the mean value under the softmax of the
    logits.

    That is the straight-through estimator (Bengio et al. 2013, arXiv:1308.3432): the critic sees
    only values that exist. With p = softmax(logits) and g the gradient by the image, the gradient
    by logit k is p_k (g · v_k - sum_j p_j g · v_j).
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, values: Tensor) -> Tensor:
        """Logits (B, K, H, W) and values (K, C, H, W) to images (B, C, H, W)."""
        ctx.save_for_backward(logits, values)
        best, image = logits[:, :1], values[0].expand(logits.shape[0], *values.shape[1:])
        for k in range(1, len(values)):  # ten times faster than argmax and gather on a CPU
            challenger = logits[:, k : k + 1]
            image = torch.where(challenger > best, values[k], image)
            best = torch.maximum(best, challenger)
        return image

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient by the logits; the values have none."""
        logits, values = ctx.saved_tensors
        (gradient,) = gradients
        slopes = gradient[:, :1] * values[:, 0]
        for channel in range(1, values.shape[1]):
            slopes += gradient[:, channel : channel + 1] * values[:, channel]
        # the derivative of softmax, applied to the slopes
        return torch._softmax_backward_data(slopes, logits.softmax(1), 1, logits.dtype), None


def patch_critic(shape: NetworkShape, image_shape: tuple[int, int, int]) -> LayeredCritic:
    """A first convolution on overlapping patches of the image, then strided ones."""
    channels, height, columns = image_shape
    width, slope = shape.critic_width or CRITIC_WIDTH, shape.leaky_slope
    rows, cols = -(-height // 4), -(-columns // 4)
    sizes = downsampled_sizes(rows, cols)
    widths = [width * min(4, 2**level) for level in range(len(sizes))]
    layers = nn.Sequential(
        nn.ZeroPad2d((1, cols * 4 - columns + 1, 1, rows * 4 - height + 1)),
        nn.Conv2d(channels, width, 6, 4),
        nn.LeakyReLU(slope),
        *downsampling_layers(widths, slope),
        nn.Flatten(),
    )
    return LayeredCritic(layers, widths[-1] * math.prod(sizes[-1]), shape.condition_size)
