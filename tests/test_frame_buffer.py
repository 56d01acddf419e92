"""A buffer on disk: made, filled by several, reopened, damaged, and read while it is written."""

import contextlib
import copy
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat, Frames
from tests import numbered_steps

SHAPE = (8, 8, 1)
ROOT = Path(__file__).parents[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "buffer"


def frame_of(number: int) -> Frames:
    return np.full(SHAPE, number % 256, np.uint8)


def fill(buffer: FrameBuffer, numbers: range) -> None:
    for number in numbers:
        buffer.add(frame_of(number), number, number)


def actions(buffer: FrameBuffer) -> list[int]:
    values: list[int] = buffer.values_at("actions", np.arange(len(buffer))).tolist()
    return values


def test_buffer_keeps_the_newest_steps(path: Path) -> None:
    with FrameBuffer.create(path, 10, SHAPE) as buffer:
        fill(buffer, range(15))
        assert actions(buffer) == list(range(5, 15))
        assert (len(buffer), buffer.num_collected) == (10, 15)


def test_reopened_buffer_holds_the_same_and_goes_on(path: Path) -> None:
    with FrameBuffer.create(path, 100, SHAPE) as buffer:
        fill(buffer, range(5))
    with FrameBuffer.open(str(path)) as again:
        assert actions(again) == list(range(5))
        fill(again, range(5, 8))
        assert again.num_writers == 1
    assert actions(FrameBuffer.open(path)) == list(range(8))


def test_everything_said_at_creation_is_there_on_opening(path: Path) -> None:
    frame_format = FrameFormat("palette", 210, 160, "ntsc")
    origin = Origin(
        env_id="ALE/Breakout-v5",
        env_kwargs={"mode": 4, "difficulty": None},
        action_meanings=("NOOP", "FIRE"),
        policy="random",
        seed=3,
        frame_skip=4,
        max_pool=True,
    )
    made = FrameBuffer.create(
        path,
        101,
        (210, 160, 1),
        frame_format=frame_format,
        num_writers=4,
        action_dtype="float32",
        action_shape=(3,),
        ram_size=128,
        origin=origin,
    )
    opened = FrameBuffer.open(path)
    assert opened.meta == made.meta
    assert opened.meta.frame_format == frame_format
    assert opened.meta.origin == origin
    assert opened.meta.capacity == 26
    assert opened.meta.versions["numpy"] == np.__version__


@pytest.mark.parametrize(("channels", "name"), [(1, "gray"), (3, "rgb")])
def test_format_follows_from_the_channels(path: Path, channels: int, name: str) -> None:
    buffer = FrameBuffer.create(path, 10, (5, 4, channels))
    assert buffer.meta.frame_format == FrameFormat(name, 5, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"capacity": 0}, "capacity must be an integer of at least 1, not 0"),
        ({"capacity": 2.5}, "capacity must be an integer of at least 1, not 2.5"),
        ({"num_writers": 0}, "num_writers must be an integer of at least 1, not 0"),
        ({"frame_shape": (0, 84, 1)}, "frame size must be at least 1x1, not 0x84"),
        ({"frame_shape": (84, 84, 4)}, r"frame_shape must be \(H, W, 1\) or \(H, W, 3\), not"),
        ({"frame_shape": (84, 84)}, r"frame_shape must be \(H, W, 1\) or \(H, W, 3\), not"),
        ({"frame_format": FrameFormat("rgb", 8, 8)}, r"is not the format's \(8, 8, 3\)"),
        ({"action_dtype": "int32"}, "action_dtype must be one of int64, float32, not 'int32'"),
        ({"action_shape": (0,)}, r"action_shape must hold sizes of at least 1, not \(0,\)"),
        ({"ram_size": -1}, "a state must have 1 to 1024 numbers, not -1"),
    ],
)
def test_impossible_buffer_is_refused_and_not_begun(
    path: Path, changes: dict[str, Any], message: str
) -> None:
    arguments: dict[str, Any] = {"capacity": 10, "frame_shape": SHAPE, **changes}
    with pytest.raises(InputError, match=message):
        FrameBuffer.create(path, **arguments)
    assert not path.exists()


def test_folder_in_another_buffer_is_refused(path: Path) -> None:
    FrameBuffer.create(path, 10, SHAPE)
    with pytest.raises(InputError, match=f"must not lie in another buffer, as it would in {path}"):
        FrameBuffer.create(path / "sets" / "test", 10, SHAPE)
    assert not (path / "sets").exists()


def test_folder_in_use_is_refused(path: Path) -> None:
    FrameBuffer.create(path, 10, SHAPE)
    with pytest.raises(InputError, match=f"{path} must not exist yet or be an empty folder"):
        FrameBuffer.create(path, 10, SHAPE)
    with pytest.raises(InputError, match=r"meta\.json must not exist yet or be an empty folder"):
        FrameBuffer.create(path / "meta.json", 10, SHAPE)


def test_one_of_many_that_create_a_buffer_together_does(path: Path) -> None:
    start = threading.Barrier(8)

    def create(ram_size: int) -> FrameBuffer | None:
        start.wait()
        with contextlib.suppress(InputError):
            return FrameBuffer.create(path, 10, SHAPE, ram_size=ram_size)
        return None

    with ThreadPoolExecutor(8) as threads:
        made = [buffer for buffer in threads.map(create, range(8)) if buffer is not None]
    assert len(made) == 1
    assert FrameBuffer.open(path).meta == made[0].meta
    assert [child.name for child in path.iterdir()] == ["meta.json"]


@pytest.mark.parametrize("place", ["empty", "a/b/c"])
def test_a_buffer_is_made_in_an_empty_folder_or_below_missing_ones(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "empty").mkdir()
    FrameBuffer.create(tmp_path / place, 10, SHAPE)
    assert FrameBuffer.open(tmp_path / place).meta.capacity == 10


@pytest.mark.parametrize("name", ["file", "folder"])
def test_what_is_no_buffer_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"{name} is not a frame buffer: it has no meta.json"):
        FrameBuffer.open(tmp_path / name)


def change_meta(**changes: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        meta = json.loads((path / "meta.json").read_text())
        (path / "meta.json").write_text(json.dumps({**meta, **changes}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "meta.json").write_bytes(b"\x00\xff"), "meta.json is not valid JSON"),
        (
            change_meta(format_version=7, rings=[]),
            "meta.json: format_version must be 1 or 2 or 3, not 7",
        ),
        (change_meta(capacity="many"), "meta.json: capacity must be int, not 'many'"),
        (change_meta(capacity=0), "meta.json: buffer capacity must be at least 1 step, not 0"),
        (change_meta(capacity=10**15), r"frames.npy must be an array of uint8 \(10{14}1, 8, 8, 1"),
        (change_meta(action_shape=[2] * 40), "actions.npy must be an array of int64"),
        (change_meta(extra=1), "meta.json: unknown setting 'extra'"),
        (change_meta(frame_format={"name": "gray"}), "frame_format: the setting 'height' is mis"),
        (
            change_meta(state={"kind": "ram", "size": 128, "dtype": "uint8"}),
            "state.npy is missing from the buffer",
        ),
        (lambda path: (path / "writer-000" / "rewards.npy").unlink(), "rewards.npy is missing"),
        (lambda path: os.truncate(path / "writer-000" / "frames.npy", 300), "frames.npy must be"),
    ],
)
def test_damaged_buffer_is_refused_by_the_files_name(
    path: Path, damage: Callable[[Path], None], message: str
) -> None:
    with FrameBuffer.create(path, 10, SHAPE) as buffer:
        fill(buffer, range(3))
    damage(path)
    with pytest.raises(InputError, match=message) as error:
        FrameBuffer.open(path)
    assert str(error.value).startswith(f"{path}/")
    assert "\n" not in str(error.value)


def test_each_writer_has_a_folder_that_the_next_one_takes_over(path: Path) -> None:
    with FrameBuffer.create(path, 30, SHAPE, num_writers=3) as buffer:
        writers = [buffer.new_writer() for _ in range(3)]
        assert [writer.folder_name for writer in writers] == [
            "writer-000",
            "writer-001",
            "writer-002",
        ]
        writers[1].close()
        assert buffer.new_writer().folder_name == "writer-001"
        assert buffer.new_writer().folder_name == "writer-003"
    assert sorted(child.name for child in path.iterdir() if child.is_dir()) == [
        f"writer-00{number}" for number in range(4)
    ]


def test_writers_that_start_together_get_a_folder_each(path: Path) -> None:
    """Locks hold between objects as between processes, so threads can stand in for those."""
    FrameBuffer.create(path, 100, SHAPE)
    start = threading.Barrier(16)

    def new_writer(buffer: FrameBuffer) -> str:
        start.wait()
        return buffer.new_writer().folder_name

    with contextlib.ExitStack() as stack, ThreadPoolExecutor(16) as threads:
        buffers = [stack.enter_context(FrameBuffer.open(path)) for _ in range(16)]
        names = sorted(threads.map(new_writer, buffers))
    assert names == [f"writer-{number:03d}" for number in range(16)]


def test_steps_are_numbered_writer_by_writer_in_every_reader(path: Path) -> None:
    with FrameBuffer.create(path, 20, SHAPE, num_writers=2) as first:
        second = FrameBuffer.open(path)
        fill(first, range(15))
        fill(second, range(100, 104))
        first.refresh()
        second.refresh()
        expected = [*range(5, 15), *range(100, 104)]
        assert actions(first) == actions(second) == actions(FrameBuffer.open(path)) == expected
        indices = np.array([13, 0, 10, 10])
        assert first.values_at("actions", indices).tolist() == [103, 5, 100, 100]
        assert first.values_at("frames", indices)[:, 0, 0, 0].tolist() == [103, 5, 100, 100]
        second.close()


@pytest.mark.parametrize("index", [-1, 3, 10**12])
def test_number_outside_the_buffer_is_refused(path: Path, index: int) -> None:
    with FrameBuffer.create(path, 10, SHAPE) as buffer:
        fill(buffer, range(3))
        with pytest.raises(IndexError, match=f"step {index} is outside 0 … 2"):
            buffer.values_at("rewards", np.array([0, index]))


def test_unknown_column_is_refused(path: Path) -> None:
    buffer = FrameBuffer.create(path, 10, SHAPE)
    with pytest.raises(InputError, match="stores no ram: frames, actions, rewards, term"):
        buffer.values_at("ram", np.array([0]))


def test_empty_buffer_has_nothing_to_sample(path: Path) -> None:
    buffer = FrameBuffer.create(path, 10, SHAPE)
    for sample in (
        lambda: buffer.sample(1),
        lambda: buffer.sample_stacks(1, 4),
        lambda: buffer.sample_transitions(1),
    ):
        with pytest.raises(InputError, match=f"{path} is empty: it holds 0 steps to sample from"):
            sample()


def test_sampled_frames_are_copies(path: Path) -> None:
    with FrameBuffer.create(path, 10, SHAPE) as buffer:
        fill(buffer, range(1, 2))
        buffer.sample(3)[:] = 99
        buffer.values_at("frames", np.array([0]))[:] = 99
        assert buffer.sample(1).max() == 1


def test_save_flushes_what_this_object_wrote(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    flush = np.memmap.flush

    def counted_flush(array: "np.memmap[Any, Any]") -> None:
        flushed.append((Path(str(array.filename)).name, array.mode))
        flush(array)

    with FrameBuffer.create(path, 10, SHAPE) as buffer:
        fill(buffer, range(3))
        monkeypatch.setattr(np.memmap, "flush", counted_flush)
        buffer.save()
        assert ("frames.npy", "r+") in flushed
        assert flushed[-1] == ("num_committed.npy", "r+")
        monkeypatch.undo()


@pytest.fixture
def start_writer(tmp_path: Path) -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Starts processes that fill a buffer with numbered steps, fast, until the test ends."""
    stop = tmp_path / "stop"
    started: list[subprocess.Popen[str]] = []

    def start(path: Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.numbered_steps", "write", str(path), str(stop)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    stop.touch()
    for process in started:
        errors = process.communicate(timeout=60)[1]
        assert process.returncode in (0, -signal.SIGKILL), errors


def wait_for(buffer: FrameBuffer, writers: list[Any], *, length: int, collected: int) -> None:
    while len(buffer) < length or buffer.num_collected < collected:
        assert all(writer.poll() is None for writer in writers), "a writer ended"
        buffer.refresh()


def test_reader_sees_whole_steps_while_two_processes_write_over_them(
    path: Path, start_writer: Callable[[Path], Any]
) -> None:
    buffer = numbered_steps.create(path, 400, num_writers=2)
    writers = [start_writer(path), start_writer(path)]
    wait_for(buffer, writers, length=400, collected=1000)
    rng = np.random.default_rng(0)
    for _ in range(300):
        numbered_steps.check(buffer.sample_transitions(32, num_stack=3, seed=rng))
    wait_for(buffer, writers, length=400, collected=3000)
    assert (buffer.num_writers, len(buffer)) == (2, 400)


@pytest.mark.slow  # the test before has one reader of two writers
@pytest.mark.parametrize("num_seconds", [1, 60])
def test_no_step_is_torn_for_three_readers_of_two_writers(
    path: Path, start_writer: Callable[[Path], Any], num_seconds: int
) -> None:
    buffer = numbered_steps.create(path, 400, num_writers=2)
    writers = [start_writer(path), start_writer(path)]
    wait_for(buffer, writers, length=400, collected=1000)
    command = [sys.executable, "-m", "tests.numbered_steps", "read", str(path), str(num_seconds)]
    readers = [
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for reader in readers:
        num_batches, errors = reader.communicate(timeout=300)
        assert reader.returncode == 0, errors
        assert int(num_batches) > 0
    assert all(writer.poll() is None for writer in writers)


def test_killed_writer_leaves_all_it_committed(
    path: Path, start_writer: Callable[[Path], Any]
) -> None:
    """Three times over, in the same buffer, at a moment that differs."""
    numbered_steps.create(path, 700)
    rng = random.Random(0)
    num_before = 0
    for _ in range(3):
        reader = FrameBuffer.open(path)
        writer = start_writer(path)
        wait_for(reader, [writer], length=0, collected=num_before + rng.randint(1, 1500))
        writer.kill()
        writer.wait(timeout=60)

        buffer = FrameBuffer.open(path)
        assert (buffer.num_writers, len(buffer)) == (1, min(700, buffer.num_collected))
        everything = np.arange(len(buffer))
        columns = {name: buffer.values_at(name, everything) for name in buffer.meta.columns}
        last = buffer.num_collected - 1
        assert columns["actions"].tolist() == list(range(last + 1 - len(buffer), last + 1))
        levels = columns["actions"] % 251
        assert (columns["frames"] == levels[:, None, None, None]).all()
        assert (columns["state"] == levels[:, None]).all()
        assert (columns["rewards"] == columns["actions"]).all()
        cut_off = columns["actions"][columns["truncations"]]
        assert (num_before - 1 in cut_off) == (num_before % 50 != 0 and num_before > last - 699)
        num_before = buffer.num_collected


def test_the_process_may_change_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    buffer = FrameBuffer.create("relative", 3, (2, 2, 1))
    monkeypatch.chdir("/")
    for step in range(2):  # the first step of a writer claims a ring in the folder
        buffer.add(np.full((2, 2, 1), step, np.uint8))
    assert buffer.path == tmp_path / "relative"
    monkeypatch.chdir(tmp_path)
    opened = FrameBuffer.open("relative")
    monkeypatch.chdir("/")
    opened.refresh()
    opened.new_writer().close()
    assert opened.num_writers == 2
    buffer.close()


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda buffer: pickle.loads(pickle.dumps(buffer))]
)
def test_copies_and_pickles_hold_the_path_and_open_the_buffer(tmp_path: Path, copied: Any) -> None:
    with FrameBuffer.create(tmp_path / "buffer", 100, (84, 84, 1)) as buffer:
        buffer.add(np.full((84, 84, 1), 7, np.uint8), action=3)
        assert len(pickle.dumps(buffer)) < 1000
        twin = copied(buffer)
        np.testing.assert_array_equal(twin.sample(4, seed=0), buffer.sample(4, seed=0))
        twin.add(np.zeros((84, 84, 1), np.uint8))  # in a writer of its own
        twin.close()
        assert twin.writer_lengths == [1, 1]
