"""Runs that are really lost: recognized, rolled back, and given up with healthy weights kept."""

import re

import pytest
import torch

from atarigan import train
from atarigan.models import checkpoint
from atarigan.models.frame_generator import FrameGenerator
from atarigan.training import health
from atarigan.training.build import build_trainer

pytestmark = pytest.mark.usefixtures("no_curves_in_module")
COMMON = ("--log", "none", "--sample-every", "0", "--max-images", "2000000")
LOST = {
    "loss is (nan|-?inf)|is not finite": (
        "--recipe", "sine", "--objective", "wasserstein", "--penalty", "none",
        "--critic-layers", *["32"] * 16, "--critic-lr", "0.99", "--batch-size", "4",
    ),
    "the gradient of the (critic|generator) has exploded": (
        "--recipe", "sine", "--objective", "wasserstein", "--penalty", "none",
        "--critic-lr", "0.05", "--generator-lr", "0.02",
    ),
    "the critic has won": (
        "--recipe", "sine", "--objective", "minimax", "--penalty", "none",
        "--generator-lr", "1e-9", "--critic-lr", "0.03",
    ),
    "the generator has collapsed": (
        "--recipe", "points", "--source", "ring", "--objective", "non_saturating",
        "--penalty", "none", "--generator-steps", "10", "--critic-lr", "1e-4",
        "--average-half-life", "0", "--batch-size", "16",
    ),
}  # fmt: skip
SLOW = (
    "the gradient of the (critic|generator) has exploded",
    "the critic has won",
    "the generator has collapsed",
)


@pytest.fixture(autouse=True)
def _frequent_checks(monkeypatch):
    monkeypatch.setattr(health, "STEPS_BETWEEN_CHECKS", 10)


@pytest.mark.parametrize(
    "sign",
    [pytest.param(sign, marks=[pytest.mark.slow] if sign in SLOW else []) for sign in LOST],
)
def test_a_lost_run_goes_back_and_gives_up_with_healthy_weights(tmp_path, capsys, sign):
    out = tmp_path / "run"
    words = [*LOST[sign], *COMMON, "--max-rollbacks", "1", "--out", str(out)]
    assert train.main(words) == 3
    events = (out / "events.txt").read_text().splitlines()
    assert len(events) == 2
    assert re.search(sign, events[0])
    assert "continued with half the learning rates (1 of 1)" in events[0]
    assert "given up" in events[1]
    output = capsys.readouterr()
    assert events[0] in output.err
    assert "keeps the last healthy weights" in output.out
    weights = checkpoint.load_weights(checkpoint.find_checkpoint(out))
    assert all(torch.isfinite(weight).all() for weight in weights.values())
    assert FrameGenerator.load(out).model.run.max_rollbacks == 1


def test_after_going_back_the_run_is_another_one_with_half_the_learning_rates(tmp_path):
    config = train.base_config(["--recipe", "sine"])
    trainer = build_trainer(config)
    batches = trainer.open_batches()
    for _ in range(3):
        trainer.train_step(batches)
    state = trainer.state_dict()
    first = trainer.updates.draw_latents(5)
    trainer.roll_back(state)
    assert not torch.equal(trainer.updates.draw_latents(5), first)
    again = trainer.open_batches()
    assert (next(again).real != next(batches).real).any()
    trainer.train_step(again)
    assert trainer.updates.generator_optimizer.param_groups[0]["lr"] == config.generator_lr / 2
    assert trainer.state_dict()["num_rollbacks"] == 1


@pytest.fixture
def trained():
    """A trainer after a few steps, and its monitor."""
    trainer = build_trainer(train.base_config(["--recipe", "sine"]))
    monitor = health.HealthMonitor(trainer)
    batches = trainer.open_batches()
    for _ in range(3):
        trainer.train_step(batches)
    assert monitor.problem(trainer) is None
    return trainer, monitor


def problems(trainer, monitor, num_checks):
    return [monitor.problem(trainer) for _ in range(num_checks)]


@pytest.mark.parametrize("name", ["critic", "generator"])
def test_a_gradient_that_is_many_times_its_first_value_has_exploded(trained, name):
    trainer, monitor = trained
    assert set(problems(trainer, monitor, health.NUM_FIRST)) == {None}
    for weight in getattr(trainer.updates, name).parameters():
        weight.grad *= 10 * health.EXPLODED
    (found,) = problems(trainer, monitor, 1)
    assert str(found).startswith(f"the gradient of the {name} has exploded: its norm is ")
    for weight in getattr(trainer.updates, name).parameters():
        weight.grad /= 10 * health.EXPLODED
    assert problems(trainer, monitor, 1) == [None]


@torch.no_grad()
def test_a_generator_that_draws_one_thing_only_has_collapsed(trained):
    trainer, monitor = trained
    for weight in trainer.averaged_generator.parameters():
        weight.zero_()
    *before, last = problems(trainer, monitor, health.NUM_IN_A_ROW)
    assert set(before) == {None}
    assert last == "the generator has collapsed: its samples spread 0.0% as far as real ones"


def test_a_perfect_critic_wins_only_where_the_generator_no_longer_learns(trained):
    trainer, monitor = trained
    trainer.updates.outputs = (torch.ones(8), -torch.ones(8))
    assert set(problems(trainer, monitor, 2 * health.NUM_IN_A_ROW)) == {None}
    for weight in trainer.updates.generator.parameters():
        weight.grad = torch.zeros_like(weight)
    *before, last = problems(trainer, monitor, health.NUM_IN_A_ROW)
    assert set(before) == {None}
    assert str(last).startswith("the critic has won")


@pytest.mark.slow
def test_zero_rollbacks_let_a_run_go_on_regardless(tmp_path):
    words = [*LOST["the critic has won"], *COMMON, "--max-images", "100000"]
    assert train.main([*words, "--max-rollbacks", "0", "--out", str(tmp_path)]) == 0
    assert not (tmp_path / "events.txt").exists()


def test_a_healthy_run_is_left_alone(tmp_path):
    words = ["--recipe", "sine", "--log", "none", "--max-images", "16000"]
    assert train.main([*words, "--out", str(tmp_path)]) == 0
    assert not (tmp_path / "events.txt").exists()


def test_spread_is_the_root_of_the_summed_variances():
    samples = torch.tensor([[0.0, 0.0], [2.0, 4.0]], dtype=torch.float64)
    assert health.spread(samples) == pytest.approx((2 + 8) ** 0.5)
    assert health.norm([torch.tensor([3.0]), torch.tensor([4.0])]) == pytest.approx(5)
