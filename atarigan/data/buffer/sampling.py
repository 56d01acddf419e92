"""Sample rows of rings as frames, stacks or transitions that never cross an episode's end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.ring import Ring
from atarigan.errors import InputError
from atarigan.images.pixels import Frames

Rows = npt.NDArray[np.int64]
_T = TypeVar("_T")
_NUM_TRIES = 8


@dataclass(frozen=True)
class Transitions:
    """A batch of steps with what came after, for replay.

    Attributes:
        frames: uint8 (B, K, H, W, C), the stack acted on, oldest frame first; (B, K, bytes) where
            console memory is stacked in its place.
        actions: (B, *action shape).
        rewards: float32 (B,).
        next_frames: uint8 of that shape. Behind a termination there is no next frame and the last
            is repeated.
        terminations: bool (B,).
        ram, next_ram: uint8 (B, bytes), or None where the buffer stores none.
    """

    frames: Frames
    actions: npt.NDArray[Any]
    rewards: npt.NDArray[np.float32]
    next_frames: Frames
    terminations: npt.NDArray[np.bool_]
    ram: npt.NDArray[np.uint8] | None
    next_ram: npt.NDArray[np.uint8] | None


def take(ring: Ring, column: str, rows: Rows) -> npt.NDArray[Any]:
    """Values of a column at row numbers of any shape; a fresh array."""
    return np.take(ring.columns[column], rows % ring.num_slots, axis=0)


def episode_ends(ring: Ring, rows: Rows) -> npt.NDArray[np.bool_]:
    """Whether each row is the last of its episode."""
    ends: npt.NDArray[np.bool_] = take(ring, "terminations", rows) | take(ring, "truncations", rows)
    return ends


def stack_rows(ring: Ring, rows: Rows, num_stack: int) -> Rows:
    """Row numbers (B, K) of the stacks that end at `rows` (B,), oldest first.

    At an episode's beginning its first frame is repeated, as Gymnasium's FrameStackObservation does
    by default.
    """
    back = np.arange(1, num_stack, dtype=np.int64)
    earlier = rows[:, None] - back
    same_episode = (earlier >= 0) & ~episode_ends(ring, earlier)
    num_back = np.cumprod(same_episode, axis=1).cumsum(axis=1)
    stacks = np.concatenate([rows[:, None], rows[:, None] - num_back], axis=1)
    return stacks[:, ::-1]


def num_behind(num_stack: int) -> int:
    """Steps before a step that a stack reaches back. Raises InputError where it is below 1."""
    if num_stack < 1:
        raise InputError(f"num_stack must be at least 1, not {num_stack}")
    return num_stack - 1


def take_stacks(ring: Ring, rows: Rows, num_stack: int, column: str) -> npt.NDArray[Any]:
    """Each row's value after those before it in its episode, (N, num_stack, *row shape)."""
    return take(ring, column, stack_rows(ring, rows, num_stack))


def has_next(ring: Ring, rows: Rows, num_committed: int) -> npt.NDArray[np.bool_]:
    """Whether the step after each row is known: stored, or none because the episode terminated.

    A truncated episode goes on unseen, so its last step has no next.
    """
    terminated: npt.NDArray[np.bool_] = take(ring, "terminations", rows)
    known: npt.NDArray[np.bool_] = terminated | (
        (rows + 1 < num_committed) & ~take(ring, "truncations", rows)
    )
    return known


def take_transitions(ring: Ring, rows: Rows, num_stack: int, column: str) -> Transitions:
    """The transitions at `rows`, all of which have a next step, with stacks of that column."""
    terminations = take(ring, "terminations", rows)
    stacks = stack_rows(ring, rows, num_stack)
    next_rows = np.where(terminations, rows, rows + 1)
    next_stacks = np.concatenate([stacks[:, 1:], next_rows[:, None]], axis=1)
    has_ram = "ram" in ring.columns
    return Transitions(
        frames=take(ring, column, stacks),
        actions=take(ring, "actions", rows),
        rewards=take(ring, "rewards", rows),
        next_frames=take(ring, column, next_stacks),
        terminations=terminations,
        ram=take(ring, "ram", rows) if has_ram else None,
        next_ram=take(ring, "ram", next_rows) if has_ram else None,
    )


def concatenate_transitions(parts: list[Transitions]) -> Transitions:
    """One batch out of several."""
    if len(parts) == 1:
        return parts[0]
    columns: dict[str, Any] = {}
    for field in fields(Transitions):
        values = [getattr(part, field.name) for part in parts]
        columns[field.name] = None if values[0] is None else np.concatenate(values)
    return Transitions(**columns)


def sample_rings(
    rings: Sequence[Ring],
    num_rows: int,
    rng: np.random.Generator,
    gather: Callable[[Ring, Rows], _T],
    *,
    num_behind: int = 0,
    needs_next: bool = False,
) -> list[_T]:
    """What `gather` makes of rows drawn uniformly from all that can be read, one value a ring.

    Writers may go on meanwhile. When one has written over a row that was drawn, all are drawn anew,
    farther from the oldest than it got.

    Args:
        rings: at least one; those that none of the rows fell on give no value.
        num_rows: at least 1.
        num_behind: rows before a drawn one that are looked at too.
        needs_next: draw only rows whose next step is known.

    Raises:
        InputError: the rings hold no such row.
    """
    margin = 0
    while True:
        spans = [_span(ring, num_behind, margin) for ring in rings]
        drawn = _draw_rows(rings, spans, num_rows, rng, needs_next)
        values = [gather(ring, rows) for ring, rows in drawn]
        num_lost = max(ring.oldest - max(0, int(rows.min()) - num_behind) for ring, rows in drawn)
        if num_lost <= 0:
            return values
        margin += 2 * num_lost


def _span(ring: Ring, num_behind: int, margin: int) -> range:
    """The row numbers to draw from: all that are there, with `num_behind` rows before them."""
    oldest, end = ring.oldest, ring.num_committed
    if oldest == 0:
        return range(end)
    first = min(oldest + num_behind, end)
    return range(first + min(margin, (end - first) // 2), end)


def _draw_rows(
    rings: Sequence[Ring],
    spans: Sequence[range],
    num_rows: int,
    rng: np.random.Generator,
    needs_next: bool,
) -> list[tuple[Ring, Rows]]:
    """Rows uniform over all spans, for each ring that got any.

    A few tries find them, unless hardly any row has a next.
    """
    kept: list[list[Rows]] = [[] for _ in rings]
    num_missing = num_rows
    for _ in range(_NUM_TRIES):
        positions = _draw_positions([len(span) for span in spans], num_missing, rng)
        for ring, span, found, there in zip(rings, spans, positions, kept, strict=True):
            rows = span.start + found
            there.append(rows[has_next(ring, rows, span.stop)] if needs_next else rows)
        num_missing = num_rows - sum(len(rows) for there in kept for rows in there)
        if num_missing == 0:
            break
    else:
        pools = [_rows_with_next(ring, span) for ring, span in zip(rings, spans, strict=True)]
        positions = _draw_positions([len(pool) for pool in pools], num_missing, rng)
        for pool, found, there in zip(pools, positions, kept, strict=True):
            there.append(pool[found])
    drawn = [(ring, np.concatenate(there)) for ring, there in zip(rings, kept, strict=True)]
    return [(ring, rows) for ring, rows in drawn if len(rows)]


def _rows_with_next(ring: Ring, span: range) -> Rows:
    rows = np.arange(span.start, span.stop)
    return rows[has_next(ring, rows, span.stop)]


def _draw_positions(lengths: list[int], num: int, rng: np.random.Generator) -> list[Rows]:
    """`num` positions, uniform over several stretches one behind another, as positions in each."""
    total = sum(lengths)
    if total == 0:
        raise InputError("no step stored so far has the steps around it that are asked for")
    shares = rng.multinomial(num, np.divide(lengths, total))
    return [
        rng.integers(max(1, length), size=share)
        for length, share in zip(lengths, shares, strict=True)
    ]
