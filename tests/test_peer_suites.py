"""The command that runs the peers' own suites."""

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
