"""Whatever happens to a collection, what it had committed is there, whole, and it can go on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from atarigan import collect
from tests.killed_collection import ROOT, Killed, check_steps, num_collected, survived
from tests.small_disk import run_on_small_disk

pytestmark = pytest.mark.usefixtures("light_workers")
COMMAND = [sys.executable, "-m", "atarigan.collect"]


@pytest.mark.parametrize("num_kills", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_every_committed_step_is_whole_after_a_kill(tmp_path: Path, num_kills: int) -> None:
    path = tmp_path / "buffer"
    kills = survived(path, num_kills)
    assert len(kills) == num_kills
    num_before = num_collected(path)
    assert num_before > 0
    words = ["--append", "--num-steps", "20", "--num-envs", "1", "--out", str(path)]
    assert collect.main(words) == 0
    assert num_collected(path) == num_before + 20
    check_steps(path, Killed(num_before, num_before + 20))


def test_a_step_that_does_not_belong_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "buffer"
    words = ["--frame-format", "palette", "--frame-size", "native", "--num-envs", "1"]
    assert collect.main([*words, "--num-steps", "30", "--out", str(path)]) == 0
    check_steps(path, Killed(0, 30))
    for name in ("frames", "state", "rewards"):
        column = np.load(path / "writer-000" / f"{name}.npy", mmap_mode="r+")
        kept = column[20:21].copy()
        column[20:21].flat[0] += 1
        with pytest.raises(AssertionError):
            check_steps(path, Killed(0, 30))
        column[20:21] = kept


def test_the_disk_filling_up_in_mid_run_is_one_line(tmp_path: Path) -> None:
    """Blocks are claimed as steps are stored, so the disk is full in the middle of the run."""
    disk = tmp_path / "disk"
    disk.mkdir()
    replay = (
        "import sys; from tests.killed_collection import *; path = Path(sys.argv[1]);"
        "num = num_collected(path); check_steps(path, Killed(0, num)); print(num)"
    )
    flags = "--num-steps 20000 --num-envs 1 --frame-size native --frame-format palette"
    script = '"$0" -m atarigan.collect --out "$1" $3; echo "status $?"; "$0" -c "$2" "$1"'
    command = ["sh", "-c", script, sys.executable, str(disk / "buffer"), replay, flags]
    result = run_on_small_disk(disk, command, num_mib=16)
    check_one_line(result.stderr, "no space left on device")
    status, num_steps = result.stdout.splitlines()
    assert status == "status 2"
    assert int(num_steps) > 200


@pytest.mark.slow
def test_permission_lost_in_mid_run_is_one_line(tmp_path: Path) -> None:
    """Files that are open stay so; the next blocks of one are asked for by its name."""
    path = tmp_path / "buffer"
    words = ["--num-steps", "100000", "--num-envs", "1", "--frame-size", "native"]
    words += ["--frame-format", "palette", "--out", str(path)]
    process = subprocess.Popen(
        [*without_roots_rights(), *COMMAND, *words], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    while num_collected(path) < 20:
        assert process.poll() is None, process.communicate()
    for file in (path / "writer-000").glob("*.npy"):
        file.chmod(0o444)
    errors = process.communicate(timeout=120)[1]
    assert process.returncode == 2
    check_one_line(errors, ".npy: permission denied")
    num = num_collected(path)
    assert 20 <= num < 100_000
    check_steps(path, Killed(0, num))


def without_roots_rights() -> list[str]:
    """What begins a command for which root, too, may only do what a file's mode says."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv command to go without root's rights")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def check_one_line(errors: str, message: str) -> None:
    lines = [line for line in errors.splitlines() if not line.startswith("collecting ")]
    assert len(lines) == 1, errors
    assert lines[0].startswith("python -m atarigan.collect: ")
    assert message in lines[0]
