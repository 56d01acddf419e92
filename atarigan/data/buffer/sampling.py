"""Sample rows of rings as frames, stacks or transitions within one episode."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.meta import STATE_COLUMNS
from atarigan.data.buffer.ring import Column, Ring
from atarigan.data.states import State
from atarigan.errors import InputError
from atarigan.images.pixels import Frames

Rows = npt.NDArray[np.int64]
_T = TypeVar("_T")
_NUM_TRIES = 8


class ColumnReader(Protocol):
    """Reads values at row numbers of any shape.

    Attributes:
        column: their dtype, and the shape of one.
    """

    column: Column

    def __call__(self, ring: Ring, rows: Rows) -> npt.NDArray[Any]: ...


@dataclass(frozen=True)
class Transitions:
    """A batch of transitions, for replay.

    Attributes:
        frames: stacks that were acted on, uint8 (B, K, H, W, C), oldest frame first; (B, K, size)
            for stacks of states.
        actions: (B, *action shape).
        rewards: float32 (B,).
        next_frames: stacks after the action, of the same shape. After a termination there is no
            next frame, and the last one is repeated.
        terminations: bool (B,).
        state, next_state: as stored, without the action, (B, size); None if none are.
    """

    frames: Frames
    actions: npt.NDArray[Any]
    rewards: npt.NDArray[np.float32]
    next_frames: Frames
    terminations: npt.NDArray[np.bool_]
    state: State | None
    next_state: State | None

    @property
    def ram(self) -> State | None:
        """Another name of `state`."""
        return self.state

    @property
    def next_ram(self) -> State | None:
        """Another name of `next_state`."""
        return self.next_state


def take(ring: Ring, column: str, rows: Rows) -> npt.NDArray[Any]:
    """Return a copy of a column's values at row numbers of any shape."""
    return np.take(ring.columns[column], rows % ring.num_slots, axis=0)


def episode_ends(ring: Ring, rows: Rows) -> npt.NDArray[np.bool_]:
    """Return whether each row is the last of its episode."""
    ends: npt.NDArray[np.bool_] = take(ring, "terminations", rows) | take(ring, "truncations", rows)
    return ends


def stack_rows(ring: Ring, rows: Rows, num_stack: int) -> Rows:
    """Return row numbers (B, K) of the stacks that end at `rows` (B,), oldest first.

    At the beginning of an episode, its first frame is repeated, as in Gymnasium's
    FrameStackObservation.
    """
    back = np.arange(1, num_stack, dtype=np.int64)
    earlier = rows[:, None] - back
    same_episode = (earlier >= 0) & ~episode_ends(ring, earlier)
    num_back = np.cumprod(same_episode, axis=1).cumsum(axis=1)
    stacks = np.concatenate([rows[:, None], rows[:, None] - num_back], axis=1)
    return stacks[:, ::-1]


def num_behind(num_stack: int) -> int:
    """Return how many steps a stack reaches back. Raise InputError if `num_stack` is below 1."""
    if num_stack < 1:
        raise InputError(f"num_stack must be at least 1, not {num_stack}")
    return num_stack - 1


def take_stacks(ring: Ring, rows: Rows, num_stack: int, read: ColumnReader) -> npt.NDArray[Any]:
    """Return the stacks of what is read that end at `rows`, (N, num_stack, *row shape)."""
    return read(ring, stack_rows(ring, rows, num_stack))


def has_next(ring: Ring, rows: Rows, num_committed: int) -> npt.NDArray[np.bool_]:
    """Return whether the next step of each row is known: it is stored, or the episode terminated.

    The next step after a truncation is unknown.
    """
    terminated: npt.NDArray[np.bool_] = take(ring, "terminations", rows)
    known: npt.NDArray[np.bool_] = terminated | (
        (rows + 1 < num_committed) & ~take(ring, "truncations", rows)
    )
    return known


def rows_with_next(ring: Ring, num_behind: int) -> Rows:
    """Return all rows that a transition may begin at: those whose next step is known and that have
    `num_behind` readable rows before them, or the beginning of the ring.
    """
    return _with_next(ring, _span(ring, num_behind, margin=0))


def take_transitions(ring: Ring, rows: Rows, num_stack: int, read: ColumnReader) -> Transitions:
    """Return the transitions at `rows`, with stacks of what is read. All rows need a next step."""
    terminations = take(ring, "terminations", rows)
    stacks = stack_rows(ring, rows, num_stack)
    next_rows = np.where(terminations, rows, rows + 1)
    next_stacks = np.concatenate([stacks[:, 1:], next_rows[:, None]], axis=1)
    state_column = next((name for name in STATE_COLUMNS if name in ring.columns), None)
    return Transitions(
        frames=read(ring, stacks),
        actions=take(ring, "actions", rows),
        rewards=take(ring, "rewards", rows),
        next_frames=read(ring, next_stacks),
        terminations=terminations,
        state=take(ring, state_column, rows) if state_column else None,
        next_state=take(ring, state_column, next_rows) if state_column else None,
    )


def concatenate_transitions(parts: list[Transitions]) -> Transitions:
    """Concatenate several batches."""
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
    """Draw rows uniformly from all readable rows; return the result of `gather` for each ring.

    Writers may add steps at the same time. If one overwrites a drawn row, all rows are drawn again,
    with a larger distance from the oldest row.

    Args:
        rings: at least one. Rings without a drawn row give no result.
        num_rows: number of rows to draw, at least 1.
        rng: source of randomness.
        gather: reads drawn rows of a ring.
        num_behind: number of rows before each drawn row that `gather` reads too.
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
    """Return the row numbers to draw from: all that have `num_behind` readable rows before them."""
    oldest, end = ring.oldest, ring.num_committed
    if oldest == 0:
        return range(end)
    first = min(oldest + num_behind, end)
    return range(first + min(margin, (end - first) // 2), end)


def _with_next(ring: Ring, span: range) -> Rows:
    rows = np.arange(span.start, span.stop)
    return rows[has_next(ring, rows, span.stop)]


def _draw_rows(
    rings: Sequence[Ring],
    spans: Sequence[range],
    num_rows: int,
    rng: np.random.Generator,
    needs_next: bool,
) -> list[tuple[Ring, Rows]]:
    """Draw rows uniformly from all spans; return the rings with at least one row, and the rows.

    Rows without a known next step are drawn again. If they are still missing after a few tries,
    the rest is drawn from a list of all valid rows.
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
        pools = [_with_next(ring, span) for ring, span in zip(rings, spans, strict=True)]
        positions = _draw_positions([len(pool) for pool in pools], num_missing, rng)
        for pool, found, there in zip(pools, positions, kept, strict=True):
            there.append(pool[found])
    drawn = [(ring, np.concatenate(there)) for ring, there in zip(rings, kept, strict=True)]
    return [(ring, rows) for ring, rows in drawn if len(rows)]


def _draw_positions(lengths: list[int], num: int, rng: np.random.Generator) -> list[Rows]:
    """Draw `num` positions uniformly from ranges of these lengths; return those in each range."""
    total = sum(lengths)
    if total == 0:
        raise InputError("no stored step has the neighboring steps that are needed")
    shares = rng.multinomial(num, np.divide(lengths, total))
    return [
        rng.integers(max(1, length), size=share)
        for length, share in zip(lengths, shares, strict=True)
    ]
