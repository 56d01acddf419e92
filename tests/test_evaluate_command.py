"""`python -m atarigan.evaluate`: runs, and samples from files."""

import errno
import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from atarigan import evaluate, train
from atarigan.cli import command_line
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources.points import NoisySine
from atarigan.errors import InputError
from atarigan.evaluation.evaluate_arguments import EvaluateArguments
from atarigan.evaluation.features import ram_probe
from atarigan.files.npz_samples import read_samples

pytestmark = pytest.mark.usefixtures("no_curves_in_module")


@pytest.fixture(autouse=True)
def _short_probe_training(monkeypatch):
    monkeypatch.setattr(ram_probe, "NUM_TRAINING_FRAMES", 2000)


@pytest.fixture(scope="module")
def buffer(tmp_path_factory):
    """A buffer of a moving dot on a small screen, with its position as RAM."""
    path = tmp_path_factory.mktemp("data") / "buffer"
    with FrameBuffer.create(path, 120, (20, 24, 1), ram_size=4) as made:
        for number in range(120):
            row, column = number * 7 % 17, number * 5 % 21
            frame = np.zeros((20, 24, 1), np.uint8)
            frame[row : row + 2, column : column + 2] = 200
            made.add(frame, ram=np.array([row, column, 9, number], np.uint8))
    return path


@pytest.fixture
def no_pictures(monkeypatch):
    """Reports without pictures of frames, which other tests look at."""
    for name in ("show_frames", "show_motion"):
        monkeypatch.setattr(f"atarigan.evaluation.report.{name}", lambda *_: None)


MOTION = ("motion_distance", "pixels_changed", "pixels_returned", "small_moves", "small_blinks")


@pytest.fixture(scope="module")
def run(tmp_path_factory, buffer):
    out = tmp_path_factory.mktemp("runs") / "dot"
    words = ["--data", str(buffer), "--recipe", "atari", "--log", "none", "--device", "cpu"]
    words += ["--reconstruction-steps", "8"]
    assert train.main([*words, "--max-images", "1", "--out", str(out)]) == 0
    return out


def test_a_run_is_evaluated_against_its_own_source(run, capsys):
    assert evaluate.main(["--run", str(run), "--num", "50"]) == 0
    shown = capsys.readouterr()
    assert "dot: 50 samples against 50 of 120 real ones of frames, 1 episode" in shown.out
    assert "its training data" in shown.out
    assert "warning: the real frames are of 1 episode" in shown.err
    assert re.search(r"drawing 100%  160/160 samples", shown.err)  # frames, pairs, stacks of 4
    assert re.search(r"evaluating 100%  .* samples", shown.err)
    found = json.loads((run / "metrics.json").read_text())
    assert found["features"] == "ram-probe-v1"
    assert (found["num"], found["seed"], found["source"]) == (50, 0, "frames")
    assert found["stacks"] == 15  # half of what 120 frames hold
    assert set(MOTION) <= set(found["metrics"])
    for name, score in found["metrics"].items():
        low, high = score["interval"]
        assert low <= score["value"] <= high, name
        value = re.escape(format(score["value"], ".4g"))
        assert re.search(rf"^{name} +{value} ", shown.out, re.MULTILINE)
    page = (run / "evaluation.html").read_text()
    titles = ["Nearest real frames", "Best, typical and worst", "Pixel distances", "Histograms"]
    titles += ("Frames of the same states", "Consecutive frames", "Histograms of motion")
    for title in titles:
        assert f"<h2>{title}</h2>" in page
    assert page.count("data:image/png;base64,") == 8
    assert "http" not in page


def test_samples_of_a_file_are_evaluated(tmp_path, buffer, capsys):
    frames = FrameBuffer.open(buffer).sample(40, seed=0)
    np.savez(tmp_path / "mine.npz", anything=frames[..., 0])
    words = ["--samples", str(tmp_path / "mine.npz"), "--source", "frames", "--data", str(buffer)]
    assert evaluate.main([*words, "--json", str(tmp_path / "new" / "scores.json")]) == 0
    found = json.loads((tmp_path / "new" / "scores.json").read_text())
    assert found["num"] == 40
    assert found["metrics"]["valid_colors"]["value"] == 1
    assert (tmp_path / "mine-evaluation" / "evaluation.html").exists()
    capsys.readouterr()


def test_stacks_of_a_file_are_evaluated_by_their_motion(tmp_path, buffer, capsys, no_pictures):
    stacks = FrameBuffer.open(buffer).sample_stacks(40, 3, seed=0)
    values = []
    for name, wrong in (("right", stacks), ("still", np.repeat(stacks[:, -1:], 3, axis=1))):
        path = tmp_path / f"{name}.npz"
        np.savez(path, stacks=wrong)
        words = ["--samples", str(path), "--source", "frames", "--data", str(buffer)]
        assert evaluate.main([*words, "--features", "thumbnails-8x8"]) == 0
        found = json.loads((tmp_path / f"{name}-evaluation" / "metrics.json").read_text())
        assert (found["features"], found["num"], found["stacks"]) == ("thumbnails-8x8", 40, 20)
        values.append({name: score["value"] for name, score in found["metrics"].items()})
    right, still = values
    for name in set(right) - set(MOTION):
        assert right[name] == still[name]  # the newest frames are the same
    for name in ("motion_distance", "pixels_changed", "pixels_returned", "small_moves"):
        assert still[name] > 2 * right[name]
    capsys.readouterr()


def test_the_report_on_a_shipped_model_leaves_its_name_usable(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = EvaluateArguments(run="pong")
    assert arguments.folder == Path("pong-evaluation")
    Path("pong").mkdir()
    assert arguments.folder == Path("pong")


def test_points_are_evaluated_and_drawn(tmp_path, capsys):
    np.savez(tmp_path / "points.npz", points=NoisySine().draw(300, seed=1))
    words = ["--samples", str(tmp_path / "points.npz"), "--source", "sine"]
    assert evaluate.main([*words, "--out", str(tmp_path / "page")]) == 0
    found = json.loads((tmp_path / "page" / "metrics.json").read_text())
    assert found["metrics"]["cells_covered"]["value"] == 1
    assert "<h2>Coordinates</h2>" in (tmp_path / "page" / "evaluation.html").read_text()
    capsys.readouterr()


@pytest.mark.slow
def test_scores_are_reproducible_by_seed(run, tmp_path, capsys):
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        words = ["--run", str(run), "--num", "40", "--out", str(path), "--seed", str(seed)]
        assert evaluate.main(words) == 0
    first, again, other = (json.loads((each / "metrics.json").read_text()) for each in paths)
    assert first == again
    assert first["metrics"] != other["metrics"]
    capsys.readouterr()


def test_more_samples_than_memory_holds_are_refused(run):
    with pytest.raises(InputError, match="--num 1,000,000,000,000 needs about .* GB are free"):
        evaluate.main(["--run", str(run), "--num", str(10**12)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "either --run DIR or --samples FILE.npz"),
        (["--run", "a", "--samples", "b"], "either --run DIR or --samples FILE.npz"),
        (["--samples", "b.npz"], "--samples needs --source"),
        (["--samples", "b.npz", "--source", "sine"], "b.npz does not exist"),
        (["--run", "nowhere"], "nowhere does not exist"),
        (["--run", "a", "--num", "3"], "--num must be at least 4, not 3"),
        (["--run", "a", "--seed", str(10**23)], "--seed must be at most 9007199254740992, not 1"),
    ],
)
def test_mistakes_are_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        command_line.run(lambda: evaluate.main(words), command="evaluate")
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": np.zeros(3), "b": np.zeros(3)}, "must hold 1 array, not 2: a, b"),
        ({"a": np.zeros((4, 5, 5, 1))}, "not float64"),
        (
            {"a": np.zeros((4, 2, 5, 5, 1))},
            r"stacks of them uint8 .*, not float64 \(4, 2, 5, 5, 1\)",
        ),
        ({"a": np.array([{}], object)}, "not a readable .npz"),
    ],
)
def test_invalid_files_are_refused(tmp_path, content, message):
    np.savez(tmp_path / "x.npz", **content)
    with pytest.raises(InputError, match=message):
        read_samples(tmp_path / "x.npz")
    (tmp_path / "y.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"not a readable \.npz"):
        read_samples(tmp_path / "y.npz")


def test_features_and_stacks_that_do_not_fit_are_refused(tmp_path, buffer):
    np.savez(tmp_path / "x.npz", frames=FrameBuffer.open(buffer).sample(20, seed=0))
    words = ["--samples", str(tmp_path / "x.npz"), "--source", "frames", "--data", str(buffer)]
    for name, message in (
        ("thumbnails", "unknown features 'thumbnails': did you mean 'thumbnails-8x8'"),
        ("mnist-features-v1", "mnist-features-v1 needs frames uint8"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate.main([*words, "--features", name])
    np.savez(tmp_path / "stacks.npz", FrameBuffer.open(buffer).sample_stacks(20, 1, seed=0))
    words[1] = str(tmp_path / "stacks.npz")
    with pytest.raises(InputError, match="stacks must have at least 2 frames, not 1"):
        evaluate.main([*words, "--features", "thumbnails-8x8"])


def test_samples_of_another_size_are_refused_before_the_work_begins(tmp_path, buffer, monkeypatch):
    monkeypatch.setattr("atarigan.evaluation.build.evaluator_for", None)
    np.savez(tmp_path / "x.npz", frames=np.zeros((20, 9, 9, 1), np.uint8))
    words = ["--samples", str(tmp_path / "x.npz"), "--source", "frames", "--data", str(buffer)]
    with pytest.raises(InputError, match=r"samples must be \(N, 20, 24, 1\) .*not \(20, 9, 9, 1\)"):
        evaluate.main(words)


class FullOutput(io.StringIO):
    """A standard output on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_figures_are_written_before_they_are_printed(tmp_path, monkeypatch):
    np.savez(tmp_path / "curve.npz", points=NoisySine().draw(100, seed=1))
    monkeypatch.setattr(sys, "stdout", FullOutput())
    with pytest.raises(OSError, match="No space"):
        evaluate.main(["--samples", str(tmp_path / "curve.npz"), "--source", "sine"])
    folder = tmp_path / "curve-evaluation"
    assert json.loads((folder / "metrics.json").read_text())["metrics"]
    assert (folder / "evaluation.html").stat().st_size > 1000


def test_figures_that_cannot_be_written_are_printed(tmp_path, capsys):
    np.savez(tmp_path / "curve.npz", points=NoisySine().draw(100, seed=1))
    (tmp_path / "file").touch()
    words = ["--samples", str(tmp_path / "curve.npz"), "--source", "sine"]
    with pytest.raises(OSError, match="file"):
        evaluate.main([*words, "--json", str(tmp_path / "file" / "scores.json")])
    assert "sliced_wasserstein" in capsys.readouterr().out


def test_other_frames_than_those_of_the_training_are_held_out(run, tmp_path, capsys, no_pictures):
    path = tmp_path / "others"
    with FrameBuffer.create(path, 60, (20, 24, 1), ram_size=4) as made:
        for number in range(60):
            frame = np.zeros((20, 24, 1), np.uint8)
            frame[number % 17, number % 5] = 200
            made.add(frame, ram=np.array([number, 1, 9, number], np.uint8))
    words = ["--run", str(run), "--num", "20", "--out", str(tmp_path / "out")]
    assert evaluate.main([*words, "--data", str(path)]) == 0
    assert "held-out data" in capsys.readouterr().out
    assert "held-out data" in (tmp_path / "out" / "evaluation.html").read_text()
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert found["evaluated_on"] == "held-out data"
