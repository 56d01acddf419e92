"""How every command takes flags, answers mistakes and ends."""

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from atarigan import train
from atarigan.cli import command_line
from atarigan.cli.terminal import discarded_stderr
from atarigan.errors import InputError


@dataclass(frozen=True)
class Arguments:
    """Fill a folder."""

    out: str
    """Folder to fill."""
    num_steps: int = 20
    """Agent steps to take."""
    epsilon: float = 0.5
    """Share of random actions."""
    policy: Literal["random", "scripted"] = "random"
    """Who acts."""
    append: bool = False
    """Go on with what is there."""


def parse(*words: str, default: Arguments | None = None) -> Arguments:
    return command_line.parse(Arguments, words, command="collect", default=default)


def test_flags_fill_the_dataclass() -> None:
    assert parse("--out", "x") == Arguments("x")
    assert parse("--out=x", "--num-steps", "3", "--policy", "scripted", "--append") == Arguments(
        "x", 3, policy="scripted", append=True
    )


def test_flags_override_what_is_given() -> None:
    default = Arguments("y", 7, append=True)
    assert parse("--num-steps", "8", default=default) == Arguments("y", 8, append=True)
    assert parse("--no-append", default=default) == Arguments("y", 7)


def test_help_says_what_each_flag_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse("--help")
    assert stop.value.code == 0
    output = capsys.readouterr()
    assert output.err == ""
    for text in ("python -m atarigan.collect", "Fill a folder.", "--num-steps INT", "Who acts."):
        assert text in output.out


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ((), ["must be given: --out"]),
        (("--out",), ["--out needs a value"]),
        (
            ("--out", "--policy random"),
            ["--out needs an equals sign before this value: --out='--policy random'"],
        ),
        (("--out", "x", "--num-step", "3"), ["--num-step", "Perhaps you meant: --num-steps"]),
        (
            ("--out", "x", "--num-steps", "three"),
            ["--num-steps must be a whole number, not 'three'"],
        ),
        (("--out", "x", "--epsilon", "no"), ["--epsilon must be a number, not 'no'"]),
        (("--out", "x", "--policy", "rand"), ["--policy", "'rand'", "'random', 'scripted'"]),
        (("--out", "x", "stray"), ["unknown: stray"]),
        (("--out", ""), ["--out must be some text, not ''"]),
        (("--out=x", "--policy="), ["--policy must be some text, not ''"]),
    ],
)
@pytest.mark.parametrize("columns", ["30", "80", "300"])
def test_wrong_flag_is_one_line_and_status_2(
    words: tuple[str, ...],
    texts: list[str],
    columns: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as stop:
        parse(*words)
    assert stop.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("python -m atarigan.collect: ")
    assert output.err.endswith("\n")
    assert output.err.count("\n") == 1
    assert not set(output.err) & set("│╭╮╰╯─")
    assert "---" not in output.err
    for text in texts:
        assert text in output.err


def test_a_folder_that_hides_the_package_is_named(tmp_path: Path) -> None:
    """An editable install is behind the present folder on Python's path of modules."""
    (tmp_path / "atarigan").mkdir()
    words = [sys.executable, "-m", "atarigan.collect", "--help"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode:  # an install of a wheel is not hidden
        assert done.returncode == 2
        assert done.stderr == (
            f"python -m atarigan.collect: run this from another folder: {tmp_path / 'atarigan'} "
            "hides the installed package\n"
        )


def fail_with(error: BaseException) -> Callable[[], int]:
    def main() -> int:
        raise error

    return main


@pytest.mark.parametrize(
    ("main", "status", "complaint"),
    [
        (lambda: None, 0, ""),
        (lambda: 0, 0, ""),
        (lambda: 130, 130, ""),
        (fail_with(KeyboardInterrupt()), 130, ""),
        (fail_with(InputError("--out must be\n a folder")), 2, "--out must be a folder"),
        (
            fail_with(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "data/frames.npy")),
            2,
            "data/frames.npy: no space left on device",
        ),
        (fail_with(OSError(errno.EACCES, os.strerror(errno.EACCES))), 2, "permission denied"),
    ],
)
def test_work_ends_in_a_status(
    main: Callable[[], int | None],
    status: int,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        command_line.run(main, command="train")
    assert stop.value.code == status
    expected = f"python -m atarigan.train: {complaint}\n" if complaint else ""
    assert capsys.readouterr().err == expected


def test_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        command_line.run(lambda: 1 // 0, command="train")


def test_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.run(lambda: len((tmp_path / "absent").read_bytes()), command="train")
    line = f"python -m atarigan.train: {tmp_path / 'absent'}: no such file or directory\n"
    assert capsys.readouterr().err == line


PRINT_MUCH = """
from atarigan.cli import command_line

def main():
    for _ in range(100_000):
        print("a line")

command_line.run(main, command="sample")
"""


def test_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_MUCH],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "a line\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 0


WAIT_FOR_EVER = """
import signal
from atarigan.cli import command_line

def main():
    print("waiting", flush=True)
    signal.pause()

command_line.run(main, command="train")
"""


def test_interrupt_is_status_130_without_a_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAIT_FOR_EVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 130


PRINT_ANYTHING = """
import sys
from atarigan.cli import command_line

def main():
    print("28\\xd728, Fr\\xe9chet \\u2264 \\u2026 \\u2603", "odd-\\udcff.npz")
    print("28\\xd728, Fr\\xe9chet", file=sys.stderr)

command_line.run(main, command="evaluate")
"""
ASCII_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def output_of(*command: str, **environment: str) -> tuple[int, bytes, bytes]:
    """Status, output and errors of a Python process."""
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"PYTHONIOENCODING": "ascii"}, b"28x28, Frechet <= ... \\u2603"),
        (ASCII_LOCALE, b"28x28, Frechet <= ... \\u2603"),
        ({"PYTHONIOENCODING": "latin-1"}, b"28\xd728, Fr\xe9chet <= ... \\u2603"),
        ({"PYTHONIOENCODING": "utf-8"}, "28×28, Fréchet ≤ … \u2603".encode()),
    ],
)
def test_every_text_prints_in_every_encoding(environment: dict[str, str], shown: bytes) -> None:
    status, output, errors = output_of("-c", PRINT_ANYTHING, **environment)
    assert (status, output) == (0, shown + b" odd-\xff.npz\n")
    assert b"chet" in errors
    assert b"Traceback" not in errors


def test_choices_are_listed_in_an_ascii_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="ascii"))
    with pytest.raises(SystemExit) as stop:
        command_line.run(lambda: train.main(["--list"]), command="train")
    sys.stdout.flush()
    assert (stop.value.code, capsys.readouterr().err) == (0, "")
    assert b"60,000 handwritten digits, 28x28 gray" in printed.getvalue()


@pytest.mark.skipif(os.name != "posix", reason="closes file descriptors as a shell does")
@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-"])
def test_closed_outputs_do_not_fail_a_command(closed: str, tmp_path: Path) -> None:
    done = tmp_path / "done"
    code = (
        "from pathlib import Path; from atarigan.cli import command_line, progress\n"
        "def main():\n"
        "    with progress.ProgressDisplay('working', 'steps', 9) as display:\n"
        "        display.update(9)\n"
        "    print('a result')\n"
        f"    Path({str(done)!r}).touch()\n"
        "command_line.run(main, command='train')"
    )
    shell = f'exec "$0" -c "$1" {closed}'
    ended = subprocess.run(["sh", "-c", shell, sys.executable, code], check=False, timeout=60)
    assert ended.returncode == 0
    assert done.exists()


@pytest.mark.skipif(os.name != "posix", reason="ignores a signal as nohup and shells do")
def test_a_command_that_ignores_interrupts_ends_by_sigterm() -> None:
    command = 'trap "" INT; exec "$0" -c "$1"'
    with subprocess.Popen(
        ["sh", "-c", command, sys.executable, WAIT_FOR_EVER], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == -signal.SIGTERM


def test_what_a_library_writes_to_stderr_is_discarded_for_a_while(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with discarded_stderr():
        os.write(2, b"lost\n")
    os.write(2, b"kept\n")
    assert capfd.readouterr().err == "kept\n"
