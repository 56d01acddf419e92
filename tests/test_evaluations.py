"""Evaluation as a run goes: scores on record, the best checkpoint kept apart."""

import dataclasses
import json

import pytest
import torch

from atarigan.cli.stop_request import StopRequest
from atarigan.config.run_config import RunConfig
from atarigan.evaluation.evaluator import Evaluator
from atarigan.models.checkpoint import load_weights
from atarigan.models.frame_generator import FrameGenerator
from atarigan.training.build import build_trainer
from atarigan.training.observers import evaluations
from atarigan.training.observers.evaluations import Evaluations, read_lines
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer

SMALL = RunConfig(
    source="sine",
    network="mlp",
    objective="non_saturating",
    penalty="r1",
    penalty_weight=0.1,
    batch_size=40,
    critic_steps=1,
    device="cpu",
    max_images=200,
    evaluate_every_s=1e-9,
)


class Listener(Observer):
    def __init__(self):
        self.heard = []

    def after_evaluation(self, trainer, scores):
        self.heard.append((trainer.num_images, scores["sliced_wasserstein"]["value"]))


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr(evaluations, "NUM_SAMPLES", 100)


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def fake_values(monkeypatch, values):
    """Let evaluators find these values in turn."""
    values = iter(values)

    def scores(self, samples, progress=None):
        assert samples.shape == (evaluations.NUM_SAMPLES, 2)
        return {
            "sliced_wasserstein": {
                "value": next(values),
                "floor": 0.0,
                "interval": (0, 1),
                "better": "lower",
            }
        }

    monkeypatch.setattr(Evaluator, "scores", scores)


def test_every_evaluation_is_on_record_and_heard(folder):
    trainer, listener = build_trainer(SMALL), Listener()
    trainer.run([Evaluations(folder, trainer, [listener])], StopRequest())
    lines = read_lines(folder)
    assert [line["images"] for line in lines] == [40, 80, 120, 160, 200]
    assert listener.heard == [
        (line["images"], line["scores"]["sliced_wasserstein"]["value"]) for line in lines
    ]
    assert lines[0]["headline"] == "sliced_wasserstein"


def test_the_best_checkpoint_is_kept(folder, monkeypatch):
    fake_values(monkeypatch, [0.5, 0.2, 0.9, 0.3, 0.4])
    trainer = build_trainer(SMALL)
    weights = {}

    class Keeper(Observer):
        def after_step(self, trainer):
            weights[trainer.num_images] = {
                name: weight.clone()
                for name, weight in trainer.averaged_generator.state_dict().items()
            }

    trainer.run([Keeper(), Evaluations(folder, trainer)], StopRequest())
    kept = load_weights(folder.best)
    assert all(torch.equal(kept[name], weight) for name, weight in weights[80].items())
    assert FrameGenerator.load(folder.best).sample_points(5).shape == (5, 2)


def test_a_resumed_run_forgets_what_is_to_come_again(folder, monkeypatch):
    fake_values(monkeypatch, [0.5, 0.2, 0.9, 0.1, 0.4, 0.3, 0.6])
    trainer = build_trainer(SMALL)
    trainer.run([Evaluations(folder, trainer)], StopRequest())
    with folder.evaluations.open("a") as file:
        file.write('{"images": 2')  # a kill amid a line
    before = load_weights(folder.best)
    trainer.num_images = 80
    Evaluations(folder, trainer)
    assert [line["images"] for line in read_lines(folder)] == [40, 80]
    trainer.image_limit = 120
    trainer.run([Evaluations(folder, trainer)], StopRequest())  # 0.3, not as good as 0.2
    after = load_weights(folder.best)
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_a_run_is_trained_alike_with_and_without(folder):
    plain, watched = build_trainer(SMALL), build_trainer(SMALL)
    plain.run([], StopRequest())
    watched.run([Evaluations(folder, watched)], StopRequest())
    assert plain.num_images == watched.num_images
    for first, second in zip(
        plain.updates.generator.parameters(), watched.updates.generator.parameters(), strict=True
    ):
        assert torch.equal(first, second)


@pytest.mark.parametrize("every_s", [0.0, 300.0])
def test_a_moment_of_training_is_not_evaluated(folder, every_s):
    trainer = build_trainer(dataclasses.replace(SMALL, evaluate_every_s=every_s))
    trainer.run([Evaluations(folder, trainer)], StopRequest())
    assert read_lines(folder) == []
    assert not folder.best.exists()


@pytest.mark.parametrize(("elapsed_s", "num_evaluations"), [(540.0, 1), (560.0, 0)])
def test_near_the_end_it_waits_for_the_end(folder, elapsed_s, num_evaluations):
    config = dataclasses.replace(SMALL, max_images=0, max_minutes=10.0, evaluate_every_s=100.0)
    trainer = build_trainer(config)
    trainer.elapsed_s = elapsed_s
    Evaluations(folder, trainer).after_step(trainer)
    assert len(read_lines(folder)) == num_evaluations


def test_the_score_file_is_plain_json(folder):
    trainer = build_trainer(dataclasses.replace(SMALL, max_images=40))
    trainer.run([Evaluations(folder, trainer)], StopRequest())
    (line,) = folder.evaluations.read_text().splitlines()
    found = json.loads(line)["scores"]["sliced_wasserstein"]
    assert set(found) == {"value", "floor", "interval", "better"}
