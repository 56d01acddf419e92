"""The search for positions in states: which bytes say where something is on the screen.

The picture of an object that moves is the same everywhere, only shifted. So the bytes that hold its
position are those by which frames can be shifted back until the object stands still: the mean of
frames that are shifted back has much energy then (`position_pursuit`). What the best pair of bytes
explains is subtracted, and the search goes on with the rest.

No gradients are needed, and nothing is known about the game. What is known is the console: a screen
of 160 columns and 210 or 250 lines, and how its programs store columns (`positions`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.models.search.position_pursuit import Pursuit, Step
from atarigan.models.search.positions import (
    Floats,
    MovingGroup,
    PositionByte,
    PositionTable,
)

_KEPT_ENERGY = 0.97
_GRID_STRIDE = 4
_CLEARLY = 1.1
_FRAMES_PER_STEP = 50

Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class SearchLimits:
    """What a search keeps.

    Attributes:
        num_steps: pairs of bytes to try at most.
        least_gain: share of the whitened motion that the next pair must explain to be tried.
        most_groups: groups to keep.
        least_share: share of the motion that a group must explain.
        least_consistency, consistency_by_area: consistency that a group must have: the first, plus
            the second times the share of the screen that its window covers. Large windows cost more
            and are found by chance more easily.
        most_area, most_narrowed_area: share of the screen that the first window that is tried for a
            pair may cover, and that each further one may.
        weak_cells: a window is around cells that agree more than this share of the one that agrees
            most. Several, ascending, are tried until the group can be kept in one: a landscape
            agrees by chance everywhere, and the first window may be half of the screen.
        margins: lines and columns to add on each side of a window. Figures stretch sideways (arms,
            shots) further than their mean image shows.
    """

    num_steps: int = 14
    least_gain: float = 0.004
    most_groups: int = 10
    least_share: float = 0.003
    least_consistency: float = 0.08
    consistency_by_area: float = 1.5
    most_area: float = 0.6
    most_narrowed_area: float = 0.1
    weak_cells: tuple[float, ...] = (0.02,)
    margins: tuple[int, int] = (5, 12)


def find_grid(
    residual: Tensor, states: Tensor, grids: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """Find the size (lines, columns) that the screen had before it was resized.

    Args:
        residual: frames minus their background, in positions on the line of colors, float
            (N, H, W).
        states: the states of these frames, uint8 (N, bytes).
        grids: possible sizes. The one in which the first pair of bytes explains most is returned;
            the first one for few frames, or if hardly more is explained in another.
    """
    if len(grids) == 1 or len(states) < _FRAMES_PER_STEP:
        return grids[0]
    some = slice(None, None, _GRID_STRIDE)
    usual, *others = (Pursuit(residual[some], states[some], grid) for grid in dict.fromkeys(grids))
    best = max(others, key=lambda trial: trial.best_share)
    return best.grid if best.best_share > _CLEARLY * usual.best_share else usual.grid


def find_groups(
    residual: Tensor,
    states: Tensor,
    grid: tuple[int, int],
    tables: Sequence[PositionTable] = (),
    limits: SearchLimits = SearchLimits(),
) -> list[MovingGroup]:
    """Find what moves in frames, and the bytes that move it.

    Args:
        residual: what is to be explained: frames minus their background, in positions on the line
            of colors, float (N, H, W).
        states: the states of these frames, uint8 (N, bytes).
        grid: lines and columns that positions count in.
        tables: further decodings.
        limits: what to keep. Fewer pairs of bytes are tried in few frames, where a pair would
            explain by chance what it does not move.
    """
    num_steps = min(limits.num_steps, len(states) // _FRAMES_PER_STEP)
    if not num_steps:
        return []
    pursuit = Pursuit(residual, states, grid, tables)
    groups: dict[tuple[int, int], MovingGroup] = {}
    for group in sorted(_selected(pursuit, num_steps, limits), key=lambda group: -group.share):
        # The same bytes in another decoding explain what the shape of the first group lacks.
        groups.setdefault((group.row.byte, group.column.byte), group)
    return list(groups.values())[: limits.most_groups]


def _selected(pursuit: Pursuit, num_steps: int, limits: SearchLimits) -> Iterator[MovingGroup]:
    for _ in range(num_steps):
        if pursuit.best_share < limits.least_gain:
            break
        pursuit.take()
    pursuit.refit()
    windows: dict[tuple[PositionByte, PositionByte], Window] = {}
    for step in pursuit.steps():
        # An object of the same kind that was found before shows its window more clearly.
        first = step.sibling_of
        known = first and windows.get(first)
        tried = [known] if known else _windows(step, pursuit.grid, limits)
        group = _acceptable(step, pursuit, tried, limits)
        if group:
            yield group
        if tried:
            windows[step.row, step.column] = _window_of(group) if group else tried[0]


def _acceptable(
    step: Step, pursuit: Pursuit, windows: Sequence[Window], limits: SearchLimits
) -> MovingGroup | None:
    """What a pair of bytes moves, in the first of the windows in which it can be kept."""
    most_area = limits.most_area
    for window in windows:
        group = _group(step, pursuit, window)
        if group and _is_acceptable(group, pursuit.grid, limits, most_area):
            return group
        most_area = limits.most_narrowed_area
    return None


def _windows(step: Step, grid: tuple[int, int], limits: SearchLimits) -> list[Window]:
    """Windows to try for what a pair of bytes moves, that around most cells first."""
    agreeing = _smoothed(step.agreeing).clamp(min=0)
    consistency = agreeing / _smoothed(step.expected).clamp(min=1e-12)
    agreeing = agreeing * (consistency >= limits.least_consistency)
    if not agreeing.any():
        return []
    parts = (agreeing * (agreeing > weak * agreeing.max()) for weak in limits.weak_cells)
    return list(dict.fromkeys(_window(part, grid, limits.margins) for part in parts))


def _group(step: Step, pursuit: Pursuit, window: Window) -> MovingGroup | None:
    """What a pair of bytes moves in a window; None where no position occurs twice, or there is only
    one.
    """
    lines, columns = pursuit.grid
    top, height, left, width = window
    num_down, num_across = step.agreeing.shape
    inside = torch.from_numpy(_cells_inside(top, height, lines, num_down))[:, None]
    inside = inside & torch.from_numpy(_cells_inside(left, width, columns, num_across))
    expected = float((step.expected * inside).sum())
    if expected <= 0:
        return None
    consistency = float((step.agreeing * inside).sum()) / expected
    patch = np.roll(step.mean, (-top, -left), (0, 1))[:height, :width]
    share = float(np.square(patch).mean() * height * width) * step.present
    share *= pursuit.num_pixels / (lines * columns) * pursuit.num_pixels / pursuit.energy
    return MovingGroup(step.row, step.column, *window, share, consistency, patch)


def _is_acceptable(
    group: MovingGroup, grid: tuple[int, int], limits: SearchLimits, most_area: float
) -> bool:
    area = group.height * group.width / (grid[0] * grid[1])
    least = limits.least_consistency + limits.consistency_by_area * area
    return area <= most_area and group.share >= limits.least_share and group.consistency >= least


def _window_of(group: MovingGroup) -> Window:
    return group.top, group.height, group.left, group.width


def _window(cells: Tensor, grid: tuple[int, int], margins: tuple[int, int]) -> Window:
    """Top, height, left and width of the smallest window with nearly all that is in cells."""
    rows, columns = (
        _span(_stretched(cells.sum(axis).numpy(), length), margin)
        for axis, length, margin in zip((1, 0), grid, margins, strict=True)
    )
    return (*rows, *columns)


def _smoothed(cells: Tensor) -> Tensor:
    """Sums over 3 × 3 cells of a screen that goes on at its other side."""
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return torch.stack([cells.roll(shift, (0, 1)) for shift in shifts]).sum(0)


def _stretched(cells: npt.NDArray[np.float32], length: int) -> Floats:
    """Values of cells for each line of a grid of that length."""
    return cells[np.arange(length) * len(cells) // length].astype(np.float64)


def _cells_inside(first: int, length: int, grid: int, num_cells: int) -> npt.NDArray[np.bool_]:
    """Which cells of an axis a window overlaps, (num_cells,)."""
    lines = np.arange(first, first + length) % grid
    inside: npt.NDArray[np.bool_] = np.zeros(num_cells, bool)
    inside[lines * num_cells // grid] = True
    return inside


def _span(energy: Floats, margin: int) -> tuple[int, int]:
    """First place and length of the shortest cyclic window with nearly all energy, with margins."""
    num = len(energy)
    sums = np.concatenate([[0.0], np.cumsum(np.tile(energy / energy.sum(), 2))])
    ends = np.searchsorted(sums, sums[:num] + _KEPT_ENERGY)
    lengths = ends - np.arange(num)
    first = int(lengths.argmin())
    length = min(num, int(lengths[first]) + 2 * margin)
    return (first - (length - int(lengths[first])) // 2) % num, length
