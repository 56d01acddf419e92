"""What a person sees of long work: a bar on a terminal, lines in a log."""

import os
import subprocess
import sys

import pytest

from atarigan.cli.progress import ProgressDisplay


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.splitlines()


def test_log_gets_the_first_state_and_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay("collecting", "agent steps", 2000) as display:
        for completed in range(0, 2001):
            display.update(completed)
    first, last = lines_of(capsys)
    assert first.startswith("collecting   0%  0/2,000 agent steps  0/s")
    assert last.startswith("collecting 100%  2,000/2,000 agent steps  ")
    assert last.endswith("/s  0:00 left")


def test_note_stands_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay("training", "images", 10) as display:
        display.update(5, "critic loss -3.20")
    [line] = lines_of(capsys)
    assert line.startswith("training  50%  5/10 images")
    assert line.endswith("left  critic loss -3.20")


def test_without_a_limit_it_says_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay("training", "images") as display:
        display.update(12345)
    [line] = lines_of(capsys)
    assert line.startswith("training   0%  12,345 images")
    assert line.endswith("0:00 so far")


def test_time_limit_alone_gives_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay("training", "images", max_seconds=7200.0) as display:
        display.update(10)
    [line] = lines_of(capsys)
    assert line.startswith("training   0%  10 images")
    assert line.endswith(("2:00:00 left", "1:59:59 left"))


def test_time_spent_before_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay("training", "images", max_seconds=7200.0, spent_seconds=3600.0) as display:
        display.update(10)
    [line] = lines_of(capsys)
    assert line.startswith("training  50%  10 images")
    assert line.endswith(("1:00:00 left", "59:59 left"))


def test_nearer_limit_decides(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay("training", "images", 100, max_seconds=7200.0) as display:
        display.update(50)
    [line] = lines_of(capsys)
    assert line.startswith("training  50%  50/100 images")
    assert line.endswith("0:00 left")


def test_what_was_there_before_is_not_in_the_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay("training", "images", 1000, start=500) as display:
        display.update(500)
    [line] = lines_of(capsys)
    assert line.startswith("training  50%  500/1,000 images  0/s")


def test_last_state_is_shown_of_work_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with ProgressDisplay("collecting", "agent steps", 100) as display:
            display.update(1)
            display.update(70)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert lines_of(capsys)[-1].startswith("collecting  70%  70/100 agent steps")


SHOW_A_BAR = """
from atarigan.cli.progress import ProgressDisplay

with ProgressDisplay("collecting", "agent steps", 2000) as display:
    for completed in range(2001):
        display.update(completed)
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals to open")
def test_terminal_gets_a_bar_that_ends_full() -> None:
    terminal, other_end = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(
        [sys.executable, "-c", SHOW_A_BAR],
        stdout=subprocess.PIPE,
        stderr=other_end,
        env=environment,
    )
    os.close(other_end)
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(terminal)
    assert process.communicate(timeout=60)[0] == b""
    assert process.returncode == 0
    text = shown.decode()
    assert "━" in text
    assert "2,000/2,000 agent steps" in text
    assert text.count("\n") < 10


class GoneTerminal:
    """A standard error whose reader went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError

    def isatty(self) -> bool:
        return False


def test_work_goes_on_where_nobody_reads_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", GoneTerminal())
    num_done = 0
    with ProgressDisplay("training", "images", 3) as display:
        for num_done in range(1, 4):
            display.update(num_done)
    assert num_done == 3


def test_the_first_moments_give_no_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay("evaluating", "samples", 100_000) as display:
        display.update(250)
    [line] = lines_of(capsys)
    assert line.startswith("evaluating   0%  250/100,000 samples")
    assert line.endswith("0:00 so far")
