"""A coordinate network whose first layer follows from the state: the family for vectors of numbers.

What classic control, Box2D and MuJoCo render are polygons and capsules that move and turn. An edge
is a half-plane, a·x + b·y + c > 0, and moving or turning it changes nothing but its three numbers.
So a network predicts these numbers from the state, and a few layers, the same at every pixel,
combine the half-planes into shapes: a coordinate network (Tancik et al. 2020, arXiv:2006.10739)
whose first layer a hypernetwork gives (Ha et al. 2016, arXiv:1609.09106). Most half-planes are in
coordinates that move with the center of what is shown (`MovingOrigin`), and where that is enough,
only pixels near it are computed (`OriginWindow`). All others have `PixelFields`, which are much
cheaper.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.images.pixels import floats_to_frames
from atarigan.models.families.corner_waves import CornerWaves
from atarigan.models.families.horizon import Horizon
from atarigan.models.families.moving_origin import MovingOrigin
from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    NetworkFamily,
    NetworkShape,
    patch_critic,
    with_condition,
)
from atarigan.models.families.origin_window import OriginWindow
from atarigan.models.families.pixel_comparison import draw_pixels, values_at, visible_errors
from atarigan.models.families.pixel_fields import NUM_FIELDS, UNIT, PixelFields
from atarigan.models.state.ram_encoder import EncoderSettings

NUM_PLANES = 40
NUM_FIELD_INPUTS = 16
COMBINED_WIDTHS = (32, 16)
MIXING_WIDTH = 256
_MOVING_SHARE = 0.75
_SPREAD = 16.0  # pixels of the first half-planes from the origin
_NUM_NEAR, _NUM_OUTSIDE = 128, 256  # pixels of a frame in a reconstruction update
_VISIBLE = 3 / 127.5
_NUM_BEHIND = NUM_FIELDS + 1  # with a horizon
_AT_ONCE = 1 << 14  # pixels with half-planes


@NETWORKS.register("coordinates")
class CoordinatesFamily(NetworkFamily):
    """Half-planes that the state moves and turns, combined at each pixel; for vectors."""

    encoder_settings = EncoderSettings(num_features=128)

    def generator(self, shape: NetworkShape) -> Generator:
        return CoordinatesGenerator(shape, shape.image_shape("coordinates"))

    def critic(self, shape: NetworkShape) -> nn.Module:
        return patch_critic(shape, shape.image_shape("coordinates"))


class _Moment(NamedTuple):
    """What follows from a state.

    Attributes:
        planes: c, a and b of each half-plane, with the origin's motion in c, (B, planes, 3).
        inputs: of the fields, (B, inputs).
        corners: the pixels that contain the origins, int64 (B, 2); None without vectors.
        places: of the horizon, (B, W); None if there is none.
    """

    planes: Tensor
    inputs: Tensor
    corners: Tensor | None
    places: Tensor | None

    def split(self, num: int) -> Iterator["_Moment"]:
        """Yield parts of at most `num` rows."""
        for start in range(0, len(self.planes), num):
            part = slice(start, start + num)
            yield _Moment._make(None if each is None else each[part] for each in self)


class CoordinatesGenerator(Generator):
    """Inputs and vectors to images (B, C, H, W) in [-1, 1].

    At pixel p with coordinates (y, x) in units of 8 pixels, with the origin o of the state:

        plane_k = relu(a_k (y - g_k o_y) + b_k (x - g_k o_x) + c_k)
        near = W_4 relu(W_3 relu(W_2 (plane, min(field(p), 1), below) + bias_2) + bias_3)
        behind = (1 - below) clamp(color_p + W_f field(p), -1, 1) + below color_horizon
        color = behind + (near if p is in the window around o, else 0)

    where below is the share of p that is below a horizon (`Horizon`), without fields where the
    window is the whole picture, or where all pixels outside of it show the background. The parts
    learn apart from each other, half-planes in the window and fields outside.

    a, b, c and the inputs of the fields follow from the network's inputs by a residual network, to
    whose first layer the places of corners are added (`CornerWaves`). To the inputs of the fields a
    linear function of the vector is added, which holds for vectors unlike those of the data as
    well. g_k, how far plane k moves with the origin, is 1 for three quarters of the planes at first
    and 0 for the others. Without vectors o is 0, and the window is the whole picture.

    A `generator_width` is the width of the residual network.
    """

    num_fitted = 4096
    num_observed = 65_536

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.num_channels, self.height, self.width = image_shape
        width = shape.generator_width or MIXING_WIDTH
        self.takes_state = shape.vector_size > 0
        self.origin = MovingOrigin(shape.vector_size) if self.takes_state else None
        size = self.height, self.width
        self.horizon = (
            Horizon(shape.vector_size, *size, self.num_channels) if self.takes_state else None
        )
        self.corners = CornerWaves(shape.vector_size, width) if self.takes_state else None
        self.window = OriginWindow(self.height, self.width)
        self.project = nn.Linear(shape.input_size, width)
        self.mix = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.to_planes = nn.Linear(width, NUM_PLANES * 3)
        self.to_fields = nn.Linear(width, NUM_FIELD_INPUTS)
        straight_size = shape.vector_size or shape.input_size
        self.straight_to_fields = nn.Linear(straight_size, NUM_FIELD_INPUTS, bias=False)
        moves = (torch.arange(NUM_PLANES) < _MOVING_SHARE * NUM_PLANES).float()
        self.moves = nn.Parameter(moves) if self.takes_state else None
        widths = itertools.pairwise((NUM_PLANES + _NUM_BEHIND, *COMBINED_WIDTHS))
        self.combine = nn.ModuleList(nn.Linear(before, after) for before, after in widths)
        self.color = nn.Linear(COMBINED_WIDTHS[-1], self.num_channels, bias=False)
        self.field_color = nn.Linear(NUM_FIELDS, self.num_channels, bias=False)
        self.fields = PixelFields(size, self.num_channels, NUM_FIELD_INPUTS)
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
        places = (2 * torch.rand(NUM_PLANES, 2, device=device) - 1) * _SPREAD / UNIT
        starts = -(normals * places).sum(1, keepdim=True)
        self.to_planes.bias.copy_(torch.cat([starts, normals], 1).flatten())
        for layer in self._layers():
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.color.weight, std=0.1)
        nn.init.zeros_(self.field_color.weight)

    @torch.no_grad()
    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        """Find the pixels that change, how the center of what is shown follows from vectors, and
        how large that is.
        """
        self.fields.fit(samples)
        if conditions is not None and self.origin is not None and self.corners is not None:
            shown, origin = self.fields.shown, self.origin
            origin.fit(samples, conditions, shown)
            self.corners.fit(samples, conditions, shown, origin.grid, origin.bins)
            self.window.fit(samples, conditions, self.origin(conditions), shown)
            if self._draws_fields:
                self._fit_horizon(samples, conditions)

    @property
    def _draws_fields(self) -> bool:
        """Whether pixels outside of the window follow from fields."""
        return not self.window.is_everywhere and not self.window.is_still_outside

    def _fit_horizon(self, samples: Tensor, conditions: Tensor) -> None:
        """Begin with a horizon, if there is one, and what is above it."""
        if self.horizon is None or self.origin is None:
            return
        above = self.horizon.fit(samples, conditions, self.origin.bins)
        if above is not None:
            self.fields.colors[:-1] = above

    @torch.no_grad()
    def observe(self, parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        for samples, _ in parts:
            self.fields.observe(samples)

    def _moment(self, inputs: Tensor, state: Tensor | None) -> _Moment:
        features = self.project(functional.silu(inputs))
        if state is not None and self.corners is not None:
            features = features + self.corners(state)
        for layer in self.mix:
            features = features + layer(functional.silu(features))
        features = functional.silu(features)
        planes: Tensor = self.to_planes(features).unflatten(1, (NUM_PLANES, 3)).float()
        of_fields = self.to_fields(features.detach())
        if state is None or self.origin is None or self.moves is None:
            of_fields = of_fields + self.straight_to_fields(inputs.detach())
            return _Moment(planes, of_fields.float(), None, None)
        of_fields = of_fields + self.straight_to_fields(self.origin.bins.spread(state))
        places = None
        if self.horizon is not None and len(self.horizon):
            places = self.horizon.places(state, self.origin.bins)
        origin = self.origin(state)
        moved = (planes[:, :, 1:] @ (origin / UNIT)[:, :, None]) * self.moves[:, None]
        planes = torch.cat([planes[:, :, :1] - moved, planes[:, :, 1:]], dim=2)
        return _Moment(planes, of_fields.float(), self.window.corners(origin), places)

    def forward(
        self, latents: Tensor, condition: Tensor | None = None, state: Tensor | None = None
    ) -> Tensor:
        moment = self._moment(with_condition(latents, condition), state)
        if moment.planes.requires_grad or torch.compiler.is_exporting():
            return self._images(moment)
        num = max(1, _AT_ONCE // max(1, len(self.window.offsets) or len(self.fields)))
        if len(moment.planes) <= num:
            return self._images(moment)
        # little memory at once is twice as fast on a CPU
        return torch.cat([self._images(part) for part in moment.split(num)])

    def _images(self, moment: _Moment) -> Tensor:
        """Return the images (B, C, H, W) of moments."""
        shown = self.fields.background.T[:, None].expand(-1, moment.planes.shape[0], -1)
        if moment.corners is None or self.window.is_everywhere:
            numbers = self.fields.numbers
            near = self._near(moment.planes, self.fields.coordinates[numbers], None)
            shown = shown.index_copy(2, numbers, near + self.fields.colors[numbers].T[:, None])
        else:
            if self._draws_fields:
                shown = torch.where(self.fields.varies, self._everywhere(moment), shown)
            shown = shown.scatter(2, *self._window(moment, moment.corners))
        images: Tensor = shown[:, :, :-1].transpose(0, 1).unflatten(2, (self.height, self.width))
        return images.clamp(-1, 1)

    def _window(self, moment: _Moment, corners: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pixels of the windows, those that never change replaced by one outside, and
        their colors, both (C, B, R).
        """
        pixels = self.window.pixels(corners)
        colors, fields = self._behind(pixels, moment)
        of_fields = None if fields is None else fields.permute(2, 0, 1)
        near = self._near(*self._from_corners(moment.planes, corners), of_fields)
        colors = near + colors.permute(2, 0, 1)
        pixels = torch.where(self.fields.varies[pixels], pixels, self.height * self.width)
        return pixels.expand(self.num_channels, -1, -1), colors

    def _behind(self, pixels: Tensor, moment: _Moment) -> tuple[Tensor, Tensor | None]:
        """Return the colors (B, M, C) at pixels (B, M) without half-planes, and the fields (B, M,
        fields); None where these show nothing.
        """
        if self.window.is_still_outside:
            return functional.embedding(pixels, self.fields.background), None
        colors = functional.embedding(pixels, self.fields.colors)
        if self.window.is_everywhere:
            return colors, None
        fields = self._fields_at(pixels, moment)
        return self._with_horizon(colors, fields).clamp(-1, 1), fields

    def _fields_at(self, pixels: Tensor, moment: _Moment) -> Tensor:
        """Return the fields at pixels (B, M) or (M,), and last what a horizon covers, (B, M,
        fields + 1).
        """
        fields = self.fields.at(pixels, moment.inputs)
        if self.horizon is None or moment.places is None:
            return functional.pad(fields, (0, 1))
        covered = self.horizon.coverage_at(moment.places, pixels)
        return torch.cat([fields, covered[:, :, None]], dim=2)

    def _with_horizon(self, colors: Tensor, fields: Tensor) -> Tensor:
        """Return colors (…, C) with what fields (…, fields + 1) add, and what a horizon covers."""
        fields, covered = fields.split([NUM_FIELDS, 1], dim=-1)
        above: Tensor = colors + self.field_color(fields)
        if self.horizon is None or not len(self.horizon):
            return above
        return torch.lerp(above.clamp(-1, 1), self.horizon.color, covered)

    def _everywhere(self, moment: _Moment) -> Tensor:
        """Return the colors of all pixels without half-planes, (C, B, H * W + 1)."""
        fields = self.fields.everywhere(moment.inputs)
        colors = (self.field_color.weight @ fields.flatten(1)).unflatten(1, fields.shape[1:])
        colors = functional.pad(colors, (0, 1)) + self.fields.colors.T[:, None]
        if self.horizon is None or moment.places is None:
            return colors
        covered = functional.pad(self.horizon.coverage(moment.places), (0, 1))
        return torch.lerp(colors.clamp(-1, 1), self.horizon.color[:, None, None], covered)

    def _from_corners(self, planes: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
        """Return half-planes in coordinates that begin at corners, and those of the window."""
        start = self.fields.coordinates[corners[:, 0] * self.width + corners[:, 1]]
        starts = planes[:, :, :1] + planes[:, :, 1:] @ start[:, :, None]
        return torch.cat([starts, planes[:, :, 1:]], dim=2), self.window.offsets / UNIT

    def _near(self, planes: Tensor, coordinates: Tensor, fields: Tensor | None) -> Tensor:
        """Return what half-planes (B, planes, 3) add to colors, (C, B, R), at coordinates (R, 2)
        with fields (fields, B, R) if there are any.
        """
        is_inplace = not planes.requires_grad
        heights = _heights(planes, coordinates.T)  # (planes, B, R)
        first, *others = self._layers()
        heights = functional.relu(heights, is_inplace).flatten(1)
        of_planes, of_fields = first.weight.split([NUM_PLANES, _NUM_BEHIND], dim=1)
        combined = torch.addmm(first.bias[:, None], of_planes, heights)
        if fields is not None:
            combined = torch.addmm(combined, of_fields, fields.flatten(1).clamp(max=1))
        combined = functional.relu(combined, is_inplace)
        for layer in others:
            combined = torch.addmm(layer.bias[:, None], layer.weight, combined)
            combined = functional.relu(combined, is_inplace)
        colors: Tensor = (self.color.weight @ combined).unflatten(1, (-1, len(coordinates)))
        return colors

    def frames(
        self, latents: Tensor, condition: Tensor | None = None, state: Tensor | None = None
    ) -> Tensor:
        return floats_to_frames(self(latents, condition, state))

    def reconstruction_loss(
        self, latents: Tensor, condition: Tensor, real: Tensor, state: Tensor | None = None
    ) -> Tensor:
        """Return the mean absolute difference, less 2 levels, at 128 pixels of each frame in the
        window, three quarters of them close to what differs from the background, plus that at 256
        pixels outside, which are the same in all frames.
        """
        moment = self._moment(with_condition(latents, condition), state)
        if not len(self.fields):
            return moment.planes.sum() * 0 + moment.inputs.sum() * 0
        loss = self._loss_near(moment, real)
        if moment.corners is None or not self._draws_fields:
            return loss
        return loss + self._loss_outside(moment, moment.corners, real)

    @torch.no_grad()
    def _near_pixels(self, real: Tensor, corners: Tensor | None) -> Tensor:
        """Draw the pixels of images (B, C, H, W) that are compared near origins, int64 (B, M)."""
        if corners is None or self.window.is_everywhere:
            pixels = self.fields.numbers.expand(len(real), -1)
        else:
            pixels = self.window.pixels(corners)
        numbers = pixels.clamp(max=self.height * self.width - 1)
        apart = values_at(real, numbers) - self.fields.background[numbers]
        return draw_pixels(
            apart.abs().amax(2) > _VISIBLE, pixels, (self.height, self.width), _NUM_NEAR
        )

    def _loss_near(self, moment: _Moment, real: Tensor) -> Tensor:
        """Return the loss at pixels near the origin."""
        pixels = self._near_pixels(real, moment.corners)
        with torch.set_grad_enabled(self.window.is_everywhere):  # else these learn outside
            behind, fields = self._behind(pixels, moment)
        coordinates = functional.embedding(pixels, self.fields.coordinates)
        heights = coordinates @ moment.planes[:, :, 1:].transpose(1, 2)
        heights = heights + moment.planes[:, None, :, 0]
        combined = functional.relu(heights)
        if fields is not None:
            combined = torch.cat([combined, fields.clamp(max=1)], dim=2)
        first, *others = self._layers()
        weight = first.weight[:, : combined.shape[2]]
        combined = functional.relu(functional.linear(combined, weight, first.bias))
        for layer in others:
            combined = functional.relu(layer(combined))
        colors = behind + self.color(combined)
        numbers = pixels.clamp(max=self.height * self.width - 1)
        wanted = values_at(real, numbers)
        counts = self.fields.varies[pixels]
        if moment.corners is not None and not self.window.is_everywhere:
            counts &= self.window.contains(moment.corners, pixels)
        return (visible_errors(colors, wanted) * counts[:, :, None]).mean()

    def _loss_outside(self, moment: _Moment, corners: Tensor, real: Tensor) -> Tensor:
        """Return the loss of the fields alone at pixels outside of the windows."""
        chosen = torch.randint(len(self.fields), (_NUM_OUTSIDE,), device=real.device)
        numbers = self.fields.numbers[chosen]
        colors = self._with_horizon(self.fields.colors[numbers], self._fields_at(numbers, moment))
        wanted = real.flatten(2)[:, :, numbers].transpose(1, 2)
        is_outside = ~self.window.contains(corners, numbers)
        return (visible_errors(colors, wanted) * is_outside[:, :, None]).mean()


def _heights(planes: Tensor, coordinates: Tensor) -> Tensor:
    """Return the heights of half-planes (B, planes, 3) at coordinates (2, R), (planes, B, R)."""
    by_plane = planes.transpose(0, 1)
    return torch.baddbmm(
        by_plane[:, :, :1], by_plane[:, :, 1:], coordinates.expand(by_plane.shape[0], -1, -1)
    )
