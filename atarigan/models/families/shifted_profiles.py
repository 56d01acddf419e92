"""A background, products of profiles, and images placed at positions read from any game's RAM.

Where a figure is and which shape it has come from different bytes of a state, and a sum over bytes
cannot multiply the two. But a place is a shift, and a shift by a byte is a gather. So a search
finds the bytes that move things (`models/search/position_search.py`), and the network learns shapes
in coordinates that move with them. What is shown of a figure, and whether it is shown at all, often
follows from several bytes together, so a hidden layer reads them first. Everything else is as in
`profiles`.
"""

import dataclasses
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from atarigan.images.pixels import frames_to_floats
from atarigan.images.subset import evenly_spaced
from atarigan.models.families.depth_order import DepthVotes
from atarigan.models.families.group_trimming import GroupUse
from atarigan.models.families.network import (
    NETWORKS,
    Generator,
    NetworkShape,
    with_condition,
)
from atarigan.models.families.pixel_terms import PixelTerms
from atarigan.models.families.profiles import ProfilesFamily, ProfilesGenerator
from atarigan.models.families.recolored_regions import RecoloredRegions
from atarigan.models.families.shifted_groups import MAX_GROUPS, ShiftedGroups
from atarigan.models.search.landscapes import Motion, find_figures
from atarigan.models.search.pixel_search import find_pixels
from atarigan.models.search.points import MEDIUM, PointVotes
from atarigan.models.search.position_search import SearchLimits, find_grid, find_groups
from atarigan.models.search.position_tables import find_tables
from atarigan.models.search.positions import CONSOLE_GRIDS, FoundGroups, MovingGroup
from atarigan.models.search.region_search import find_regions
from atarigan.models.search.small_objects import find_small_groups
from atarigan.models.state.ram_encoder import EncoderSettings

STATIC_RANK = 12
MIXING_WIDTH = 512
_NUM_SEARCHED = 2000
_MAX_SEARCHED = 6000
_MAX_PIXELS = 6000 * 84 * 84
_CHUNK = 256
_TALLEST = 40
_SMALL = 6 / 127.5  # differences below it do not count as missing
_MAX_MEDIANS = 4.0
_EXTENSION_FRACTIONS = (0.2, 0.6)
_LEAST_CELL_GAIN = 0.00005  # of squared error, in each cell of a group's window
_LAST_CELL_GAIN = 0.0002  # at the last extension
_EXTENSION_LIMITS = SearchLimits(
    num_steps=6, most_groups=4, least_share=0.02, most_area=0.08, margins=(3, 3)
)


@NETWORKS.register("shifted_profiles")
class ShiftedProfilesFamily(ProfilesFamily):
    """Profiles, and images placed at positions read from RAM; for states of any game."""

    encoder_settings = EncoderSettings(
        num_features=128, value_scale=0.004, bit_scale=0.02, value_decay=5.0, rare_share=0.002
    )

    def generator(self, shape: NetworkShape) -> Generator:
        return ShiftedProfilesGenerator(shape, shape.image_shape("shifted_profiles"))


class ShiftedProfilesGenerator(ProfilesGenerator):
    """Inputs and states to images (B, C, H, W) in [-1, 1].

    The position of each pixel on the line of colors is the one of `ProfilesGenerator` plus
    `ShiftedGroups`; pixels that few fields of the state determine follow from `PixelTerms`.
    All this is as if the background never changed its color; `RecoloredRegions` recolors it at the
    end. Without states, none of these apply.
    """

    extensions: Tensor

    def __init__(self, shape: NetworkShape, image_shape: tuple[int, int, int]) -> None:
        super().__init__(shape, image_shape, STATIC_RANK)
        self.latent_size = shape.latent_size
        self.takes_state = shape.state_size > 0
        self.extension_fractions = _EXTENSION_FRACTIONS if self.takes_state else ()
        num_channels, height, width = image_shape
        self.regions = RecoloredRegions(height * width, num_channels, shape.state_size)
        screen = shape.screen_size
        self._grids = (screen,) if screen else (*CONSOLE_GRIDS, (height, width))
        num_features = shape.condition_size or 1  # torch warns of layers without inputs
        self.terms = PixelTerms(height, width, shape.state_size, num_features)
        self.groups = ShiftedGroups(shape.input_size, height, width, shape.state_size)
        if self.takes_state:
            self.mix = _mixing(shape.condition_size, shape.generator_width or MIXING_WIDTH)
        self.register_buffer("extensions", torch.zeros((), dtype=torch.int64))

    @property
    def num_extensions(self) -> int:
        return int(self.extensions)

    @torch.no_grad()
    def fit(self, samples: Tensor, conditions: Tensor | None = None) -> None:
        """Find palettes and background, regions that change their color together, pixels that few
        fields of the state determine, and the bytes that move things elsewhere.
        """
        if conditions is None or not self.takes_state:
            super().fit(samples)
            return
        self.regions.fit(find_regions(samples.numpy(), conditions.numpy()))
        samples = self._plain(samples, conditions)
        super().fit(samples)
        num = min(_MAX_SEARCHED, _MAX_PIXELS // self.background[0].numel())
        motion, states = self._motion(samples, conditions, num)
        pixels = find_pixels(motion, states)
        self.terms.fit(pixels, self.background[0])
        motion.view(len(motion), -1)[:, pixels.pixels[pixels.is_determined]] = 0.0
        few = torch.from_numpy(evenly_spaced(len(motion), _NUM_SEARCHED))
        parts = Motion.of(motion[few])
        grid = find_grid(parts.searched, states[few], self._grids)
        votes = PointVotes(motion, states, grid)
        tables = find_tables(votes)
        groups = find_figures(parts, states[few], grid, tables)
        small = find_small_groups(votes, groups)
        medium = PointVotes(motion, states, grid, tables, MEDIUM)
        groups += find_small_groups(medium, [*groups, *small])
        self.groups.set_grid_and_tables(grid, tables)
        self._add(groups, small)
        features = motion.new_zeros(len(few), self.groups.num_features)
        self._order(_chunks(parts.whole.flatten(1), features, states[few]))

    def observe(self, parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        super().observe((self._plain(*part), part[1]) for part in parts)

    def _plain(self, frames: Tensor, states: Tensor | None) -> Tensor:
        """Frames or images whose regions have their usual colors."""
        if states is None or not len(self.regions):
            return frames
        chunks = zip(frames.split(_CHUNK), states.split(_CHUNK), strict=True)
        return torch.cat([self.regions.plain(*chunk) for chunk in chunks])

    def _motion(self, samples: Tensor, conditions: Tensor, num: int) -> tuple[Tensor, Tensor]:
        """Evenly spaced samples minus the background, and their conditions."""
        picked = torch.from_numpy(evenly_spaced(len(samples), num))
        return self.colors.positions_of(samples[picked]) - self.background, conditions[picked]

    @torch.no_grad()
    def extend(self, samples: Tensor, latents: Tensor, *inputs: Tensor) -> None:
        """Leave out groups and parts of windows that draw nothing, and, except for the last time,
        search again in what is not drawn yet.
        """
        self.extensions += 1
        num_pixels = self.background.numel()
        use = GroupUse(
            self.groups,
            self.terms.drawn_over,
            lambda positions, real: self.colors.frame_errors(positions, real) * num_pixels,
        )
        missing, moved = [], []
        for frames, of_latents, features, state in _chunks(samples, latents, *inputs):
            frames = self.regions.plain(frames, state)
            together = with_condition(of_latents, features)
            real, drawn = self.colors.positions_of(frames), self.positions(together, state)
            mixed = self.mixed(together)
            use.add(drawn, frames_to_floats(frames), mixed, state)
            lacking = real - drawn
            missing.append(lacking.masked_fill(lacking.abs() < _SMALL, 0.0).cpu())
            moved.append((real.flatten(1) - self.products(mixed), mixed, state))
        is_last = self.num_extensions == len(self.extension_fractions)
        self.groups.keep(use.parts(_LAST_CELL_GAIN if is_last else _LEAST_CELL_GAIN))
        if not is_last:
            self._add(*self.found_in(torch.cat(missing), inputs[1].cpu()))
        self._order(moved)

    def found_in(
        self, missing: Tensor, states: Tensor
    ) -> tuple[list[MovingGroup], list[MovingGroup]]:
        """Search groups, and small ones, in what is not drawn yet, float (N, H, W), of states uint8
        (N, bytes). A landscape is drawn by then, and figures in front of it are rare points.
        """
        grid, known, _, tables = self.moving_groups()
        small = find_small_groups(PointVotes(missing, states, grid, tables), known)
        groups = find_groups(missing, states, grid, tables, _EXTENSION_LIMITS)
        medium = PointVotes(missing, states, grid, tables, MEDIUM)
        return groups + find_small_groups(medium, [*known, *groups, *small]), small

    def _order(self, parts: Iterable[tuple[Tensor, ...]]) -> None:
        """Find which figures are in front of which.

        Args:
            parts: frames minus what is drawn behind groups, (B, H * W); features, and states.
        """
        votes = DepthVotes(len(set(self.groups.figures)), self.terms.pixels)
        for motion, features, state in parts:
            votes.add(self.groups.layers(features, state), motion)
        self.groups.reorder(votes.back_to_front(), votes.covers())

    def _add(self, groups: Iterable[MovingGroup], small: Iterable[MovingGroup]) -> None:
        """Add groups, as many as leave room for the small ones."""
        lines, columns = self.groups.grid.tolist()
        slabs, small_slabs = (
            [slab for group in each for slab in _slabs(group, (lines, columns))]
            for each in (groups, small)
        )
        room = max(0, MAX_GROUPS - len(self.groups) - len(small_slabs))
        self.groups.append(slabs[:room] + small_slabs, self.latent_size)

    def reconstruction_loss(
        self, latents: Tensor, condition: Tensor, real: Tensor, state: Tensor | None = None
    ) -> Tensor:
        """Return the mean of `PixelPalettes.frame_errors`, where a frame counts at most as much as
        a few median ones, or as the mean one where that is more: one that changes as a whole, such
        as a title, is not worth thousands of balls.
        """
        positions = self.positions(with_condition(latents, condition), state)
        errors = self.colors.frame_errors(positions, self._plain(real, state))
        known = errors.detach()
        most = torch.maximum(_MAX_MEDIANS * known.median(), known.mean())
        weights = (most / known.clamp(min=1e-9)).clamp(max=1.0)
        return (errors * weights).mean()

    def forward(
        self, latents: Tensor, condition: Tensor | None = None, state: Tensor | None = None
    ) -> Tensor:
        images = super().forward(latents, condition, state)
        return images if state is None else self.regions.recolored(images, state)

    def frames(
        self, latents: Tensor, condition: Tensor | None = None, state: Tensor | None = None
    ) -> Tensor:
        frames = super().frames(latents, condition, state)
        return frames if state is None else self.regions.recolored(frames, state)

    def mixed(self, inputs: Tensor) -> Tensor:
        if not self.takes_state:
            return super().mixed(inputs)
        latents, features = inputs.tensor_split((self.latent_size,), 1)
        return torch.cat([latents, super().mixed(features)], 1)

    def positions(self, inputs: Tensor, state: Tensor | None = None) -> Tensor:
        features = self.mixed(inputs)
        drawn = self.products(features)
        if state is not None:
            of_state = features[:, self.latent_size :]
            drawn = self.terms(self.groups(drawn, features, state), of_state, state)
        return drawn.view(-1, *self.background.shape[1:])

    def moving_groups(self) -> FoundGroups:
        lines, columns = self.groups.grid.tolist()
        tables = self.groups.position_tables()
        return FoundGroups((lines, columns), self.groups.found(), self.regions.found(), tables)


def _chunks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(each.split(_CHUNK) for each in tensors), strict=True)


def _mixing(num_features: int, width: int) -> nn.Sequential:
    """A hidden layer that adds nothing to features at first."""
    layers = nn.LayerNorm(num_features), nn.Linear(num_features, width), nn.GELU()
    last = nn.Linear(width, num_features)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def _slabs(group: MovingGroup, grid: tuple[int, int]) -> Iterator[MovingGroup]:
    """Cut a tall window into equal slabs: few products draw a picture whose lines are alike, but
    not rows of enemies of which others are there in every row.
    """
    num = -(-group.height // _TALLEST)
    for number in range(num):
        first, end = (group.height * each // num for each in (number, number + 1))
        yield dataclasses.replace(
            group,
            top=(group.top + first) % grid[0],
            height=end - first,
            share=group.share / num,
            patch=group.patch[first:end],
        )
