import contextlib
import errno
import gc
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from atarigan.data.buffer.ring import Column, Ring
from atarigan.errors import InputError
from atarigan.files.writer_lock import InUseError
from tests.small_disk import run_on_small_disk

COLUMNS: dict[str, Column] = {"frames": ("uint8", (4, 3, 1)), "rewards": ("float32", ())}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "writer-000"
    Ring.create(folder, COLUMNS, capacity=10)
    return folder


def write(folder: Path, numbers: range) -> None:
    """Rows that hold their own number."""
    ring = Ring(folder, COLUMNS, 10, writable=True)
    for number in numbers:
        slot = ring.stage()
        ring.frame_at(slot)[:] = number
        ring.columns["rewards"][slot] = number
        ring.commit()
    ring.close()


def readable(ring: Ring) -> list[float]:
    slots = np.arange(ring.oldest, ring.num_committed) % ring.num_slots
    assert (ring.columns["frames"][slots, 0, 0, 0] == ring.columns["rewards"][slots]).all()
    rewards: list[float] = ring.columns["rewards"][slots].tolist()
    return rewards


def test_new_ring_is_empty(folder: Path) -> None:
    ring = Ring(folder, COLUMNS, 10)
    assert (len(ring), ring.num_committed, ring.oldest) == (0, 0, 0)


def test_ring_keeps_the_newest_rows(folder: Path) -> None:
    write(folder, range(15))
    ring = Ring(folder, COLUMNS, 10)
    assert readable(ring) == list(range(5, 15))
    assert (len(ring), ring.num_committed) == (10, 15)


@pytest.mark.parametrize("num", [1, 3, 11, 40])
def test_rows_that_are_added_together_are_those_added_one_by_one(folder: Path, num: int) -> None:
    write(folder, range(4))
    ring = Ring(folder, COLUMNS, 10, writable=True)
    rows = np.arange(4, 4 + 3 * num)
    for part in np.split(rows, 3):
        frames = np.broadcast_to(part[:, None, None, None], (len(part), 4, 3, 1))
        ring.extend({"frames": frames.astype(np.uint8), "rewards": part.astype(np.float32)})
        assert readable(ring) == list(range(4 + len(rows)))[: part[-1] + 1][-10:]
    ring.close()
    assert ring.num_committed == 4 + len(rows)


def test_rows_of_many_pages_are_readable_once_they_are_committed(tmp_path: Path) -> None:
    columns: dict[str, Column] = {"frames": ("uint8", (210, 160, 1)), "rewards": ("float32", ())}
    Ring.create(tmp_path / "writer-000", columns, capacity=3)
    writer = Ring(tmp_path / "writer-000", columns, 3, writable=True)
    reader = Ring(tmp_path / "writer-000", columns, 3)
    for number in range(1, 8):
        slot = writer.stage()
        writer.frame_at(slot)[:] = number
        writer.columns["rewards"][slot] = number
        before = readable(reader)
        writer.commit()
        assert readable(reader) == [*before, number][-3:]
    writer.close()
    assert (Ring(tmp_path / "writer-000", columns, 3).columns["frames"][:3] > 0).all()


@pytest.mark.parametrize("num_rows", [1, 9, 10, 11, 12, 21, 22, 23, 100])
def test_ring_holds_what_fits_after_any_number_of_rows(folder: Path, num_rows: int) -> None:
    write(folder, range(num_rows))
    assert readable(Ring(folder, COLUMNS, 10)) == list(range(max(0, num_rows - 10), num_rows))


def test_reopened_ring_goes_on_where_it_ended(folder: Path) -> None:
    for start in range(0, 25, 5):
        write(folder, range(start, start + 5))
    assert readable(Ring(folder, COLUMNS, 10)) == list(range(15, 25))


def test_row_being_filled_changes_nothing_that_can_be_read(folder: Path) -> None:
    write(folder, range(13))
    ring = Ring(folder, COLUMNS, 10, writable=True)
    slot = ring.stage()
    ring.columns["frames"][slot] = 99
    reader = Ring(folder, COLUMNS, 10)
    assert readable(reader) == list(range(3, 13))
    ring.columns["rewards"][slot] = 99
    ring.commit()
    assert readable(reader) == [*range(4, 13), 99]
    ring.close()


def test_row_staged_again_takes_the_place_of_the_first(folder: Path) -> None:
    ring = Ring(folder, COLUMNS, 10, writable=True)
    assert ring.stage() == ring.stage() == 0
    ring.close()


def test_second_writer_is_refused_until_the_first_closes(folder: Path) -> None:
    first = Ring(folder, COLUMNS, 10, writable=True)
    with pytest.raises(InUseError, match="writer-000 is being written by another process"):
        Ring(folder, COLUMNS, 10, writable=True)
    first.close()
    first.close()
    Ring(folder, COLUMNS, 10, writable=True).close()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_file_system_without_locks_is_named_with_what_to_do(
    folder: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    reason = os.strerror(number).lower()
    with pytest.raises(
        InputError, match=rf"writer-000/lock must be on .* locks, .* \({reason}\): .* local disk"
    ):
        Ring(folder, COLUMNS, 10, writable=True)
    assert len(Ring(folder, COLUMNS, 10)) == 0


def test_only_an_open_writer_can_write(folder: Path) -> None:
    reader = Ring(folder, COLUMNS, 10)
    with pytest.raises(RuntimeError, match="writer-000 is not open for writing"):
        reader.stage()
    with pytest.raises(ValueError, match="read-only"):
        reader.columns["rewards"][0] = 1.0
    closed = Ring(folder, COLUMNS, 10, writable=True)
    closed.close()
    with pytest.raises(RuntimeError, match="not open for writing"):
        closed.stage()


def test_files_are_plain_npy(folder: Path) -> None:
    write(folder, range(3))
    assert np.load(folder / "frames.npy").shape == (11, 4, 3, 1)
    assert np.load(folder / "num_committed.npy").tolist() == [3]


def damage_header(path: Path) -> None:
    """Flip bytes in the header's dictionary, which NumPy reads as Python text."""
    content = bytearray(path.read_bytes())
    rng = random.Random(path.stat().st_size + content[20])
    for _ in range(4):
        content[rng.randrange(10, 70)] = rng.choice(b"(){}[]'\",:\\#\x00\xff")
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is missing from the buffer"),
        (lambda path: path.write_bytes(b""), "not a file whose header cannot be read"),
        (lambda path: path.write_bytes(b"garbage" * 40), "not a file whose header cannot be read"),
        (damage_header, "not a file whose header cannot be read"),
        (lambda path: os.truncate(path, 200), "must be 260 bytes long, not 200"),
        (lambda path: os.truncate(path, 261), "must be 260 bytes long, not 261"),
        (lambda path: np.save(path, np.zeros((11, 4, 3, 1), "int8")), r"not int8 \(11, 4, 3, 1\)"),
        (lambda path: np.save(path, np.zeros((11, 3, 4, 1), "uint8")), r"not uint8 \(11, 3, 4, 1"),
        (lambda path: np.save(path, np.zeros((9, 4, 3, 1), "uint8")), r"not uint8 \(9, 4, 3, 1\)"),
        (
            lambda path: np.save(path, np.asfortranarray(np.zeros((11, 4, 3, 1), "uint8"))),
            "not uint8 .* in Fortran order",
        ),
        (lambda path: np.save(path, np.array([{}])), r"not object \(1,\)"),
    ],
)
@pytest.mark.parametrize("writable", [False, True])
def test_damaged_column_is_named(
    folder: Path, damage: object, message: str, writable: bool
) -> None:
    write(folder, range(3))
    damage(folder / "frames.npy")  # type: ignore[operator]
    with pytest.raises(InputError, match=rf"writer-000/frames\.npy .*{message}"):
        Ring(folder, COLUMNS, 10, writable=writable)


@pytest.mark.parametrize("num_rounds", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_rings_open_in_many_threads_at_once(folder: Path, num_rounds: int) -> None:
    """CPython 3.11's parser fails when garbage collection switches threads within it."""

    def switch_threads(phase: str, info: dict[str, int]) -> None:
        sum(range(200))

    def open_rings(_: int) -> None:
        for _ in range(num_rounds):
            assert Ring(folder, COLUMNS, 10).columns["frames"].shape == (11, 4, 3, 1)

    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-5)
    gc.set_threshold(50)
    gc.callbacks.append(switch_threads)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(open_rings, range(8)))
    finally:
        gc.callbacks.remove(switch_threads)
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)


def test_every_damaged_header_is_refused_or_says_the_same(folder: Path) -> None:
    path = folder / "frames.npy"
    content = path.read_bytes()
    rng = random.Random(0)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 5)):
            damaged[rng.randrange(128)] = rng.choice([*b"(){}[]'\",: \\#", rng.randrange(256)])
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            assert Ring(folder, COLUMNS, 10).columns["frames"].shape == (11, 4, 3, 1)


def test_impossible_count_is_refused(folder: Path) -> None:
    np.save(folder / "num_committed.npy", np.array([-1]))
    with pytest.raises(InputError, match=r"num_committed\.npy must hold at least 0 steps, not -1"):
        Ring(folder, COLUMNS, 10)


def test_ring_too_large_for_any_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rewards.npy must be at most"):
        Ring.create(tmp_path / "ring", {"rewards": ("float32", ())}, capacity=10**30)


FILL_A_DISK = """
import sys
from pathlib import Path
from atarigan.data.buffer.ring import Ring

columns = {"frames": ("uint8", (1024, 1024, 1)), "rewards": ("float32", ())}
folder = Path(sys.argv[1]) / "writer-000"
Ring.create(folder, columns, 64)
ring = Ring(folder, columns, 64, writable=True)
try:
    for number in range(64):
        slot = ring.stage()
        ring.frame_at(slot)[:] = ring.columns["rewards"][slot] = number
        ring.commit()
except OSError as error:
    reader = Ring(folder, columns, 64)
    print(error.strerror, error.filename, len(reader), *reader.columns["frames"][:, 0, 0, 0])
"""


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="cannot claim blocks ahead")
def test_full_disk_is_an_error_and_leaves_what_was_committed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILL_A_DISK, str(tmp_path)]
    writer = run_on_small_disk(tmp_path, command, num_mib=20)
    assert (writer.returncode, writer.stderr) == (0, "")
    reason, _, rest = writer.stdout.partition(str(tmp_path))
    path, num_rows, *numbers = rest.split()
    assert (reason.strip(), path) == ("No space left on device", "/writer-000/frames.npy")
    assert 8 <= int(num_rows) < 20
    assert [int(number) for number in numbers[: int(num_rows)]] == list(range(int(num_rows)))


CREATE_UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
from atarigan.data.buffer.ring import Ring

resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
try:
    Ring.create(Path(sys.argv[1]), {"frames": ("uint8", (1024, 1024, 1))}, 64)
except OSError as error:
    print(error.filename)
"""


def test_ring_that_cannot_be_made_names_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "writer-000"
    command = [sys.executable, "-c", CREATE_UNDER_A_LIMIT, str(folder)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert output.strip() == str(folder / "frames.npy")


def test_disk_blocks_are_taken_as_rows_come(tmp_path: Path) -> None:
    columns: dict[str, Column] = {"frames": ("uint8", (1024, 1024, 1))}
    folder = tmp_path / "writer-000"
    Ring.create(folder, columns, capacity=1000)
    frames = folder / "frames.npy"
    assert frames.stat().st_size > 1000 << 20
    assert frames.stat().st_blocks * 512 < 1 << 20
    ring = Ring(folder, columns, 1000, writable=True)
    ring.stage()
    ring.close()
    assert frames.stat().st_blocks * 512 < 20 << 20
