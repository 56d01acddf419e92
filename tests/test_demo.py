"""The demo: all parts once, and again with its frames and its run."""

import pytest

from atarigan import demo
from atarigan.errors import InputError


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "NUM_RATE_BATCHES", 1)
    monkeypatch.setattr(demo, "RATE_BATCH_SIZE", 16)
    return ["--out", str(tmp_path / "demo"), "--num-steps", "60", "--max-minutes", "0.01",
            "--num-episode-steps", "12", "--env-id", "ALE/Pong-v5"]  # fmt: skip


def test_the_demo_writes_frames_run_pictures_and_rates(tmp_path, words, capsys):
    assert demo.main(words) == 0
    first = capsys.readouterr().out
    for rate in ("agent steps collected/s", "training images/s", "frames generated/s"):
        assert rate in first
    left = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {
        "frames",
        "checkpoints",
        "training.gif",
        "real_beside_generated.png",
        "episode.mp4",
    } <= left


@pytest.mark.slow
def test_the_demo_goes_on_with_its_frames(words, capsys):
    assert demo.main(words) == 0
    capsys.readouterr()
    assert demo.main(words) == 0
    again = capsys.readouterr().out
    assert "using the frames" in again
    assert "agent steps collected/s" not in again


def test_invalid_flags_are_refused(tmp_path):
    with pytest.raises(InputError, match="--num-steps must be at least 1, not 0"):
        demo.main(["--out", str(tmp_path), "--num-steps", "0"])
