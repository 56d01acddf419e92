"""A rollback takes back everything that observers have written, in whatever order they stand."""

import dataclasses
import itertools

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atarigan.cli.stop_request import StopRequest
from atarigan.training.build import build_trainer
from atarigan.training.observers import evaluations
from atarigan.training.observers.evaluations import Evaluations, read_lines
from atarigan.training.observers.history import History, read_rows
from atarigan.training.observers.logs import TensorboardLog
from atarigan.training.observers.run_page import RunPage
from atarigan.training.observers.sample_pictures import SamplePictures
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer
from tests.test_evaluations import SMALL

CONFIG = dataclasses.replace(SMALL, max_images=200, sample_every=40)
KEPT, LOST = 80, 160


class RollBackOnce:
    """A guard that takes a run back from 160 images to its state at 80."""

    def __init__(self):
        self.state = None
        self.has_rolled_back = False

    def check(self, trainer, *, is_end):
        if trainer.num_images == KEPT and self.state is None:
            self.state = trainer.state_dict()
        if trainer.num_images != LOST or self.has_rolled_back or is_end:
            return False
        self.has_rolled_back = True
        trainer.roll_back(self.state)
        return True


class EveryStep(Observer):
    """Lets an observer write at every step, whatever the clock says."""

    def __init__(self, log):
        self.log = log

    def after_step(self, trainer):
        self.log.write(trainer)


def written(folder):
    """Images at which each file has an entry."""
    return {
        "history": [int(row["images"]) for row in read_rows(folder.history)],
        "evaluations": [line["images"] for line in read_lines(folder)],
        "samples": [int(path.stem.removeprefix("images-")) for path in folder.all_samples()],
    }


@pytest.mark.parametrize("is_reversed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_file_is_taken_back(tmp_path, monkeypatch, is_reversed):
    monkeypatch.setattr(evaluations, "NUM_SAMPLES", 50)
    trainer, folder = build_trainer(CONFIG), RunFolder(tmp_path)
    history, log = History(folder, trainer), TensorboardLog(folder, trainer)
    observers = [
        EveryStep(history), history, SamplePictures(folder, trainer), EveryStep(log), log,
        Evaluations(folder, trainer), RunPage(folder, trainer),
    ]  # fmt: skip
    trainer.run(observers[::-1] if is_reversed else observers, StopRequest(), RollBackOnce())
    assert trainer.num_rollbacks == 1
    every = list(range(40, 201, 40))
    files = written(folder)
    assert [*dict.fromkeys(files["history"])] == every
    assert files["history"] == sorted(files["history"])
    assert files["evaluations"] == every
    assert files["samples"] == every
    events = EventAccumulator(str(folder.tensorboard)).Reload().Scalars("loss/critic_loss")
    steps = [event.step for event in events]
    assert steps == sorted(steps)
    assert [step for step, _ in itertools.groupby(steps)] == every
