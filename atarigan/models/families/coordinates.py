"""A coordinate network whose first layer follows from the state: the family for vectors of numbers.

What classic control, Box2D and MuJoCo render are polygons and capsules that move and turn. An edge
is a half-plane, a·x + b·y + c > 0, and moving or turning it changes nothing but its three numbers.
So a network predicts these numbers from the state, and a few layers, the same at every pixel,
combine the half-planes into shapes: a coordinate network (Tancik et al. 2020, arXiv:2006.10739)
whose first layer a hypernetwork gives (Ha et al. 2016, arXiv:1609.09106). Most half-planes are in
coordinates that move with the center of what is shown (`MovingOrigin`).
"""

import itertools
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.images.pixels import floats_to_frames, frames_to_floats
from atarigan.models.families.moving_origin import MovingOrigin
from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    NetworkFamily,
    NetworkShape,
    patch_critic,
    with_condition,
)
from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.ram_encoder import EncoderSettings

NUM_PLANES = 40
COMBINED_WIDTHS = (32, 16)
MIXING_WIDTH = 256
_MOVING_SHARE = 0.75
_UNIT = 8.0  # pixels of a unit of the coordinates
_SPREAD = 16.0  # pixels of the first half-planes from the origin
_NUM_DRAWN = 256  # pixels of a frame in a reconstruction update
_FLOOR = 2 / 127.5  # differences below it cost nothing
_VISIBLE = 3 / 127.5
_EVERYWHERE = 1e-4  # weight of a pixel that shows its background
_AT_ONCE = 1 << 14  # pixels


@NETWORKS.register("coordinates")
class CoordinatesFamily(NetworkFamily):
    """Half-planes that the state moves and turns, combined at each pixel; for vectors."""

    encoder_settings = EncoderSettings(num_features=128)

    def generator(self, shape: NetworkShape) -> Generator:
        return CoordinatesGenerator(shape, shape.image_shape("coordinates"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return patch_critic(shape, shape.image_shape("coordinates"))


class VaryingPixels(SizedByData):
    """Which pixels change in real frames, and what the others always show.

    Attributes:
        background: each pixel's most frequent color in [-1, 1], float (H * W, C).
        numbers: of the pixels that change, ascending, int64 (V,).
        offsets: what a pixel adds to each half-plane, (V, num_planes).
        colors: color of each of these pixels where no half-plane says otherwise, (V, C).
    """

    background: Tensor
    numbers: Tensor

    def __init__(self, num_pixels: int, num_channels: int, num_planes: int) -> None:
        super().__init__()
        self.num_pixels, self.num_channels, self.num_planes = num_pixels, num_channels, num_planes
        self.register_buffer("background", torch.zeros(num_pixels, num_channels))
        self.register_buffer("numbers", torch.arange(num_pixels))
        self.offsets = nn.Parameter(torch.zeros(num_pixels, num_planes))
        self.colors = nn.Parameter(torch.zeros(num_pixels, num_channels))

    def fit(self, frames: Tensor) -> None:
        """Find both in frames uint8 (N, H, W, C)."""
        flat = frames.flatten(1, 2)
        usual = flat.mode(0).values
        self.background = frames_to_floats(usual[None, None])[0, :, 0].T.contiguous()
        self._set_numbers((flat != usual).any(2).any(0))

    def observe(self, frames: Tensor) -> None:
        """Add the pixels that change in further frames uint8 (N, H, W, C)."""
        shown = self.background.add(1).mul(127.5).round().to(torch.uint8)
        changes = (frames.flatten(1, 2) != shown).any(2).any(0)
        changes[self.numbers] = True
        self._set_numbers(changes)

    def _set_numbers(self, changes: Tensor) -> None:
        self.numbers = torch.nonzero(changes)[:, 0]
        self.offsets = nn.Parameter(torch.zeros(len(self.numbers), self.num_planes))
        self.colors = nn.Parameter(self.background[self.numbers].clone())

    def _check(self) -> None:
        num = len(self.numbers)
        self._expect("background", (self.num_pixels, self.num_channels))
        self._expect("numbers", (num,), range(self.num_pixels))
        self._expect("offsets", (num, self.num_planes))
        self._expect("colors", (num, self.num_channels))


class CoordinatesGenerator(Generator):
    """Inputs and vectors to images (B, C, H, W) in [-1, 1].

    At pixel p with coordinates (y, x) in units of 8 pixels, with the origin o of the state:

        plane_k = relu(a_k (y - g_k o_y) + b_k (x - g_k o_x) + c_k + offset_kp)
        color = color_p + W_4 relu(W_3 relu(W_2 plane + bias_2) + bias_3)

    a, b, c follow from the inputs by a residual network. g_k, how far plane k moves with the
    origin, is 1 for three quarters of the planes at first and 0 for the others. Without vectors o
    is 0.

    A `generator_width` is the width of the residual network.
    """

    num_fitted = 4096
    num_observed = 65_536
    coordinates: Tensor

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.num_channels, self.height, self.width = image_shape
        width = shape.generator_width or MIXING_WIDTH
        self.takes_state = shape.vector_size > 0
        self.slope = shape.leaky_slope
        self.origin = MovingOrigin(shape.vector_size) if self.takes_state else None
        self.project = nn.Linear(shape.input_size, width)
        self.mix = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.to_planes = nn.Linear(width, NUM_PLANES * 3)
        moves = (torch.arange(NUM_PLANES) < _MOVING_SHARE * NUM_PLANES).float()
        self.moves = nn.Parameter(moves) if self.takes_state else None
        widths = itertools.pairwise((NUM_PLANES, *COMBINED_WIDTHS))
        self.combine = nn.ModuleList(nn.Linear(before, after) for before, after in widths)
        self.color = nn.Linear(COMBINED_WIDTHS[-1], self.num_channels, bias=False)
        self.pixels = VaryingPixels(self.height * self.width, self.num_channels, NUM_PLANES)
        self.register_buffer("coordinates", self._coordinates(), persistent=False)
        self._initialize(shape)

    def _layers(self) -> Iterable[nn.Linear]:
        """Return the layers between half-planes and colors."""
        return cast(Iterable[nn.Linear], self.combine)

    @torch.no_grad()
    def _initialize(self, shape: NetworkShape) -> None:
        """Begin with half-planes around the origin that nothing but the origin moves much."""
        if shape.condition_size:
            self.project.weight[:, : shape.latent_size] = 0
        device = self.to_planes.bias.device
        normals = functional.normalize(torch.randn(NUM_PLANES, 2, device=device), dim=1)
        places = (2 * torch.rand(NUM_PLANES, 2, device=device) - 1) * _SPREAD / _UNIT
        starts = -(normals * places).sum(1, keepdim=True)
        self.to_planes.bias.copy_(torch.cat([starts, normals], 1).flatten())
        for layer in self._layers():
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.color.weight, std=0.1)

    def _coordinates(self) -> Tensor:
        """Return 1, y and x of every pixel, (H * W, 3), with 0 in the middle."""
        rows = (torch.arange(self.height) - (self.height - 1) / 2) / _UNIT
        columns = (torch.arange(self.width) - (self.width - 1) / 2) / _UNIT
        both = torch.meshgrid(rows, columns, indexing="ij")
        return torch.stack([torch.ones_like(both[0]), *both], dim=2).flatten(0, 1)

    @torch.no_grad()
    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        """Find the pixels that change, and how the center of what is shown follows from vectors."""
        self.pixels.fit(samples)
        if conditions is not None and self.origin is not None:
            background = self.pixels.background.view(self.height, self.width, -1)
            self.origin.fit(samples, conditions, background)

    @torch.no_grad()
    def observe(self, parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        for samples, _ in parts:
            self.pixels.observe(samples)

    def planes(self, inputs: Tensor, state: Tensor | None) -> Tensor:
        """Return c, a and b of each half-plane, with the origin's motion in c, (B, planes, 3)."""
        features = self.project(functional.silu(inputs))
        for layer in self.mix:
            features = features + layer(functional.silu(features))
        planes: Tensor = self.to_planes(functional.silu(features)).unflatten(1, (NUM_PLANES, 3))
        if state is None or self.origin is None or self.moves is None:
            return planes
        origin = self.origin(state) / _UNIT
        moved = (planes[:, :, 1:] @ origin[:, :, None]) * self.moves[:, None]
        return torch.cat([planes[:, :, :1] - moved, planes[:, :, 1:]], dim=2)

    def forward(
        self, latents: Tensor, condition: Tensor | None = None, state: Tensor | None = None
    ) -> Tensor:
        planes = self.planes(with_condition(latents, condition), state).float()
        shown = planes.new_zeros(planes.shape[0], 1, 1) + self.pixels.background
        if not len(self.pixels.numbers):
            return self._as_images(shown)
        if planes.requires_grad or torch.compiler.is_exporting():
            colors = self._colors(planes)
        else:  # little memory at once is twice as fast on a CPU
            num = max(1, _AT_ONCE // len(self.pixels.numbers))
            colors = torch.cat([self._colors(part) for part in planes.split(num)])
        return self._as_images(shown.index_copy(1, self.pixels.numbers, colors))

    def _colors(self, planes: Tensor) -> Tensor:
        """Return the colors of the varying pixels, (B, V, C), of half-planes (B, planes, 3)."""
        is_inplace = not planes.requires_grad
        coordinates = self.coordinates[self.pixels.numbers]
        heights = torch.matmul(planes.transpose(0, 1), coordinates.T)  # (planes, B, V)
        offsets = self.pixels.offsets.T[:, None]
        heights = heights.add_(offsets) if is_inplace else heights + offsets
        combined = functional.relu(heights, is_inplace).flatten(1)
        for layer in self._layers():
            combined = torch.addmm(layer.bias[:, None], layer.weight, combined)
            combined = functional.relu(combined, is_inplace)
        colors = (self.color.weight @ combined).unflatten(1, (-1, len(coordinates)))
        found: Tensor = colors.permute(1, 2, 0) + self.pixels.colors
        return found

    def frames(
        self, latents: Tensor, condition: Tensor | None = None, state: Tensor | None = None
    ) -> Tensor:
        return floats_to_frames(self(latents, condition, state))

    def _as_images(self, shown: Tensor) -> Tensor:
        """Return colors (B, H * W, C) as images (B, C, H, W)."""
        images: Tensor = shown.transpose(1, 2).unflatten(2, (self.height, self.width))
        return images.clamp(-1, 1)

    def reconstruction_loss(
        self, latents: Tensor, condition: Tensor, real: Tensor, state: Tensor | None = None
    ) -> Tensor:
        """Return the mean absolute difference, less 2 levels, at 256 pixels of each frame: half of
        them drawn near what differs from the background, half anywhere among those that change.
        """
        if not len(self.pixels.numbers):
            return (
                latents.sum() * 0 + self.planes(with_condition(latents, condition), state).sum() * 0
            )
        drawn = self._drawn_pixels(real)
        planes = self.planes(with_condition(latents, condition), state).float()
        coordinates = self.coordinates[self.pixels.numbers[drawn]]
        heights = coordinates @ planes.transpose(1, 2)
        combined = functional.relu(heights + functional.embedding(drawn, self.pixels.offsets))
        for layer in self.combine:
            combined = functional.relu(layer(combined))
        colors = self.color(combined)
        colors = colors + functional.embedding(drawn, self.pixels.colors)
        numbers = self.pixels.numbers[drawn][:, None].expand(-1, self.num_channels, -1)
        wanted = real.flatten(2).gather(2, numbers).transpose(1, 2)
        return functional.relu((colors - wanted).abs() - _FLOOR).mean()

    @torch.no_grad()
    def _drawn_pixels(self, real: Tensor) -> Tensor:
        """Draw which varying pixels of images (B, C, H, W) are compared, int64 (B, drawn)."""
        background = self.pixels.background.T.unflatten(1, (self.height, self.width))
        near = _widened((real - background).abs().amax(1) > _VISIBLE)
        weights = near.flatten(1)[:, self.pixels.numbers].float() + _EVERYWHERE
        sums = weights.cumsum(1)
        chances = torch.rand(len(real), _NUM_DRAWN // 2, device=real.device) * sums[:, -1:]
        most = weights.shape[1] - 1
        chosen = torch.searchsorted(sums, chances).clamp(max=most)
        others = torch.randint(most + 1, chosen.shape, device=real.device)
        return torch.cat([chosen, others], dim=1)


def _widened(mask: Tensor, num: int = 2) -> Tensor:
    """Return which pixels are at most `num` rows and columns from one in a mask (B, H, W)."""
    for _ in range(num):
        wide = mask.clone()
        wide[:, 1:] |= mask[:, :-1]
        wide[:, :-1] |= mask[:, 1:]
        mask = wide.clone()
        mask[:, :, 1:] |= wide[:, :, :-1]
        mask[:, :, :-1] |= wide[:, :, 1:]
    return mask
