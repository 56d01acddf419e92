"""The demo does the whole job and leaves what there is to look at, twice."""

import pytest

from atarigan import demo
from atarigan.errors import InputError


def test_demo_leaves_frames_run_pictures_and_rates(tmp_path, capsys):
    words = ["--out", str(tmp_path / "demo"), "--num-steps", "60", "--max-minutes", "0.01",
             "--num-episode-steps", "12", "--env-id", "ALE/Pong-v5"]  # fmt: skip
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
    assert demo.main(words) == 0
    again = capsys.readouterr().out
    assert "using the frames" in again
    assert "agent steps collected/s" not in again


def test_demo_mistakes(tmp_path):
    with pytest.raises(InputError, match="--num-steps must be at least 1, not 0"):
        demo.main(["--out", str(tmp_path), "--num-steps", "0"])
