"""Pictures that change their shape and are placed where two bytes of a state say."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.positions import DECODERS, NO_BYTE, MovingGroup, Shift, shifts_of

JOINT_RANK = 3
FREE_RANK = 4
MOST_GROUPS = 32
MOST_GRID = 4096
_FIELDS = 8
_FREE_SCALE = 0.1


class ShiftedGroups(SizedByData):
    """Adds to images, for each group, a picture Σ_q rows_q columns_qᵀ of its window, resized from
    the grid to the frame's size and shifted to where the group's bytes say.

    Of the products of a group, `JOINT_RANK` have both factors linear in the features, and twice
    `FREE_RANK` have one factor that is and one that is the same for all states. A row or column of
    a frame is covered by few of the grid's lines or columns, so resizing and shifting together are
    a gather of a few weighted taps, which depend on a byte's value only.

    Attributes:
        grid: lines and columns that positions count in, int64 (2,).
        groups: a row for each group, int64 (groups, 8): byte and decoder of its rows, byte and
            decoder of its columns, top, height, left, width of its window.
        scores: share of the motion and consistency of each group when it was found, float (groups,
            2).
        weight, bias: features to the profiles, float ((rows) * (joint + free), features); the rows
            of a group's window come before its columns, and groups follow one another.
        free: the factors that are the same for all states, float (rows * free,).
    """

    grid: Tensor
    groups: Tensor
    scores: Tensor

    def __init__(self, num_features: int, height: int, width: int, num_bytes: int) -> None:
        super().__init__()
        self.num_features, self.size, self.num_bytes = num_features, (height, width), num_bytes
        self.register_buffer("grid", torch.tensor([height, width]))
        self.register_buffer("groups", torch.zeros(0, _FIELDS, dtype=torch.int64))
        self.register_buffer("scores", torch.zeros(0, 2))
        self.weight = nn.Parameter(torch.zeros(0, num_features))
        self.bias = nn.Parameter(torch.zeros(0))
        self.free = nn.Parameter(torch.zeros(0))
        for name in ("taps", "address", "first_entry", "entry_step"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64), persistent=False)
        self.register_buffer("tap_weights", torch.zeros(0, 1), persistent=False)
        self.register_buffer("pixels", torch.zeros(0, dtype=torch.int64), persistent=False)
        self._parts: list[tuple[int, int, int]] = []

    def __len__(self) -> int:
        return len(self.groups)

    @torch.no_grad()
    def append(self, groups: Sequence[MovingGroup], num_latents: int) -> None:
        """Add groups. Their profiles begin at the singular vectors of the groups' mean patches, and
        hardly depend on features yet.

        Args:
            groups: of a search on `grid`.
            num_latents: features at the beginning that must not have an influence at first.
        """
        device = self.groups.device
        for group in groups[: MOST_GROUPS - len(self)]:
            fields = [*group.row, *group.column, group.top, group.height, group.left, group.width]
            scores = torch.tensor([[group.share, group.consistency]], device=device)
            self.groups = torch.cat([self.groups, torch.tensor([fields], device=device)])
            self.scores = torch.cat([self.scores, scores])
            num_lines = group.height + group.width
            bias, free = _initial_profiles(group.patch)
            weight = torch.empty(num_lines * (JOINT_RANK + FREE_RANK), self.num_features)
            nn.init.uniform_(weight, -(self.num_features**-0.5), self.num_features**-0.5)
            weight[:, :num_latents] = 0
            for name, more in (("weight", weight), ("bias", bias), ("free", free)):
                parameter: nn.Parameter = getattr(self, name)
                parameter.data = torch.cat([parameter.data, more.to(device)])
                parameter.grad = None
        self._derive()

    def found(self) -> list[MovingGroup]:
        """Return the groups, each with its present mean picture: that of features zero."""
        groups, first = [], 0
        profiles = self.bias.detach().view(-1, JOINT_RANK + FREE_RANK).cpu()
        free = self.free.detach().view(-1, FREE_RANK).cpu()
        for fields, (share, consistency) in zip(
            self.groups.tolist(), self.scores.tolist(), strict=True
        ):
            _, _, _, _, top, height, left, width = fields
            lines = slice(first, first + height), slice(first + height, first + height + width)
            (joint, linear), (others, columns) = (
                profiles[each].split((JOINT_RANK, FREE_RANK), 1) for each in lines
            )
            patch = joint @ others.T + linear @ free[lines[1]].T + free[lines[0]] @ columns.T
            row, column = Shift(*fields[:2]), Shift(*fields[2:4])
            window = (top, height, left, width)
            groups.append(
                MovingGroup(row, column, *window, share, consistency, patch.double().numpy())
            )
            first += height + width
        return groups

    def forward(self, images: Tensor, features: Tensor, state: Tensor) -> Tensor:
        """Return images (B, H, W) with all groups of features (B, F) and states uint8 (B, bytes)
        added.
        """
        if not self._parts:
            return images
        batch = len(images)
        profiles = functional.linear(features, self.weight, self.bias).float()
        num_lines = len(self.free) // FREE_RANK
        free = self.free.view(1, num_lines, FREE_RANK).expand(batch, -1, -1)
        profiles = torch.cat([profiles.view(batch, num_lines, -1), free], 2)
        values = state.index_select(1, self.address).long()
        entries = torch.addcmul(self.first_entry, values, self.entry_step)
        placed = self._resized(profiles, entries)
        pixels = self.pixels.index_select(0, entries.flatten()).view(batch, -1)
        pictures, places = [], []
        for first, middle, last in self._parts:
            rows, columns = placed[:, first:middle], placed[:, middle:last]
            joint, linear, constant = columns.split((JOINT_RANK, FREE_RANK, FREE_RANK), 2)
            swapped = torch.cat([joint, constant, linear], 2)
            pictures.append((rows @ swapped.transpose(1, 2)).flatten(1))
            places.append((pixels[:, first:middle, None] + pixels[:, None, middle:last]).flatten(1))
        size = self.size[0] * self.size[1]
        starts = torch.arange(batch, device=images.device)[:, None] * size
        index = (torch.cat(places, 1) + starts).flatten()
        added = images.flatten().index_add(0, index, torch.cat(pictures, 1).flatten())
        return added.view(images.shape)

    def _resized(self, profiles: Tensor, entries: Tensor) -> Tensor:
        """Gather each frame line's taps from profiles (B, lines, rank): (B, frame lines, rank)."""
        batch, num_lines, rank = profiles.shape
        flat = entries.flatten()
        taps = self.taps.index_select(0, flat).view(*entries.shape, -1)
        weights = self.tap_weights.index_select(0, flat).view(*entries.shape, -1, 1)
        starts = torch.arange(batch, device=profiles.device)[:, None, None] * num_lines
        gathered = functional.embedding(taps + starts, profiles.reshape(-1, rank))
        return (gathered * weights).sum(2)

    def _check(self) -> None:
        self._expect("grid", (2,), range(1, MOST_GRID + 1))
        num = len(self.groups)
        if num > MOST_GROUPS:
            raise ValueError(f"there must be at most {MOST_GROUPS} groups, not {num}")
        self._expect("groups", (num, _FIELDS), range(NO_BYTE, MOST_GRID + 1))
        self._expect("scores", (num, 2))
        grid = self.grid.tolist()
        for fields in self.groups.tolist():
            for axis, (byte, decoder, first, length) in enumerate(_by_axis(fields)):
                if not (
                    NO_BYTE <= byte < self.num_bytes
                    and 0 <= decoder < len(DECODERS)
                    and 0 <= first < grid[axis]
                    and 1 <= length <= grid[axis]
                ):
                    raise ValueError(f"groups must fit the grid and the state, not {fields}")
        num_lines = int(self.groups[:, [5, 7]].sum())
        num_rows = num_lines * (JOINT_RANK + FREE_RANK)
        self._expect("weight", (num_rows, self.num_features))
        self._expect("bias", (num_rows,))
        self._expect("free", (num_lines * FREE_RANK,))

    def _derive(self) -> None:
        """Compute the tables of taps: an entry for each line of a group's picture and each value of
        the byte that moves it.
        """
        grid, tables, lines = self.grid.tolist(), [], []
        num_entries = num_inputs = num_lines = 0
        self._parts = []
        num_taps = max(-(-each // size) for each, size in zip(grid, self.size, strict=True)) + 1
        for fields in self.groups.tolist():
            starts = [num_lines]
            for axis, (byte, decoder, first, length) in enumerate(_by_axis(fields)):
                shifts = shifts_of(decoder) if byte != NO_BYTE else np.zeros(1)
                table = _Taps(shifts, first, length, grid[axis], self.size[axis], num_taps)
                count = table.pixels.shape[1]
                stride = 1 if axis else self.size[1]
                tables.append((table.taps + num_inputs, table.weights, table.pixels * stride))
                step = count if byte != NO_BYTE else 0
                lines += [(max(byte, 0), num_entries + line, step) for line in range(count)]
                num_entries += table.pixels.size
                num_inputs += length
                num_lines += count
                starts.append(num_lines)
            self._parts.append((starts[0], starts[1], starts[2]))
        if not tables:
            return
        device = self.groups.device
        taps, weights, pixels = zip(*tables, strict=True)
        used = max(int(each.any((0, 1)).nonzero()[0].max(initial=0)) for each in weights) + 1
        self.taps = _joined((each.reshape(-1, num_taps)[:, :used] for each in taps), device)
        self.tap_weights = _joined(
            (each.reshape(-1, num_taps)[:, :used] for each in weights), device
        )
        self.pixels = _joined((each.ravel() for each in pixels), device)
        address, first_entry, step = np.array(lines, np.int64).T
        self.address = _joined([address], device)
        self.first_entry = _joined([first_entry], device)
        self.entry_step = _joined([step], device)


class _Taps:
    """How a window of grid lines becomes lines of a frame, for each shift.

    A frame line is the mean of the grid lines that it covers, in proportion to the parts covered
    (OpenCV's INTER_AREA).

    Attributes:
        taps: lines of the window, int64 (shifts, lines, taps).
        weights: their weights, float32, 0 for a tap outside of the window.
        pixels: line of the frame, int64 (shifts, lines).
    """

    def __init__(
        self,
        shifts: npt.NDArray[np.float64],
        first: int,
        length: int,
        grid: int,
        size: int,
        num_taps: int,
    ) -> None:
        scale = grid / size
        is_there = ~np.isnan(shifts)
        start = (first + np.nan_to_num(shifts).astype(np.int64)) % grid
        begin = np.floor(start / scale + 1e-9).astype(np.int64)
        end = np.ceil((start + length) / scale - 1e-9).astype(np.int64)
        lines = begin[:, None] + np.arange((end - begin).max())
        covered = np.floor(lines * scale + 1e-9).astype(np.int64)
        lines_of_grid = covered[:, :, None] + np.arange(num_taps)
        upper = np.minimum((lines[:, :, None] + 1) * scale, lines_of_grid + 1)
        lower = np.maximum(lines[:, :, None] * scale, lines_of_grid)
        inside = lines_of_grid - start[:, None, None]
        weights = np.clip(upper - lower, 0, None) / scale
        weights[weights < 1e-6] = 0
        weights *= (inside >= 0) & (inside < length) & is_there[:, None, None]
        self.taps = inside.clip(0, length - 1)
        self.weights = weights.astype(np.float32)
        self.pixels = lines % size


def _by_axis(fields: Sequence[int]) -> Iterable[tuple[int, int, int, int]]:
    """Byte, decoder, first line and length of a group's rows, then of its columns."""
    row_byte, row_decoder, column_byte, column_decoder, top, height, left, width = fields
    yield row_byte, row_decoder, top, height
    yield column_byte, column_decoder, left, width


def _initial_profiles(patch: npt.NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Return biases (lines * (joint + free),) and free factors (lines * free,) whose products are
    about the patch.
    """
    left, values, right = np.linalg.svd(patch, full_matrices=False)
    count = min(JOINT_RANK, len(values))
    roots = np.sqrt(values[:count])
    num_lines = sum(patch.shape)
    bias = torch.randn(num_lines, JOINT_RANK + FREE_RANK) * 0.1 / (num_lines**0.5)
    factors = np.concatenate([left[:, :count] * roots, right[:count].T * roots])
    bias[:, :count] += torch.from_numpy(factors).float()
    free = _FREE_SCALE * torch.randn(num_lines, FREE_RANK)
    return bias.flatten(), free.flatten()


def _joined(parts: Iterable[npt.NDArray[np.generic]], device: torch.device) -> Tensor:
    return torch.from_numpy(np.concatenate(list(parts))).to(device)
