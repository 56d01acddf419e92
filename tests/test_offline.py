"""What is packed for a machine without a network, and what becomes of its parts."""

import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks import offline, trainings
from benchmarks.offline import OfflineError

WAITS = "import signal, subprocess, sys\nprint('began', flush=True)\n"
FOREVER = f"{WAITS}subprocess.run([sys.executable, '-c', 'import signal; signal.pause()'])"


@pytest.fixture
def machine(tmp_path: Path) -> offline.Machine:
    """This one, with a minute left."""
    pack, out = tmp_path / "pack", tmp_path / "out"
    for folder in (pack, out):
        folder.mkdir()
    (pack / offline.COMMIT).write_text("0123456789ab\n")
    deadline = time.monotonic() + 60
    return offline.Machine(pack, out, Path(sys.executable), "cpu", True, deadline)


def test_a_part_that_fails_is_reported_and_the_next_one_runs(
    machine: offline.Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = "import os; print(os.environ['ATARIGAN_COMMIT'], os.environ['ATARIGAN_DATA'])"
    programs = {"first": "raise SystemExit(3)", "second": names}
    parts = {
        name: lambda where, name=name, words=words: where.run(["-c", words], f"{name}.txt")
        for name, words in programs.items()
    }
    monkeypatch.setattr(offline, "PARTS", parts)
    assert offline.run(machine, list(parts), []) == 1
    report = json.loads((machine.out / "parts.json").read_text())
    assert [(each["part"], each["exit_status"]) for each in report] == [("first", 3), ("second", 0)]
    data = machine.pack / "data"
    assert (machine.out / "second.txt").read_text() == f"0123456789ab {data}\n"
    assert f"0123456789ab {data}" in capsys.readouterr().out


@pytest.mark.slow
def test_a_part_ends_at_its_limit_with_all_that_it_started(machine: offline.Machine) -> None:
    assert machine.run(["-c", FOREVER], "log.txt", limit_s=5.0) == 124
    assert "began" in (machine.out / "log.txt").read_text()


@pytest.mark.slow
def test_a_training_is_asked_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    saves = f"{WAITS}try: signal.pause()\nexcept KeyboardInterrupt: sys.exit('saved')"
    status, output = trainings.finished([sys.executable, "-c", saves], 5.0)
    assert (status, output.splitlines()[-1]) == (1, "saved")


def test_a_table_says_how_long_the_published_length_takes() -> None:
    rows = [
        trainings.Trained("mlp-gan", 0, 70.0, 6_000, 60.0, 100.0, 60_000.0),
        trainings.Trained("atari", 2, 3.0, line="no such data"),
    ]
    lines = trainings.table(rows).splitlines()
    assert lines[2] == "| mlp-gan | 6,000 | 60.0 | 100 | 60,000 | 70.0 |  |"
    assert lines[3].endswith("| exit status 2: no such data |")


def test_versions_are_those_of_the_constraints() -> None:
    constraints = (offline.ROOT / "constraints.txt").read_text().splitlines()
    for name in ("gymnasium", "stable_baselines3", "farama-notifications"):
        assert offline.pinned(name) in constraints
    assert offline.pinned("no-such-package") == "no-such-package"


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OfflineError, match="--out must be a new folder"):
        offline.pack(tmp_path, "3.12", None)
    assert offline.main(["run", str(tmp_path / "gone"), "--out", str(tmp_path / "out")]) == 2
    assert "must be a folder that `pack` filled" in capsys.readouterr().err
