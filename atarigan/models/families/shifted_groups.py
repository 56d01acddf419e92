"""Images that change their shape and are placed at positions read from two bytes of a state."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.models.families.picture_layers import Layer, draw_layers
from atarigan.models.families.window_taps import WindowTaps
from atarigan.models.search.positions import (
    DECODINGS,
    MAX_TABLES,
    NO_BYTE,
    MovingGroup,
    PositionByte,
    PositionTable,
)
from atarigan.models.sized_by_data import SizedByData

RANK = 8
CODE_SIZE = 64
_NUM_CONSTANT = 3  # products that begin with a constant factor, on either side
MAX_GROUPS = 32
MAX_GRID = 4096
_FIELDS = 8
_CONSTANT_SCALE = 0.1
_MIN_PEAK = 0.05  # of a picture
_INITIAL_OPACITY = 0.9
_PARAMETERS = ("codes", "weight", "bias", "slope", "opacity")


class ShiftedGroups(SizedByData):
    """Draws, for each group, a picture Σ_q rows_q columns_qᵀ of its window, resized from the grid
    to the frame's size and shifted to the position read from the group's bytes.

    Groups are drawn from back to front (`draw_layers`). A pixel's opacity is
    min(|picture| · slope, opacity).

    Both factors of a product are linear in the group's code, a few numbers that are linear in the
    features. In most products one of the two begins constant, and the picture linear: products of
    two changing factors are harder to learn.

    A row or column of a frame is covered by few of the grid's lines or columns, so resizing and
    shifting together are a gather of a few weighted taps, which depend on a byte's value only.

    Attributes:
        grid: lines and columns that positions count in, int64 (2,).
        groups: a row for each group, int64 (groups, 8): byte and decoding of its rows, byte and
            decoding of its columns, top, height, left, width of its window.
        table_axes, tables: axis and positions of each learned decoding, int64 (tables,) and int16
            (tables, 256).
        scores: share of the motion and consistency of each group when it was found, float (groups,
            2).
        codes: features to codes, float (groups * CODE_SIZE, features).
        slope: opacity for each unit of a group's |picture|, at least 0, float (groups,).
        opacity: the most that a group has, clamped to 0 to 1, float (groups,); exactly 0 for a
            group that covers nothing.
        figures: number of each group's figure; groups that the same bytes move are parts of one.
        weight, bias: a group's code to its profiles, float (lines * rank, CODE_SIZE) and (lines *
            rank,); the rows of a group's window come before its columns, and groups follow one
            another.
    """

    grid: Tensor
    groups: Tensor
    table_axes: Tensor
    tables: Tensor
    scores: Tensor

    def __init__(self, num_features: int, height: int, width: int, num_bytes: int) -> None:
        super().__init__()
        self.num_features, self.size, self.num_bytes = num_features, (height, width), num_bytes
        self.register_buffer("grid", torch.tensor([height, width]))
        self.register_buffer("groups", torch.zeros(0, _FIELDS, dtype=torch.int64))
        self.register_buffer("table_axes", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("tables", torch.zeros(0, 256, dtype=torch.int16))
        self.register_buffer("scores", torch.zeros(0, 2))
        self.codes = nn.Parameter(torch.zeros(0, num_features))
        self.weight = nn.Parameter(torch.zeros(0, CODE_SIZE))
        self.bias = nn.Parameter(torch.zeros(0))
        self.slope = nn.Parameter(torch.zeros(0))
        self.opacity = nn.Parameter(torch.zeros(0))
        for name in ("taps", "address", "first_entry", "entry_step"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64), persistent=False)
        self.register_buffer("tap_weights", torch.zeros(0, 1), persistent=False)
        self.register_buffer("pixels", torch.zeros(0, dtype=torch.int64), persistent=False)
        self._sizes: list[int] = []
        self._num_profiles: list[int] = []
        self._covers: list[bool] = []
        self.figures: list[int] = []

    def __len__(self) -> int:
        return len(self.groups)

    def set_grid_and_tables(self, grid: tuple[int, int], tables: Sequence[PositionTable]) -> None:
        """Take over the grid and the tables that the positions of groups refer to."""
        device = self.groups.device
        self.grid.copy_(torch.tensor(grid))
        positions = np.array([each.positions for each in tables], np.int16).reshape(-1, 256)
        self.tables = torch.from_numpy(positions).to(device)
        axes = torch.tensor([each.axis for each in tables], dtype=torch.int64)
        self.table_axes = axes.to(device)

    def position_tables(self) -> list[PositionTable]:
        """Return the tables that the positions of groups may refer to."""
        positions = self.tables.cpu().numpy().astype(np.int64)
        return [
            PositionTable(*each) for each in zip(self.table_axes.tolist(), positions, strict=True)
        ]

    @torch.no_grad()
    def append(self, groups: Sequence[MovingGroup], num_latents: int) -> None:
        """Add groups in front, which cover nothing. Their profiles begin at the singular vectors of
        the groups' mean patches, and hardly depend on features yet.

        Args:
            groups: of a search on `grid`.
            num_latents: features at the beginning that must not have an influence at first.
        """
        device = self.groups.device
        for group in groups[: MAX_GROUPS - len(self)]:
            fields = [*group.row, *group.column, group.top, group.height, group.left, group.width]
            scores = torch.tensor([[group.share, group.consistency]], device=device)
            self.groups = torch.cat([self.groups, torch.tensor([fields], device=device)])
            self.scores = torch.cat([self.scores, scores])
            bound = (3 / self.num_features) ** 0.5  # codes begin about as large as features
            codes = torch.empty(CODE_SIZE, self.num_features).uniform_(-bound, bound)
            codes[:, :num_latents] = 0
            weight, bias = _initial_profiles(group.patch)
            slope = 1 / torch.tensor([np.abs(group.patch).max()]).float().clamp(min=_MIN_PEAK)
            further = codes, weight, bias, slope, torch.zeros(1)
            for name, more in zip(_PARAMETERS, further, strict=True):
                parameter: nn.Parameter = getattr(self, name)
                parameter.data = torch.cat([parameter.data, more.to(device)])
                parameter.grad = None
        self._derive()

    def keep(self, parts: Sequence[tuple[slice, slice] | None]) -> None:
        """Keep these lines and columns of each group's window; None drops the group."""
        numbers = zip(range(len(self)), parts, strict=True)
        self._select((number, part) for number, part in numbers if part is not None)

    @torch.no_grad()
    def reorder(self, figures: Sequence[int], covers: Sequence[bool]) -> None:
        """Draw figures of these numbers from back to front.

        Args:
            figures: numbers of all figures, in their new order.
            covers: whether each one, in its present order, covers what is behind it.
        """
        is_covering = torch.tensor([covers[figure] for figure in self.figures], dtype=torch.bool)
        started = self.opacity.where(self.opacity > 0, _INITIAL_OPACITY)
        self.opacity.data = started.where(is_covering.to(self.opacity.device), 0.0)
        parts = sorted(range(len(self)), key=lambda number: figures.index(self.figures[number]))
        self._select((number, (slice(None), slice(None))) for number in parts)

    @torch.no_grad()
    def _select(self, parts: Iterable[tuple[int, tuple[slice, slice]]]) -> None:
        """Keep these groups, in this order, with these parts of their windows."""
        known, grid = self.groups.tolist(), self.grid.tolist()
        firsts = list(accumulate((each[5] + each[7] for each in known), initial=0))
        numbers, lines, groups = [], [], []
        for number, part in parts:
            fields, first = known[number], firsts[number]
            down, across = range(fields[5])[part[0]], range(fields[7])[part[1]]
            lines += [first + line for line in (*down, *(fields[5] + each for each in across))]
            groups.append(_part(fields, down, across, grid))
            numbers.append(number)
        device = self.groups.device
        selected, of_lines = (
            torch.tensor(each, dtype=torch.int64, device=device) for each in (numbers, lines)
        )
        self.scores = self.scores[selected]
        self.groups = torch.tensor(groups, dtype=torch.int64, device=device).view(-1, _FIELDS)
        sizes = (
            (self.codes, CODE_SIZE, selected),
            (self.weight, RANK, of_lines),
            (self.bias, RANK, of_lines),
            (self.slope, 1, selected),
            (self.opacity, 1, selected),
        )
        for parameter, size, which in sizes:
            split = parameter.data.unflatten(0, (-1, size))
            parameter.data = split[which].flatten(0, 1).contiguous()
            parameter.grad = None
        self._derive()

    def found(self) -> list[MovingGroup]:
        """Return the groups, each with its present mean picture: that of features zero."""
        groups, first = [], 0
        profiles = self.bias.detach().view(-1, RANK).cpu()
        for fields, (share, consistency) in zip(
            self.groups.tolist(), self.scores.tolist(), strict=True
        ):
            _, _, _, _, top, height, left, width = fields
            rows, columns = profiles[first : first + height + width].split((height, width))
            patch = rows @ columns.T
            pair = PositionByte(*fields[:2]), PositionByte(*fields[2:4])
            seen = share, consistency, patch.double().numpy()
            groups.append(MovingGroup(*pair, top, height, left, width, *seen))
            first += height + width
        return groups

    def pictures(self, features: Tensor) -> Iterator[Tensor]:
        """Yield each group's picture of features (B, F) in its window, (B, lines, columns)."""
        if not self._sizes:
            return
        profiles = self._profiles(features)
        first = 0
        for fields in self.groups.tolist():
            height, width = fields[5], fields[7]
            lines = profiles.unflatten(1, (-1, RANK))[:, first : first + height + width]
            rows, columns = lines.split((height, width), 1)
            yield rows @ columns.transpose(1, 2)
            first += height + width

    def forward(self, images: Tensor, features: Tensor, state: Tensor) -> Tensor:
        """Draw all groups of features (B, F) and states uint8 (B, bytes) into images (B, H * W) in
        place; return these.
        """
        return draw_layers(images, self.layers(features, state), any(self._covers))

    def layers(self, features: Tensor, state: Tensor) -> Iterator[Layer]:
        """Yield the picture of each group of features (B, F) and states uint8 (B, bytes), from back
        to front.
        """
        if not self._sizes:
            return
        batch = features.shape[0]  # len() would fix the batch size in an export
        profiles = self._profiles(features).view(-1, RANK)
        values = state.index_select(1, self.address).long()
        entries = torch.addcmul(self.first_entry, values, self.entry_step).flatten()
        numbers = torch.arange(batch, dtype=torch.int32, device=features.device)[:, None]
        placed = self._resized(profiles, entries, numbers).view(batch, -1, RANK)
        pixels = self.pixels.index_select(0, entries).view(batch, -1)
        profile_parts, pixel_parts = placed.split(self._sizes, 1), pixels.split(self._sizes, 1)
        limits = zip(
            self.slope.clamp(min=0).unbind(), self.opacity.clamp(0, 1).unbind(), strict=True
        )
        for number, (covers, both) in enumerate(zip(self._covers, limits, strict=True)):
            rows, columns = profile_parts[2 * number : 2 * number + 2]
            picture = torch.bmm(rows, columns.transpose(1, 2)).float().flatten(1)
            lines, across = pixel_parts[2 * number : 2 * number + 2]
            places = (lines.unsqueeze(2) + across.unsqueeze(1)).flatten(1)
            yield Layer(self.figures[number], places, picture, *(both if covers else ()))

    def _profiles(self, features: Tensor) -> Tensor:
        """Profiles of all groups, float32 (B, lines * rank), of features (B, F)."""
        codes = functional.linear(features, self.codes).split(CODE_SIZE, 1)
        of_groups = zip(
            codes,
            self.weight.split(self._num_profiles),
            self.bias.split(self._num_profiles),
            strict=True,
        )
        return torch.cat([functional.linear(*group) for group in of_groups], 1).float()

    def _resized(self, profiles: Tensor, entries: Tensor, numbers: Tensor) -> Tensor:
        """Sum the taps of each frame line, (B * frame lines, rank), from profiles (B * lines, rank)
        of frames that have these numbers (B, 1).
        """
        starts = numbers * (len(self.weight) // RANK)
        taps = self.taps.index_select(0, entries).view(numbers.shape[0], -1) + starts
        weights = self.tap_weights.index_select(0, entries)
        if torch.is_grad_enabled() or torch.compiler.is_exporting():
            picked = profiles.index_select(0, taps.flatten().long()).view(*weights.shape, RANK)
            resized = (picked * weights.unsqueeze(2)).sum(1)
        else:  # five times faster, but its gradient is slower
            resized = functional.embedding_bag(
                taps.view(weights.shape), profiles, mode="sum", per_sample_weights=weights
            )
        return resized

    def _later_than(self, stored: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The first files have no learned decodings, and their groups cover nothing."""
        if "groups" not in stored:
            return {}
        nothing = torch.zeros(len(stored["groups"]))
        tables = {"table_axes": self.table_axes[:0], "tables": self.tables[:0]}
        return {"slope": nothing, "opacity": nothing, **tables}

    def _check(self) -> None:
        self._expect("grid", (2,), range(1, MAX_GRID + 1))
        num = len(self.groups)
        if num > MAX_GROUPS:
            raise ValueError(f"there must be at most {MAX_GROUPS} groups, not {num}")
        self._expect("groups", (num, _FIELDS), range(NO_BYTE, MAX_GRID + 1))
        self._expect("scores", (num, 2))
        num_tables = len(self.table_axes)
        if num_tables > MAX_TABLES:
            raise ValueError(f"there must be at most {MAX_TABLES} tables, not {num_tables}")
        self._expect("table_axes", (num_tables,), range(2))
        self._expect("tables", (num_tables, 256), range(MAX_GRID))
        grid = self.grid.tolist()
        for fields in self.groups.tolist():
            for axis, (byte, decoding, first, length) in enumerate(_by_axis(fields)):
                if not (
                    NO_BYTE <= byte < self.num_bytes
                    and 0 <= decoding < len(DECODINGS) + num_tables
                    and 0 <= first < grid[axis]
                    and 1 <= length <= grid[axis]
                ):
                    raise ValueError(f"groups must fit the grid and the state, not {fields}")
        num_lines = int(self.groups[:, [5, 7]].sum())
        self._expect("codes", (num * CODE_SIZE, self.num_features))
        self._expect("weight", (num_lines * RANK, CODE_SIZE))
        self._expect("bias", (num_lines * RANK,))
        self._expect("slope", (num,))
        self._expect("opacity", (num,))

    def _derive(self) -> None:
        """Compute the tables of taps: an entry for each line of a group's picture and each value of
        the byte that moves it.
        """
        grid, learned, tables, lines = self.grid.tolist(), self.position_tables(), [], []
        num_entries = num_inputs = 0
        self._sizes = []
        self._covers = (self.opacity != 0).tolist()
        moved_by = [tuple(fields[:4]) for fields in self.groups.tolist()]
        numbers = {each: number for number, each in enumerate(dict.fromkeys(moved_by))}
        self.figures = [numbers[each] for each in moved_by]
        self._num_profiles = (RANK * self.groups[:, [5, 7]].sum(1)).tolist()
        num_taps = max(-(-each // size) for each, size in zip(grid, self.size, strict=True)) + 1
        for fields in self.groups.tolist():
            for axis, (byte, decoding, first, length) in enumerate(_by_axis(fields)):
                position = PositionByte(byte, decoding)
                positions = position.positions(learned)[: 256 if position.moves else 1]
                table = WindowTaps(positions, first, length, grid[axis], self.size[axis], num_taps)
                count = table.pixels.shape[1]
                stride = 1 if axis else self.size[1]
                tables.append((table.taps + num_inputs, table.weights, table.pixels * stride))
                step = count if position.moves else 0
                lines += [(max(byte, 0), num_entries + line, step) for line in range(count)]
                num_entries += table.pixels.size
                num_inputs += length
                self._sizes.append(count)
        if not tables:
            return
        device = self.groups.device
        taps, weights, pixels = zip(*tables, strict=True)
        used = max(int(each.any((0, 1)).nonzero()[0].max(initial=0)) for each in weights) + 1
        self.taps = _joined(
            (each.reshape(-1, num_taps)[:, :used] for each in taps), device, np.int32
        )
        self.tap_weights = _joined(
            (each.reshape(-1, num_taps)[:, :used] for each in weights), device, np.float32
        )
        self.pixels = _joined((each.ravel() for each in pixels), device)
        address, first_entry, step = np.array(lines, np.int64).T
        self.address = _joined([address], device)
        self.first_entry = _joined([first_entry], device)
        self.entry_step = _joined([step], device)


def _by_axis(fields: Sequence[int]) -> Iterable[tuple[int, int, int, int]]:
    """Byte, decoding, first line and length of a group's rows, then of its columns."""
    row_byte, row_decoding, column_byte, column_decoding, top, height, left, width = fields
    yield row_byte, row_decoding, top, height
    yield column_byte, column_decoding, left, width


def _part(fields: Sequence[int], lines: range, columns: range, grid: Sequence[int]) -> list[int]:
    """The fields of a group of which these lines and columns of the window are left."""
    top, left = (fields[4] + lines.start) % grid[0], (fields[6] + columns.start) % grid[1]
    return [*fields[:4], top, len(lines), left, len(columns)]


def _initial_profiles(patch: npt.NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Return a weight (lines * rank, CODE_SIZE) and a bias (lines * rank,) whose products are about
    the patch for any code.
    """
    left, values, right = np.linalg.svd(patch, full_matrices=False)
    height, num_lines = len(patch), sum(patch.shape)
    weight = torch.empty(num_lines, RANK, CODE_SIZE)
    nn.init.uniform_(weight, -(CODE_SIZE**-0.5), CODE_SIZE**-0.5)
    weight[:height, RANK - 2 * _NUM_CONSTANT : RANK - _NUM_CONSTANT] = 0
    weight[height:, RANK - _NUM_CONSTANT :] = 0
    count = min(RANK - 2 * _NUM_CONSTANT, len(values))
    roots = np.sqrt(values[:count])
    factors = np.concatenate([left[:, :count] * roots, right[:count].T * roots])
    bias = torch.zeros(num_lines, RANK)
    bias[:, :count] = torch.from_numpy(factors).float()
    constant = _CONSTANT_SCALE * torch.randn(num_lines, _NUM_CONSTANT)
    bias[:height, RANK - 2 * _NUM_CONSTANT : RANK - _NUM_CONSTANT] = constant[:height]
    bias[height:, RANK - _NUM_CONSTANT :] = constant[height:]
    return weight.flatten(0, 1), bias.flatten()


def _joined(
    parts: Iterable[npt.NDArray[Any]], device: torch.device, dtype: type = np.int64
) -> Tensor:
    return torch.from_numpy(np.concatenate(list(parts)).astype(dtype)).to(device)
