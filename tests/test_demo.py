"""The demo: all parts once, and again with its frames and its run."""

import pytest

from atarigan import demo
from atarigan.errors import InputError


@pytest.fixture
def words(tmp_path, light_workers, monkeypatch):
    monkeypatch.setattr(demo, "NUM_RATE_BATCHES", 1)
    monkeypatch.setattr(demo, "RATE_BATCH_SIZE", 16)
    monkeypatch.setattr("atarigan.training.observers.history.draw_curves", lambda folder: None)
    return ["--out", str(tmp_path / "demo"), "--num-steps", "60", "--max-minutes", "0.01",
            "--num-episode-steps", "12", "--env-id", "ALE/Pong-v5"]  # fmt: skip


def test_the_demo_writes_frames_run_pictures_and_rates(tmp_path, words, capsys):
    assert demo.main([*words, "--recipe", "atari-frames"]) == 0
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


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--num-steps", "0", "--num-steps must be at least 1, not 0"),
        ("--num-episode-steps", "10001", "--num-episode-steps must be at most 10000, not 10001"),
        ("--max-minutes", "0", "--max-minutes must be above 0, not 0"),
        ("--max-minutes", "inf", "--max-minutes must be at most 9007199254740992, not inf"),
        ("--seed", "-1", "--seed must be at least 0, not -1"),
        ("--recipe", "atary", "unknown recipe 'atary': did you mean 'atari'"),
        ("--recipe", "sine", "--recipe must be one for frames, not 'sine' for sine"),
    ],
)
def test_invalid_flags_are_refused_before_anything_is_collected(tmp_path, flag, value, message):
    out = tmp_path / "demo"
    with pytest.raises(InputError, match=message):
        demo.main(["--out", str(out), "--num-steps", "1", flag, value])
    assert not out.exists()


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "meta.json").touch()
    with pytest.raises(InputError, match="must be a new or empty folder, and it holds a frame buf"):
        demo.main(["--out", str(tmp_path), "--num-steps", "1"])
    assert [path.name for path in tmp_path.iterdir()] == ["meta.json"]
