"""The command that runs the peers' own suites."""

from pathlib import Path

import pytest

from tests import peer_suites


def test_without_sources_it_is_skipped_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ATARIGAN_PEERS", raising=False)
    monkeypatch.setattr("sys.argv", ["peer_suites"])
    assert peer_suites.main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "skipped: name a folder of checkouts by --sources or $ATARIGAN_PEERS"
    ]


def test_what_fails_only_within_our_wrappers_is_a_finding() -> None:
    idle = {"a": "passed", "b": "failed", "c": "passed", "d": "passed", "e": "cut off"}
    ours = {
        "a": "passed",
        "b": "failed",
        "c": "error",
        "d": "cut off",
        "e": "failed",
        "f": "failed",
    }
    assert peer_suites.only_ours(idle, ours) == {"c": "error", "d": "cut off", "f": "failed"}


@pytest.mark.slow  # processes that import everything
def test_a_suite_is_counted_although_files_hang_or_cannot_be_collected(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_hanging.py").write_text(
        "def test_first(): pass\ndef test_second():\n    while True: pass\n"
    )
    (tests / "test_missing.py").write_text("import a_package_that_nobody_has\n")
    (tests / "test_mixed.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pytest.skip()\n"
    )
    suite = peer_suites.Suite("peer", "single", ("tests",))
    files = [*peer_suites.files_of(suite, tmp_path)]
    assert files == ["tests/test_hanging.py", "tests/test_missing.py", "tests/test_mixed.py"]
    found: dict[str, str] = {}
    for file in files:
        found |= peer_suites.outcomes_of(suite, tmp_path, file, "idle", tmp_path, 20)
    assert found == {
        "tests/test_hanging.py::test_first": "passed",
        "tests/test_hanging.py::test_second": "cut off",
        "tests/test_missing.py": "error",
        "tests/test_mixed.py::test_a": "passed",
        "tests/test_mixed.py::test_b": "failed",
        "tests/test_mixed.py::test_c": "skipped",
    }
