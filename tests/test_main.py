"""`python -m atarigan`: the commands by name."""

import subprocess
import sys
from pathlib import Path

import pytest

from atarigan.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[1]


def test_every_command_is_listed() -> None:
    found = {
        path.stem for path in (ROOT / "atarigan").glob("[!_]*.py") if "__main__" in path.read_text()
    }
    assert set(COMMANDS) == found


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help"]])
def test_list_says_what_each_command_does(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 0
    output = capsys.readouterr()
    assert output.err == ""
    listed = [line.split(maxsplit=1) for line in output.out.splitlines() if line.startswith("  ")]
    assert [name for name, _ in listed] == list(COMMANDS)
    assert all(len(summary) > 20 for _, summary in listed)


def test_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["colect"]) == 2
    line = "python -m atarigan: unknown command 'colect': did you mean 'collect'? known: "
    error = capsys.readouterr().err
    assert error.startswith(line)
    assert error.count("\n") == 1


@pytest.mark.parametrize(("flags", "status"), [(["--help"], 0), (["--num-steps", "many"], 2)])
def test_command_gets_the_flags_and_gives_the_status(flags: list[str], status: int) -> None:
    command = [sys.executable, "-m", "atarigan", "collect", *flags]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == status
    assert "python -m atarigan.collect" in result.stdout + result.stderr
