"""The later version of the published Atari WGAN: upsampling, and batch norm in both networks."""

import itertools

from torch import Tensor, nn
from torch.nn import functional

from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    LayeredCritic,
    NetworkFamily,
    NetworkShape,
    initialize_normal,
    with_condition,
)

DEFAULT_WIDTH = 32
CRITIC_WIDTH = 64
_REDUCTION = 16


@NETWORKS.register("upsample")
class UpsampleFamily(NetworkFamily):
    """Upsampling and convolutions with batch norm, in the critic as well."""

    critic_mixes_samples = True

    def generator(self, shape: NetworkShape) -> Generator:
        return UpsampleGenerator(shape, shape.image_shape("upsample"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        channels, height, columns = shape.image_shape("upsample")
        width = shape.critic_width or CRITIC_WIDTH
        rows, cols = height, columns
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise((channels, width, 2 * width)):
            below, right = rows % 2, cols % 2
            layers += [
                nn.ZeroPad2d((0, right, 0, below)),
                nn.Conv2d(before, after, 4, 2, 1),
                nn.LeakyReLU(shape.leaky_slope),
            ]
            rows, cols = -(-rows // 2), -(-cols // 2)
        layers += [nn.BatchNorm2d(2 * width), nn.Flatten()]
        critic = LayeredCritic(
            nn.Sequential(*layers), 2 * width * rows * cols, shape.condition_size
        )
        initialize_normal(critic)
        return critic


class UpsampleGenerator(Generator):
    """Latents to images (B, C, H, W) in [-1, 1], from a sixteenth of their size in four doublings;
    the last one resizes to the exact size.
    """

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, self.height, self.columns = image_shape
        width = shape.generator_width or DEFAULT_WIDTH
        first = 4 * width
        rows, cols = (max(1, side // _REDUCTION) for side in (self.height, self.columns))
        self.project = nn.Sequential(
            nn.Linear(shape.input_size, first * rows * cols),
            nn.Unflatten(1, (first, rows, cols)),
        )
        grow: list[nn.Module] = []
        for before, after in itertools.pairwise((first, first, 2 * width, width)):
            grow += [
                nn.Upsample(scale_factor=2),
                nn.Conv2d(before, after, 3, 1, 1),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.grow = nn.Sequential(*grow)
        self.to_image = nn.Sequential(nn.Conv2d(width, channels, 3, 1, 1), nn.Tanh())
        initialize_normal(self)

    def forward(self, latents: Tensor, condition: Tensor | None = None) -> Tensor:
        features = self.grow(self.project(with_condition(latents, condition)))
        image: Tensor = self.to_image(functional.interpolate(features, (self.height, self.columns)))
        return image
