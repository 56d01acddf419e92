"""Steps that a worker sends, and the actor that stores and counts them, with no Ray in between."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import BufferMeta, Origin
from atarigan.data.buffer.writer import BufferWriter
from atarigan.data.collection import streamed_buffer
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.ray_coordinator import Begun, RayCoordinator
from atarigan.data.collection.streamed_buffer import ClaimedRing, StreamedBuffer, StreamedRing
from atarigan.data.collection.supervisor import error_of
from atarigan.data.collection.worker import Failure, Share, Signals, Tally, collect_share
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat

COUNTING = "tests.fakes:Counting-v0"
META = BufferMeta(FrameFormat("gray", 2, 3), capacity=100)


class Direct:
    """A receiver that calls the coordinator in this process."""

    def __init__(self, coordinator: RayCoordinator, attempt: int, tally: Tally) -> None:
        self.coordinator, self.who, self.tally = coordinator, (0, attempt), tally

    def claim(self) -> ClaimedRing:
        found = self.coordinator.claim(*self.who)
        assert isinstance(found, ClaimedRing)
        return found

    def extend(self, rows: streamed_buffer.Rows) -> None:
        tally = Tally(*(getattr(self.tally, name) for name, *_ in Tally._fields_))
        assert self.coordinator.extend(*self.who, rows, tally) is None

    def append_line(self, file_name: str, line: str) -> None:
        assert self.coordinator.append_line(*self.who, file_name, line) is None

    def release(self) -> None:
        self.coordinator.release(*self.who)


def begin(path: Path, capacity: int = 1000) -> FrameBuffer:
    return create_buffer(path, Origin(env_id=COUNTING), size=None, capacity=capacity)


def coordinator_of(share: Share, *, living: tuple[str, ...] = ("node",)) -> RayCoordinator:
    return RayCoordinator([share], lambda: set(living))


def begun(coordinator: RayCoordinator, streams: bool = True) -> Begun:
    found = coordinator.begin(0, "node", streams)
    assert isinstance(found, Begun)
    return found


def play(coordinator: RayCoordinator, share: Share, num_steps: int) -> Tally:
    """A task that plays so many steps, and sends them."""
    start, signals = begun(coordinator), Signals(1)
    tally = signals.tally(0)
    tally.num_steps = start.tally.num_steps
    direct = Direct(coordinator, start.attempt, tally)
    share = Share(**{**vars(share), "num_steps": num_steps, "attempt": start.attempt})
    return collect_share(share, signals, lambda _: StreamedBuffer(start.meta, direct))


def contents(path: Path) -> dict[str, Any]:
    buffer = FrameBuffer.open(path)
    rows = np.arange(len(buffer))
    return {name: buffer.values_at(name, rows).tolist() for name in buffer.meta.columns} | {
        "seeds": [(each / "seeds.jsonl").read_text() for each, *_ in buffer.writers]
    }


@pytest.mark.parametrize("capacity", [1000, 300], ids=["room", "overwrites"])
def test_sent_steps_are_those_that_would_be_written(tmp_path: Path, capacity: int) -> None:
    for name in ("sent", "written"):
        begin(tmp_path / name, capacity)
        for num_steps in (570, 13):
            share = Share(tmp_path / name, 0, num_steps, seed=3, overwrites=True)
            if name == "sent":
                play(coordinator_of(share), share, num_steps)
            else:
                collect_share(share, Signals(1))
    sent = contents(tmp_path / "sent")
    assert sent == contents(tmp_path / "written")
    assert len(sent["actions"]) == min(capacity, 583)


def test_another_task_goes_on_after_what_was_stored(tmp_path: Path) -> None:
    """The first one dies: what it kept in memory, and its episode's end, are not told."""
    buffer = begin(tmp_path / "buffer")
    share = Share(buffer.path, 0, 20, seed=0)
    coordinator = coordinator_of(share)
    start = begun(coordinator)
    lost = Direct(coordinator, start.attempt, Tally(env_seed=5, num_steps=7))
    writer = StreamedBuffer(start.meta, lost).new_writer()
    for _ in range(7):
        writer.add(np.zeros(start.meta.frame_format.shape, np.uint8), 0, 0.0)
    writer.record_seeds(1, 2)  # sends what there is
    writer.add(np.zeros(start.meta.frame_format.shape, np.uint8), 0, 0.0)
    play(coordinator, share, 20)
    assert coordinator.report(0, start.attempt, Tally(num_steps=99))  # it is to stop
    assert isinstance(coordinator.extend(0, start.attempt, {}, Tally()), Failure)
    coordinator.close()
    seen = coordinator.snapshot()
    assert [tally.num_steps for tally in seen.tallies] == [20]
    assert seen.steps_by_node == {"node": 20}
    (warning,) = seen.warnings
    assert warning.startswith("the task of environment 0 (seed 5) on node node died after 7 steps")
    assert coordinator.snapshot().warnings == []
    buffer.refresh()
    assert buffer.num_collected == 20
    assert buffer.values_at("truncations", np.array([5, 6])).tolist() == [False, True]


def test_steps_on_shared_storage_count_that_were_not_told(tmp_path: Path) -> None:
    buffer = begin(tmp_path / "buffer")
    coordinator = coordinator_of(Share(buffer.path, 0, 20, seed=0))
    start = begun(coordinator, streams=False)
    with buffer:
        writer = buffer.new_writer()
        claimed = ClaimedRing(buffer.path / writer.folder_name, writer.num_committed, writer.room)
        coordinator.claimed(0, start.attempt, claimed)
        coordinator.report(0, start.attempt, Tally(num_steps=2))
        for _ in range(7):
            writer.add(np.zeros(start.meta.frame_format.shape, np.uint8), 0, 0.0)
    assert begun(coordinator, streams=False).tally.num_steps == 7


def test_a_share_is_given_up_after_three_deaths_in_a_row(tmp_path: Path) -> None:
    buffer = begin(tmp_path / "buffer")
    coordinator = coordinator_of(Share(buffer.path, 0, 20, seed=0))
    for _ in range(3):
        begun(coordinator)
    failure = coordinator.begin(0, "other", True)
    assert isinstance(failure, Failure)
    assert str(error_of(failure, 0, Tally())) == (
        "environment 0 (seed 0) failed after 0 steps:\nits task died on node node, 3 times in a row"
    )


def test_nodes_that_are_lost_are_not_the_fault_of_a_share(tmp_path: Path) -> None:
    buffer = begin(tmp_path / "buffer")
    coordinator = coordinator_of(Share(buffer.path, 0, 20, seed=0), living=("other",))
    for _ in range(9):
        begun(coordinator)


def test_nothing_begins_after_a_stop(tmp_path: Path) -> None:
    coordinator = coordinator_of(Share(begin(tmp_path / "buffer").path, 0, 20, seed=0))
    start = begun(coordinator)
    assert not coordinator.report(0, start.attempt, Tally())
    coordinator.stop()
    assert coordinator.report(0, start.attempt, Tally())
    assert coordinator.begin(0, "node", True) is None


def test_a_damaged_ring_fails_the_task(tmp_path: Path) -> None:
    buffer = begin(tmp_path / "buffer")
    buffer.new_writer().close()
    coordinator = coordinator_of(Share(buffer.path, 0, 20, seed=0))
    (buffer.path / "writer-000" / "rewards.npy").write_bytes(b"")
    failure = coordinator.claim(0, begun(coordinator).attempt)
    assert isinstance(failure, Failure)
    assert isinstance(failure.reason, InputError)


class Recorder:
    def __init__(self) -> None:
        self.sent: list[list[int]] = []

    def extend(self, rows: streamed_buffer.Rows) -> None:
        self.sent.append(rows["frames"][:, 0, 0, 0].tolist())

    def release(self) -> None:
        self.sent.append([])


def test_rows_are_sent_when_there_are_enough_or_a_second_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streamed_buffer, "MAX_ROWS", 4)
    receiver: Any = Recorder()
    now_s = 0.0
    claimed = ClaimedRing(Path("ring"), 10, 100)
    ring = StreamedRing(claimed, META.columns, receiver, clock=lambda: now_s)
    writer = BufferWriter(ring)
    for number in range(7):
        writer.add(np.full((2, 3, 1), number, np.uint8))
        now_s += 1.5 if number == 5 else 0.1
    assert (writer.num_committed, writer.room) == (17, 93)
    writer.close()
    assert receiver.sent == [[0, 1, 2, 3], [4, 5], [6], []]


def test_rows_of_large_frames_are_sent_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_buffer, "MAX_BYTES", 30)
    receiver: Any = Recorder()
    ring = StreamedRing(ClaimedRing(Path("ring"), 0, 9), META.columns, receiver, clock=lambda: 0.0)
    writer = BufferWriter(ring)
    for number in range(3):
        writer.add(np.full((2, 3, 1), number, np.uint8))
    assert receiver.sent == [[0], [1]]
