"""The trial leaves the trainer as it was, and its choice is kept by checkpoints."""

import dataclasses

import pytest
import torch

from atarigan.training.build import build_trainer
from atarigan.training.objectives import OBJECTIVES
from atarigan.training.thread_trial import choose_num_threads
from tests.test_trainer import SMALL, run, weights


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("objective", ["wasserstein", "relativistic"])
def test_training_after_a_trial_equals_training_without(objective):
    assert objective in OBJECTIVES
    config = dataclasses.replace(SMALL, objective=objective)
    tried, untried = build_trainer(config), build_trainer(config)
    num_threads = choose_num_threads(tried)
    assert num_threads in (1, 2)
    assert torch.get_num_threads() == num_threads == tried.plan.num_threads
    assert tried.num_images == tried.num_steps == 0
    assert tried.losses == {}
    untried.use_threads(num_threads)
    assert torch.equal(weights(run(tried)), weights(run(untried)))


def test_a_number_in_the_environment_is_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    trainer = build_trainer(SMALL)
    assert choose_num_threads(trainer) == 2


def test_a_resumed_run_computes_with_the_same_number():
    trainer = build_trainer(SMALL)
    trainer.use_threads(1)
    resumed = build_trainer(SMALL)
    resumed.load_state_dict(trainer.state_dict())
    assert torch.get_num_threads() == resumed.plan.num_threads == 1
