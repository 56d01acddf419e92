"""Which groups help to draw frames, and which parts of their windows they use."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from atarigan.models.families.picture_layers import Layer, draw_layers
from atarigan.models.families.shifted_groups import ShiftedGroups

_FAINT = 5 / 127.5  # less than an object's 8 levels, so that windows keep the edges of objects
_UNUSED = 0.0003
_MARGIN = 1
_MIN_GAIN = 0.0005  # mean over all frames; low, as shots are in few of them
_FREE_CELLS = 300  # a window of so few costs little

Errors = Callable[[Tensor, Tensor], Tensor]
"""Positions (B, H, W) and frames (B, …) to the summed error of each frame, (B,)."""


class GroupUse:
    """Sums over frames of how much each group helps, and of what it draws where in its window.

    Args:
        groups: to be measured.
        drawn_over: pixels where something else covers the groups, int64 (P,).
        errors: measures what is wrong in frames.
    """

    def __init__(self, groups: ShiftedGroups, drawn_over: Tensor, errors: Errors) -> None:
        self._groups = groups
        self._drawn_over = drawn_over
        self._errors = errors
        self._num = 0
        self._gains = torch.zeros(len(groups))
        self._lines: list[list[Tensor]] = [[] for _ in range(len(groups))]
        self._columns: list[list[Tensor]] = [[] for _ in range(len(groups))]

    def add(self, positions: Tensor, real: Tensor, features: Tensor, states: Tensor) -> None:
        """Measure frames: what the network draws, and what it should draw.

        Args:
            positions: drawn with all groups, (B, H, W).
            real: the true frames, as `errors` takes them.
            features: of the network, (B, F).
            states: uint8 (B, bytes).
        """
        self._num += len(positions)
        with_all = self._errors(positions, real).sum()
        layers = [*self._groups.layers(features, states)]
        together = self._drawn(positions, layers)
        for number, picture in enumerate(self._groups.pictures(features)):
            alone = together - self._drawn(positions, layers[:number] + layers[number + 1 :])
            without = positions - alone.view(positions.shape)
            self._gains[number] += (self._errors(without, real).sum() - with_all).cpu()
            is_there = alone.any(1)
            visible = (picture[is_there].abs() - _FAINT).clamp(min=0).square()
            self._lines[number].append(visible.sum((0, 2)).cpu())
            self._columns[number].append(visible.sum((0, 1)).cpu())

    def _drawn(self, positions: Tensor, layers: Sequence[Layer]) -> Tensor:
        """What layers draw where nothing else covers them, (B, H * W)."""
        images = draw_layers(torch.zeros_like(positions).flatten(1), layers)
        return images.index_fill_(1, self._drawn_over, 0.0)

    def parts(self, least_cell_gain: float = 0.0) -> list[tuple[slice, slice] | None]:
        """Return which lines and columns of its window each group uses; None for a group that
        hardly helps.

        Args:
            least_cell_gain: least reduction of a frame's error for each cell of that part beyond
                a few that are free; 0 for no limit. A large group costs more.
        """
        used = (
            (_used(lines), _used(columns))
            for lines, columns in zip(self._lines, self._columns, strict=True)
        )
        gains = (self._gains / self._num).tolist()
        return [
            part if gain >= max(_MIN_GAIN, least_cell_gain * (_area(part) - _FREE_CELLS)) else None
            for part, gain in zip(used, gains, strict=True)
        ]


def _area(part: tuple[slice, slice]) -> int:
    lines, columns = part
    return int((lines.stop - lines.start) * (columns.stop - columns.start))


def _used(parts: Iterable[Tensor]) -> slice:
    """The shortest slice whose outside, on either side, has hardly any of what is visible."""
    energy = torch.stack(list(parts)).sum(0).double()
    total = float(energy.sum())
    before, after = energy.cumsum(0), energy.flip(0).cumsum(0)
    first, last = (int((sums <= _UNUSED * total).sum()) - _MARGIN for sums in (before, after))
    return slice(max(0, first), len(energy) - max(0, last))
