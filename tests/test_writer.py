"""One environment's steps in order: staged, committed, interrupted, closed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.errors import InputError
from atarigan.images.pixels import Frames


@pytest.fixture
def buffer(tmp_path: Path) -> Iterator[FrameBuffer]:
    with FrameBuffer.create(tmp_path / "buffer", 10, (3, 2, 1), ram_size=4) as buffer:
        yield buffer


def frame_of(level: int) -> Frames:
    return np.full((3, 2, 1), level, np.uint8)


def ram_of(level: int) -> Frames:
    return np.full(4, level, np.uint8)


def column(buffer: FrameBuffer, name: str) -> list[Any]:
    values: list[Any] = buffer.values_at(name, np.arange(len(buffer))).tolist()
    return values


def test_step_is_stored_whole(buffer: FrameBuffer) -> None:
    writer = buffer.new_writer()
    writer.add(frame_of(7), 3, -0.5, terminated=True, ram=ram_of(9))
    writer.add(frame_of(8), 4, 2.5, truncated=True, ram=ram_of(10))
    assert column(buffer, "actions") == [3, 4]
    assert column(buffer, "rewards") == [-0.5, 2.5]
    assert column(buffer, "terminations") == [True, False]
    assert column(buffer, "truncations") == [False, True]
    assert column(buffer, "ram") == [[9] * 4, [10] * 4]
    assert np.array_equal(buffer.values_at("frames", np.array([1]))[0], frame_of(8))


def test_stored_frame_is_a_copy(buffer: FrameBuffer) -> None:
    frame, ram = frame_of(1), ram_of(1)
    buffer.new_writer().add(frame, ram=ram)
    frame[:], ram[:] = 99, 99
    assert column(buffer, "frames")[0][0][0] == [1]
    assert column(buffer, "ram") == [[1] * 4]


def test_staged_step_cannot_be_seen_before_its_commit(buffer: FrameBuffer) -> None:
    writer = buffer.new_writer()
    reader = FrameBuffer.open(buffer.path)
    writer.stage(ram_of(5))[:] = 5
    assert writer.is_staged
    assert (len(buffer), len(reader)) == (0, 0)
    with pytest.raises(InputError, match="is empty: it holds 0 steps to sample from"):
        reader.sample(1)
    writer.commit(2, 1.0)
    assert not writer.is_staged
    assert (len(buffer), len(reader), writer.num_committed) == (1, 1, 1)
    assert reader.sample(1, seed=0).max() == 5


def test_step_staged_again_replaces_the_first(buffer: FrameBuffer) -> None:
    writer = buffer.new_writer()
    writer.stage(ram_of(1))[:] = 1
    writer.stage(ram_of(2))[:] = 2
    writer.commit(0)
    assert column(buffer, "ram") == [[2] * 4]


def test_commit_needs_a_staged_step(buffer: FrameBuffer) -> None:
    writer = buffer.new_writer()
    with pytest.raises(RuntimeError, match="call stage first"):
        writer.commit(0)
    writer.add(frame_of(1), ram=ram_of(1))
    with pytest.raises(RuntimeError, match="call stage first"):
        writer.commit(0)
    assert len(buffer) == 1


def test_end_of_episode_drops_what_is_staged_and_truncates_what_is_not_over(
    buffer: FrameBuffer,
) -> None:
    writer = buffer.new_writer()
    writer.end_episode()
    writer.add(frame_of(1), ram=ram_of(1))
    writer.stage(ram_of(2))
    writer.end_episode()
    assert not writer.is_staged
    writer.add(frame_of(3), terminated=True, ram=ram_of(3))
    writer.end_episode()
    assert column(buffer, "truncations") == [True, False]
    assert column(buffer, "terminations") == [False, True]


def test_episode_cut_off_by_closing_does_not_go_on_after_reopening(buffer: FrameBuffer) -> None:
    buffer.add(frame_of(1), ram=ram_of(1))
    buffer.add(frame_of(2), ram=ram_of(2))
    buffer.close()
    with FrameBuffer.open(buffer.path) as again:
        again.add(frame_of(3), ram=ram_of(3))
        assert again.num_writers == 1
        assert column(again, "truncations") == [False, True, False]
        again.add(frame_of(4), ram=ram_of(4))
        assert column(again, "truncations") == [False, True, False, False]


def test_frame_of_another_kind_is_refused(buffer: FrameBuffer) -> None:
    writer = buffer.new_writer()
    with pytest.raises(InputError, match=r"frame must be uint8 \(3, 2, 1\), not uint8 \(2, 3, 1\)"):
        writer.add(np.zeros((2, 3, 1), np.uint8), ram=ram_of(0))
    with pytest.raises(InputError, match=r"frame must be uint8 \(3, 2, 1\), not float64 \(3, 2"):
        writer.add(np.zeros((3, 2, 1)), ram=ram_of(0))  # type: ignore[arg-type]
    assert len(buffer) == 0


def test_memory_is_given_exactly_when_it_is_stored(buffer: FrameBuffer, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="state must be given exactly when .*given False, stored Tr"
    ):
        buffer.new_writer().add(frame_of(0))
    with (
        FrameBuffer.create(tmp_path / "plain", 3, (3, 2, 1)) as plain,
        pytest.raises(InputError, match="given True, stored False"),
    ):
        plain.add(frame_of(0), ram=ram_of(0))


def test_failed_step_leaves_no_trace(buffer: FrameBuffer) -> None:
    writer = buffer.new_writer()
    with pytest.raises(ValueError, match="sequence"):
        writer.add(frame_of(1), np.zeros(3), ram=ram_of(1))
    writer.add(frame_of(2), 6, ram=ram_of(2))
    assert column(buffer, "actions") == [6]
    assert column(buffer, "ram") == [[2] * 4]


def test_continuous_actions(tmp_path: Path) -> None:
    with FrameBuffer.create(
        tmp_path / "buffer", 5, (3, 2, 3), action_dtype=np.float32, action_shape=(2,)
    ) as buffer:
        buffer.add(np.zeros((3, 2, 3), np.uint8), [0.5, -1.0])
        assert column(buffer, "actions") == [[0.5, -1.0]]


def test_closed_writer_writes_no_more_and_leaves_its_successor_alone(buffer: FrameBuffer) -> None:
    first = buffer.new_writer()
    first.add(frame_of(1), ram=ram_of(1))
    first.close()
    second = buffer.new_writer()
    assert second.folder_name == first.folder_name
    second.add(frame_of(2), ram=ram_of(2))
    first.close()
    with pytest.raises(RuntimeError, match="not open for writing"):
        first.add(frame_of(3), ram=ram_of(3))
    assert column(buffer, "truncations") == [True, False]
    assert column(buffer, "ram") == [[1] * 4, [2] * 4]
