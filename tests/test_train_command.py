"""`atarigan.train` and `atarigan.sample` as a user types them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import imageio.v3 as iio
import numpy as np
import pytest

from atarigan import sample, train
from atarigan.cli.command_line import run as run_command
from atarigan.config.dream_config import DREAM
from atarigan.config.recipes import recipe_summaries
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources import SOURCES
from atarigan.errors import InputError
from atarigan.models.checkpoint import find_checkpoint, load_training_state
from atarigan.models.families import NETWORKS
from atarigan.training.objectives import OBJECTIVES
from atarigan.training.penalties import PENALTIES
from atarigan.training.trainer import Trainer

TINY = ["--network", "mlp", "--batch-size", "16", "--critic-steps", "2", "--device", "cpu"]


def run_train(*words):
    return train.main([str(word) for word in words])


@pytest.fixture(scope="module")
def buffer(tmp_path_factory):
    """Twenty gray frames with a bar that moves."""
    path = tmp_path_factory.mktemp("bar") / "buffer"
    with FrameBuffer.create(path, 20, (20, 24, 1)) as made:
        for column in range(20):
            frame = np.zeros((20, 24, 1), np.uint8)
            frame[12:14, column : column + 4] = 200
            made.add(frame)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, buffer):
    """A finished run, to look at and not to change."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert run_train("--out", out, "--data", buffer, "--recipe", "atari-frames",
                     "--network", "dcgan", "--batch-size", 8,
                     "--max-images", 48, "--sample-every", 16) == 0  # fmt: skip
    return out


def test_a_run_leaves_everything_in_its_folder(run):
    names = {path.relative_to(run).parts[0] for path in run.rglob("*")}
    assert names == {
        "checkpoints", "config.json", "curves.png", "history.csv", "index.html",
        "real_beside_generated.png", "samples", "tensorboard", "training.gif", "training.mp4",
    }  # fmt: skip
    assert len(list((run / "samples").iterdir())) == 3
    assert json.loads((run / "config.json").read_text())["run"]["network"] == "dcgan"
    animation = iio.imread(run / "training.gif")
    assert len(animation) == 3


def test_a_folder_in_use_is_not_overwritten(run, buffer):
    with pytest.raises(InputError, match=r"holds a run already.*--resume"):
        run_train("--out", run, "--data", buffer)


@pytest.mark.usefixtures("no_curves")
def test_resume_goes_on_with_the_runs_own_settings(tmp_path, run):
    out = shutil.copytree(run, tmp_path / "run")
    assert run_train("--out", out, "--resume", "--max-images", 64) == 0
    state = load_training_state(find_checkpoint(out))
    assert state["num_images"] == 64


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--latent-size", 5, "--latent-size must stay 128 in a run that is resumed, not 5"),
        (
            "--condition",
            "code",
            "--condition must stay 'none' in a run that is resumed, not 'code'",
        ),
    ],
)
def test_a_resumed_run_keeps_its_networks(run, flag, value, message):
    with pytest.raises(InputError, match=message):
        run_train("--out", run, "--resume", flag, value)


def test_list_names_every_choice_with_a_line_on_it(capsys):
    assert train.main(["--list"]) == 0
    _, *sections = re.split(r"^--\w+$", capsys.readouterr().out, flags=re.MULTILINE)
    recipes = [*recipe_summaries(), DREAM]
    tables: Any = (SOURCES, OBJECTIVES, PENALTIES, NETWORKS, recipes)
    for section, table in zip(sections, tables, strict=True):
        lines = section.strip("\n").splitlines()
        assert [line.split()[0] for line in lines] == list(table)
        assert all(len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize("source", list(SOURCES))
def test_every_source_has_a_recipe_to_start_from(source):
    config = train.parse(["--source", source, "--out", "x"]).run
    assert config.source == source
    assert config.max_minutes > 0


def test_frames_are_told_of_memory_where_it_was_stored(tmp_path, buffer):
    with FrameBuffer.create(tmp_path / "states", 1, (20, 24, 1), ram_size=3) as made:
        made.add(np.zeros((20, 24, 1), np.uint8), ram=np.zeros(3, np.uint8))
    for data, condition in ((tmp_path / "states", "ram"), (buffer, "code")):
        assert train.parse(["--data", str(data), "--out", "x"]).run.condition == condition


def test_a_limit_that_is_named_takes_the_place_of_the_recipes():
    run = train.parse(["--recipe", "sine", "--max-epochs", "2", "--out", "x"]).run
    assert (run.max_epochs, run.max_minutes, run.max_images) == (2.0, 0.0, 0)
    assert train.parse(["--recipe", "sine", "--out", "x"]).run.max_minutes == 3.0


def test_flags_override_a_config_file(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"source": "sine", "network": "mlp", "batch_size": 7}))
    arguments = train.parse(["--config", str(path), "--out", "x", "--batch-size", "9"])
    assert arguments.run.network == "mlp"
    assert arguments.run.batch_size == 9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--network", "dcgam", "--source", "sine"], "did you mean 'dcgan'"),
        (["--objective", "wassrstein"], "did you mean 'wasserstein'"),
        (["--penalty", "r3"], "did you mean 'r1'"),
        (["--source", "frame"], "did you mean 'frames'"),
        (["--source", "sine", "--network", "dcgan"], r"'dcgan' needs samples of shape \(C, H, W\)"),
        (["--objective", "energy", "--network", "dcgan"],
         "--objective energy does not go with --network dcgan"),
        (["--data", "nowhere"], "nowhere does not exist"),
        (["--recipe", "sinus"], "unknown recipe 'sinus'"),
        (["--config", "nowhere.json"], "nowhere.json does not exist"),
        (["--resume"], "config.json does not exist"),
        (["--recipe", "a", "--config", "b"], "exclude one another"),
        (["--batch-size", "0"], "--batch-size must be at least 1, not 0"),
        (["--generator-lr", "-1"], "--generator-lr must be between 0 and 1, not -1"),
        (["--momentum", "1"], "--beta1 must be at least 0 and below 1, not 1"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_and_leave_no_folder(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: train.main(["--out", "out", *words]), command="train")
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message.replace("\\", "") in error
    assert not Path("out").exists()


@pytest.mark.usefixtures("no_curves")
def test_ctrl_c_saves_and_exits_130(tmp_path, monkeypatch, capsys):
    """It is pressed in the third step."""
    train_step = Trainer.train_step

    def pressed(trainer, *arguments):
        if trainer.num_steps == 2:
            signal.raise_signal(signal.SIGINT)
        train_step(trainer, *arguments)

    monkeypatch.setattr(Trainer, "train_step", pressed)
    assert run_train("--out", tmp_path, "--source", "sine", *TINY, "--log", "none") == 130
    assert load_training_state(find_checkpoint(tmp_path))["num_images"] == 3 * 2 * 16
    assert "96 images" in capsys.readouterr().out


@pytest.mark.slow
def test_ctrl_c_ends_the_process_with_status_130(tmp_path):
    out = tmp_path / "run"
    words = [sys.executable, "-m", "atarigan.train", "--out", str(out), "--source", "sine", *TINY,
             "--checkpoint-every-s", "0", "--sample-every", "64", "--log", "none"]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(out.glob("samples/*.png")):  # it is training now
        with pytest.raises(subprocess.TimeoutExpired):  # and has not ended
            process.wait(timeout=0.1)
    os.kill(process.pid, signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert process.returncode == 130, error.decode()
    state = load_training_state(find_checkpoint(out))
    assert state["num_images"] > 0
    assert f"{state['num_images']:,} images" in output.decode()


@pytest.mark.parametrize("name", ["grid.png", "walk.gif", "walk.mp4", "frames.npz"])
def test_sample_writes_what_the_ending_says(run, tmp_path, name):
    out = tmp_path / "out" / name
    assert sample.main(["--run", str(run), "--out", str(out), "--num", "12"]) == 0
    if out.suffix == ".npz":
        frames = np.load(out, allow_pickle=False)["frames"]
        assert frames.shape == (12, 20, 24, 1)
        assert frames.dtype == np.uint8
    elif out.suffix == ".png":
        assert iio.imread(out).shape[2] == 3
    elif out.suffix == ".gif":
        assert len(iio.imread(out)) == 12
    else:
        assert cv2.VideoCapture(str(out)).get(cv2.CAP_PROP_FRAME_COUNT) == 12


@pytest.mark.usefixtures("no_curves")
def test_sample_points(tmp_path):
    run_train("--out", tmp_path, "--source", "sine", *TINY, "--max-images", 64, "--log", "none")
    assert sample.main(["--run", str(tmp_path), "--out", str(tmp_path / "p.npz")]) == 0
    points = np.load(tmp_path / "p.npz", allow_pickle=False)["points"]
    assert points.shape == (64, 2)
    assert points.dtype == np.float32
    assert sample.main(["--run", str(tmp_path), "--out", str(tmp_path / "p.png")]) == 0
    with pytest.raises(InputError, match="not frames"):
        sample.main(["--run", str(tmp_path), "--out", str(tmp_path / "p.gif")])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "x.jpg"], "must end in .png, .gif, .mp4 or .npz, not 'x.jpg'"),
        (["--out", "x.png", "--num", "0"], "--num must be at least 1, not 0"),
        (["--out", "x.png"], "nowhere does not exist"),
    ],
)
def test_sample_mistakes(words, message):
    with pytest.raises(InputError, match=message):
        sample.main(["--run", "nowhere", *words])


def test_a_folder_without_images_says_how_many_files_it_has(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "animation.gif").touch()
    words = ["--source", "folder", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]
    with pytest.raises(InputError, match=r"at least 1 image \(.*\), not 0; other files: 1"):
        train.main(words)


@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize("every_s", ["0", "300"])
def test_a_run_without_evaluations_announces_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], every_s: str
) -> None:
    words = ["--source", "ring", "--out", str(tmp_path / "run"), "--max-images", "256"]
    assert train.main([*words, "--log", "none", "--evaluate-every-s", every_s]) == 0
    assert ("evaluating samples" in capsys.readouterr().out) == (every_s == "300")
