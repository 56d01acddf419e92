"""`--ray`: what is refused in one line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atarigan import collect, evaluate
from atarigan.cli.command_line import run as run_command

COLLECT = ["--num-steps", "9", "--out"]
EVALUATE = ["--policy", "p.zip", "--env-id", "ALE/Pong-v5", "--episodes", "2", "--out"]


def refused(command: Any, words: list[str], capsys: Any) -> str:
    """The one line of a command that exits with status 2."""
    name = command.__name__.rpartition(".")[2]
    with pytest.raises(SystemExit) as end:
        run_command(lambda: command.main(words), command=name)
    assert end.value.code == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith(f"python -m atarigan.{name}: ")
    assert "\n" not in line
    return str(line)


def test_ray_that_is_not_installed_is_named(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    out = tmp_path / "out"
    line = refused(collect, [*COLLECT, str(out), "--ray", "auto"], capsys)
    assert line.endswith("ray is not installed: pip install 'atarigan[ray]'")
    assert not out.exists()


def test_ray_that_is_not_installed_is_named_before_a_policy_plays(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.chdir(tmp_path)
    line = refused(evaluate, [*EVALUATE, "out", "--ray", "auto"], capsys)
    assert "ray is not installed" in line
    assert not Path("out").exists()


def test_flags_that_need_others_are_refused(tmp_path: Path, capsys: Any) -> None:
    words = [*COLLECT, str(tmp_path / "out"), "--ray-stream"]
    assert "--ray-stream needs --ray" in refused(collect, words, capsys)
    words = ["--run", "pong", "--data", str(tmp_path), "--ray", "auto"]
    assert "--ray needs --policy FILE.zip" in refused(evaluate, words, capsys)


@pytest.mark.slow  # Ray looks for the cluster for seconds
@pytest.mark.parametrize("address", ["auto", "127.0.0.1:1", "nowhere", "ray://127.0.0.1:10001"])
def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, address: str) -> None:
    pytest.importorskip("ray")
    words = ["-m", "atarigan.collect", *COLLECT, str(tmp_path / "out"), "--ray", address]
    result = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=300)
    assert result.returncode == 2, result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("python -m atarigan.collect: --ray must be auto or ")
    assert repr(address) in line
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
