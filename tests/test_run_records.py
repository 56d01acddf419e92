"""What a run writes of itself: history, curves, pictures, page, and logs."""

import csv
import dataclasses
import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser

import cv2
import imageio.v3 as iio
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atarigan import train
from atarigan.cli.stop_request import StopRequest
from atarigan.config.run_config import RunConfig
from atarigan.errors import InputError
from atarigan.training.build import build_trainer
from atarigan.training.measurements import critic_accuracy, measurements
from atarigan.training.observers.history import COLUMNS, History, read_rows
from atarigan.training.observers.logs import TensorboardLog
from atarigan.training.observers.run_page import write_page
from atarigan.training.observers.sample_pictures import SamplePictures
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer

SMALL = RunConfig(
    source="sine",
    network="mlp",
    objective="non_saturating",
    penalty="r1",
    penalty_weight=0.1,
    batch_size=40,
    latent_size=2,
    critic_steps=3,
    device="cpu",
    max_images=600,
    sample_every=240,
)


class EveryStep(Observer):
    """Lets what writes do so at every step, whatever the clock says."""

    def __init__(self, log):
        self.log = log

    def after_step(self, trainer):
        self.log.write(trainer)


def test_accuracies_count_the_last_batch():
    trainer = build_trainer(SMALL)
    assert critic_accuracy(trainer) == {}
    trainer.updates.outputs = (
        torch.tensor([1.0, 2.0, -1.0, 3.0]),
        torch.tensor([-1.0, 1.0, -2.0, -3.0]),
    )
    found = measurements(trainer)
    assert (found["true_positives"], found["false_negatives"]) == (3, 1)
    assert (found["false_positives"], found["true_negatives"]) == (1, 3)
    assert (found["real_accuracy"], found["fake_accuracy"], found["accuracy"]) == (0.75,) * 3
    assert found["real_output"] == 1.25


def test_history_has_a_row_a_step_and_goes_on_after_a_kill(tmp_path):
    folder = RunFolder(tmp_path)
    trainer = build_trainer(SMALL)
    trainer.run([EveryStep(History(folder, trainer))], StopRequest())
    rows = read_rows(folder.history)
    assert [row["images"] for row in rows] == [120, 240, 360, 480, 600]
    assert [row["epochs"] for row in rows] == [images / 6000 for images in range(120, 601, 120)]
    assert all(np.isnan(row.pop("reconstruction_loss")) for row in rows)  # there is none
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    with folder.history.open("a") as file:
        file.write("6,720,0.1")  # a kill amid a row
    trainer.num_images = 360  # the checkpoint that is resumed from
    History(folder, trainer)
    with folder.history.open(newline="") as file:
        kept = list(csv.DictReader(file))
    assert [row["images"] for row in kept] == ["120", "240", "360"]
    assert tuple(kept[0]) == COLUMNS


@pytest.mark.usefixtures("no_curves")
def test_what_is_resumed_with_nothing_left_to_do_adds_no_row(tmp_path):
    words = ["--recipe", "sine", "--max-images", "400", "--out", str(tmp_path)]
    assert train.main(words) == 0
    rows = (tmp_path / "history.csv").read_text()
    assert train.main(["--resume", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "history.csv").read_text() == rows
    assert "critic loss</dt><dd>nan" not in (tmp_path / "index.html").read_text()


def test_what_came_after_the_checkpoint_is_dropped_from_tensorboard(tmp_path):
    folder = RunFolder(tmp_path)
    trainer = build_trainer(SMALL)
    trainer.run([EveryStep(TensorboardLog(folder, trainer))], StopRequest())
    trainer.num_images = 360  # the checkpoint that is resumed from
    again = TensorboardLog(folder, trainer)
    trainer.num_images = 480
    again.write(trainer)
    again.at_end(trainer)
    events = EventAccumulator(str(folder.tensorboard)).Reload()
    steps = {event.step for event in events.Scalars("loss/critic_loss")}
    assert steps == {120, 240, 360, 480}


def test_history_of_a_long_run_is_bounded(tmp_path):
    trainer = build_trainer(SMALL)
    history = History(RunFolder(tmp_path), trainer)
    step_s = 3600.0 / 50_000
    trainer.updates.losses = {"critic_loss": torch.tensor(1.0), "generator_loss": torch.tensor(1.0)}
    for step in range(50_000):
        trainer.elapsed_s = step * step_s
        history.after_step(trainer)
    assert 1000 < len(read_rows(tmp_path / "history.csv")) < 25_000


def test_points_are_drawn_amid_the_critics_updates_too(tmp_path):
    folder = RunFolder(tmp_path)
    config = dataclasses.replace(SMALL, max_images=360, critic_pictures=2, save_arrays=True)
    trainer = build_trainer(config)
    trainer.run([SamplePictures(folder, trainer)], StopRequest())
    names = [path.name for path in folder.all_samples()]
    assert names == [
        "images-000000200000-critic.png".replace("200000", f"{n:06d}") if critic
        else f"images-{n:012d}.png"
        for n, critic in ((200, True), (240, True), (240, False), (360, False))
    ]  # fmt: skip
    video = cv2.VideoCapture(str(folder.animation(".mp4")))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == len(names)
    points = np.load(tmp_path / "samples" / "images-000000000240.npz")["points"]
    assert points.shape == (1000, 2)


@pytest.mark.usefixtures("no_curves")
def test_pictures_that_take_too_much_of_the_time_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("atarigan.training.observers.sample_pictures.NUM_IN_ANY_CASE", 2)
    monkeypatch.setattr("atarigan.training.observers.sample_pictures.MAX_TIME_SHARE", 0)
    (tmp_path / "images").mkdir()
    for number in range(6):
        image = np.full((12, 12, 3), 40 * number, np.uint8)
        iio.imwrite(tmp_path / "images" / f"{number}.png", image)
    images = {"source": "folder", "data": str(tmp_path / "images"), "network": "mlp_sigmoid"}
    for kind, num in (({}, 4), (images, 2 + 1)):  # of images the first two, and the one at the end
        folder = RunFolder(tmp_path / str(num))
        config = dataclasses.replace(SMALL, **kind, max_images=480, sample_every=40)
        trainer = build_trainer(config)
        trainer.run([SamplePictures(folder, trainer)], StopRequest())
        assert len(folder.all_samples()) == num


def test_classes_have_a_column_each(tmp_path):
    config = dataclasses.replace(
        SMALL, source="mnist", condition="class", max_images=120, save_arrays=True
    )
    try:
        trainer = build_trainer(config)
    except InputError:
        pytest.skip("needs ATARIGAN_DATA")
    folder = RunFolder(tmp_path)
    trainer.run([SamplePictures(folder, trainer)], StopRequest())
    frames = np.load(tmp_path / "samples" / "images-000000000120.npz")["frames"]
    assert frames.shape == (60, 28, 28, 1)
    (picture,) = (iio.imread(path) for path in folder.all_samples())
    scale = 3
    assert picture.shape[1] == 10 * (28 * scale + 2) + 2


class Page(HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_holds_everything_itself(tmp_path):
    out = tmp_path / "a <b> & run"
    assert train.main(["--recipe", "sine", "--out", str(out), "--max-images", "4000"]) == 0
    page = Page((out / "index.html").read_text(encoding="utf-8"))
    assert len(page.sources) == 3  # samples, animation, curves
    assert all(re.match(r"data:(image/png|video/mp4);base64,", each) for each in page.sources)
    text = " ".join(page.texts)
    assert "a <b> & run: mlp on sine" in text
    assert "4,000" in text
    assert "--resume" in text


def test_the_page_can_be_written_before_there_is_anything_to_show(tmp_path):
    trainer = build_trainer(SMALL)
    write_page(RunFolder(tmp_path), trainer)
    assert Page((tmp_path / "index.html").read_text()).sources == []


def test_wandb_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    words = ["--recipe", "sine", "--out", str(tmp_path), "--log", "wandb", "--max-images", "400"]
    with pytest.raises(InputError, match=r"pip install 'atarigan\[wandb\]'"):
        train.main(words)
    assert not list(tmp_path.iterdir()), "a run that never began must not be in the way of another"


@pytest.mark.slow
def test_wandb_works_offline(tmp_path):
    with warnings.catch_warnings(action="ignore"):
        pytest.importorskip("wandb")
    words = ["--recipe", "sine", "--log", "wandb", "--max-images", "4000", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "atarigan.train", *words]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    (log,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    content = log.read_bytes()
    for name in ("critic_loss", "generator_loss", "real_accuracy", "fake_accuracy",
                 "true_positives", "false_negatives", "samples"):  # fmt: skip
        assert name.encode() in content
    assert list(tmp_path.glob("wandb/offline-run-*/files/media/images/samples*.png"))
    words = ["--resume", "--max-images", "8000", "--out", str(tmp_path)]
    subprocess.run([*command[:3], *words], check=True, capture_output=True, timeout=120)
    logs = list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert len({log.name for log in logs}) == 1, "the same run must go on"
