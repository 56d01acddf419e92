"""Stacks and transitions drawn from rings, held against a plain reading of the episodes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.ring import Ring
from atarigan.data.buffer.sampling import Rows, sample_rings, take
from atarigan.errors import InputError

END_OF_STEP = st.sampled_from(["", "", "", "terminated", "truncated"])
WRITERS = st.lists(st.lists(END_OF_STEP, max_size=30), min_size=1, max_size=3)
LARGE_BATCH = 1500


@dataclass(frozen=True)
class Layout:
    """What was written: for each writer, each step's number and how it ended."""

    writers: list[list[tuple[int, str]]]
    capacity: int
    num_stack: int

    def drawable(self, *, needs_next: bool) -> dict[int, tuple[int, int]]:
        """Number of every step that may be drawn, to its writer and place."""
        found = {}
        for writer, steps in enumerate(self.writers):
            oldest = max(0, len(steps) - self.capacity)
            first = oldest + self.num_stack - 1 if oldest else 0
            for place in range(first, len(steps)):
                number, end = steps[place]
                is_last = place == len(steps) - 1
                if not needs_next or end == "terminated" or (end == "" and not is_last):
                    found[number] = writer, place
        return found

    def stack(self, writer: int, place: int) -> list[int]:
        """Numbers of the steps whose frames are stacked, oldest first."""
        steps = self.writers[writer]
        stack = [steps[place][0]]
        while len(stack) < self.num_stack:
            if place > 0 and steps[place - 1][1] == "":
                place -= 1
            stack.append(steps[place][0])
        return stack[::-1]


def written(path: Path, writers: list[list[str]], capacity: int, num_stack: int) -> Layout:
    """Steps whose frame, action, reward and memory are all their number, in a buffer at `path`."""
    number = 0
    layout = Layout([], capacity, num_stack)
    with FrameBuffer.create(
        path, capacity * len(writers), (2, 1, 1), num_writers=len(writers), ram_size=1
    ) as buffer:
        for ends in writers:
            writer = buffer.new_writer()
            steps = []
            for end in ends:
                frame = np.full((2, 1, 1), number, np.uint8)
                over = {end: True} if end else {}
                writer.add(frame, number, number, ram=frame[0, 0], **over)  # type: ignore[arg-type]
                steps.append((number, end))
                number += 1
            layout.writers.append(steps)
        for steps in layout.writers:  # closing cuts off what was not over
            if steps and steps[-1][1] == "":
                steps[-1] = steps[-1][0], "truncated"
    return layout


def levels(frames: Any) -> Any:
    """The number that each frame is filled with."""
    assert (frames == frames[..., :1, :, :]).all()
    return frames[..., 0, 0, 0]


@settings(max_examples=20)
@given(writers=WRITERS, capacity=st.integers(1, 40), num_stack=st.integers(1, 5))
def test_stacks_never_cross_an_episodes_end(
    tmp_path_factory: Any, writers: list[list[str]], capacity: int, num_stack: int
) -> None:
    path = tmp_path_factory.mktemp("stacks") / "buffer"
    layout = written(path, writers, capacity, num_stack)
    drawable = layout.drawable(needs_next=False)
    buffer = FrameBuffer.open(path)
    if not drawable:
        with pytest.raises(InputError, match=f"{path}"):
            buffer.sample_stacks(4, num_stack, seed=0)
        return
    stacks = levels(buffer.sample_stacks(LARGE_BATCH, num_stack, seed=0))
    assert stacks.shape == (LARGE_BATCH, num_stack)
    assert set(stacks[:, -1].tolist()) == set(drawable)
    for stack in np.unique(stacks, axis=0).tolist():
        assert stack == layout.stack(*drawable[stack[-1]])


@settings(max_examples=20)
@given(writers=WRITERS, capacity=st.integers(1, 40), num_stack=st.integers(1, 5))
def test_transitions_are_steps_with_what_came_next(
    tmp_path_factory: Any, writers: list[list[str]], capacity: int, num_stack: int
) -> None:
    path = tmp_path_factory.mktemp("transitions") / "buffer"
    layout = written(path, writers, capacity, num_stack)
    drawable = layout.drawable(needs_next=True)
    buffer = FrameBuffer.open(path)
    if not drawable:
        with pytest.raises(InputError, match=f"{path}"):
            buffer.sample_transitions(4, num_stack, seed=0)
        return
    batch = buffer.sample_transitions(LARGE_BATCH, num_stack, seed=0)
    assert set(batch.actions.tolist()) == set(drawable)
    assert batch.ram is not None
    assert batch.next_ram is not None
    _, firsts = np.unique(batch.actions, return_index=True)
    for index in firsts:
        number = int(batch.actions[index])
        writer, place = drawable[number]
        terminated = layout.writers[writer][place][1] == "terminated"
        next_number = number if terminated else number + 1
        stack = layout.stack(writer, place)
        assert levels(batch.frames[index]).tolist() == stack
        assert levels(batch.next_frames[index]).tolist() == [*stack[1:], next_number]
        assert batch.rewards[index] == number
        assert batch.terminations[index] == terminated
        assert (batch.ram[index], batch.next_ram[index]) == (number, next_number)


def test_first_frame_of_an_episode_is_repeated(tmp_path: Path) -> None:
    written(tmp_path / "buffer", [["terminated", "", ""]], 10, 3)
    stacks = levels(FrameBuffer.open(tmp_path / "buffer").sample_stacks(100, 3, seed=0))
    assert np.unique(stacks, axis=0).tolist() == [[0, 0, 0], [1, 1, 1], [1, 1, 2]]


def chi_square(numbers: Any, num_steps: int) -> float:
    """Of the counts of each number, against their being equally likely."""
    expected = len(numbers) / num_steps
    counts = np.bincount(np.unique(numbers, return_inverse=True)[1], minlength=num_steps)
    return float(((counts - expected) ** 2).sum() / expected)


def test_every_step_of_every_writer_is_equally_likely(tmp_path: Path) -> None:
    written(tmp_path / "buffer", [[""] * 150, [""] * 40, [], [""] * 10], 100, 1)
    frames = FrameBuffer.open(tmp_path / "buffer").sample(30_000, seed=0)
    assert 100 < chi_square(levels(frames), 150) < 240  # 149 degrees of freedom


def test_every_transition_of_every_writer_is_equally_likely(tmp_path: Path) -> None:
    """One writer has none, one has few, one has many: shares go by transitions, not by steps."""
    writers = [["truncated"] * 60, ["truncated", "", ""] * 30, [""] * 61]
    layout = written(tmp_path / "buffer", writers, 100, 1)
    assert len(layout.drawable(needs_next=True)) == 119
    batch = FrameBuffer.open(tmp_path / "buffer").sample_transitions(30_000, seed=0)
    assert 75 < chi_square(batch.actions, 119) < 200  # 118 degrees of freedom


def test_the_one_transition_among_many_steps_is_found(tmp_path: Path) -> None:
    written(tmp_path / "buffer", [["truncated"] * 100 + ["terminated"], ["truncated"]], 200, 1)
    batch = FrameBuffer.open(tmp_path / "buffer").sample_transitions(3, seed=0)
    assert batch.actions.tolist() == [100, 100, 100]


def test_writer_with_nothing_to_draw_leaves_it_to_the_others(tmp_path: Path) -> None:
    written(tmp_path / "buffer", [["", "terminated"], [""], []], 10, 1)
    for seed in range(20):
        batch = FrameBuffer.open(tmp_path / "buffer").sample_transitions(2, 4, seed=seed)
        assert set(batch.actions.tolist()) <= {0, 1}


def test_equal_seeds_draw_equal_batches(tmp_path: Path) -> None:
    written(tmp_path / "buffer", [[""] * 80, [""] * 80], 100, 1)
    buffer = FrameBuffer.open(tmp_path / "buffer")
    assert np.array_equal(buffer.sample(32, seed=5), buffer.sample(32, seed=5))
    assert not np.array_equal(buffer.sample(32, seed=5), buffer.sample(32, seed=6))
    rng = np.random.default_rng(5)
    assert np.array_equal(buffer.sample(32, rng), buffer.sample(32, seed=5))
    assert not np.array_equal(buffer.sample(32, rng), buffer.sample(32, seed=5))


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_must_hold_something(tmp_path: Path, batch_size: int) -> None:
    written(tmp_path / "buffer", [[""] * 3], 10, 1)
    buffer = FrameBuffer.open(tmp_path / "buffer")
    with pytest.raises(InputError, match=f"batch_size must be at least 1, not {batch_size}"):
        buffer.sample(batch_size)
    with pytest.raises(InputError, match=f"num_stack must be at least 1, not {batch_size}"):
        buffer.sample_stacks(4, batch_size)
    with pytest.raises(InputError, match=f"num_stack must be at least 1, not {batch_size}"):
        buffer.sample_transitions(4, batch_size)


@pytest.mark.parametrize("num_written_over", [1, 7, 40])
def test_batch_is_drawn_anew_until_no_writer_got_at_it(
    tmp_path: Path, num_written_over: int
) -> None:
    """However fast the writer is: it writes that many steps whenever rows are gathered."""
    with FrameBuffer.create(tmp_path / "buffer", 100, (2, 1, 1)) as buffer:
        writer = buffer.new_writer()
        ring = Ring(tmp_path / "buffer" / writer.folder_name, buffer.meta.columns, 100)
        num_tries = 0

        def write(num: int) -> None:
            for _ in range(num):
                writer.add(np.zeros((2, 1, 1), np.uint8), writer.num_committed)

        def gather_while_writing(ring: Ring, rows: Rows) -> Any:
            nonlocal num_tries
            num_tries += 1
            numbers = take(ring, "actions", rows)
            write(num_written_over)
            return numbers, rows

        write(150)
        rng = np.random.default_rng(0)
        [(numbers, rows)] = sample_rings([ring], 1000, rng, gather_while_writing, num_behind=2)
        assert numbers.tolist() == rows.tolist()
        assert rows.min() - 2 >= ring.oldest
        assert num_tries == 2
