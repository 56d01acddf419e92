"""The loop learns, stops where it is told, and goes on exactly where it was stopped."""

import dataclasses
import itertools
import time

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from atarigan.cli.stop_request import StopRequest
from atarigan.config.run_config import RunConfig
from atarigan.data.sources.points import PointSet
from atarigan.errors import InputError
from atarigan.models.model_config import ModelConfig
from atarigan.training.build import build_trainer
from atarigan.training.objectives import OBJECTIVES
from atarigan.training.penalties import PENALTIES
from atarigan.training.trainer import Observer
from atarigan.training.updates import MovingAverage

SMALL = RunConfig(
    source="sine",
    network="mlp",
    batch_size=32,
    latent_size=4,
    penalty_weight=0.1,
    critic_steps=2,
    device="cpu",
    max_images=320,
)


class StepCounter(Observer):
    def __init__(self) -> None:
        self.num_steps = 0
        self.has_ended = False

    def after_step(self, trainer) -> None:
        self.num_steps += 1

    def at_end(self, trainer) -> None:
        self.has_ended = True


def run(trainer, *observers):
    trainer.run(observers, StopRequest())
    return trainer


def weights(trainer):
    return torch.cat([p.detach().flatten() for p in trainer.updates.generator.parameters()])


def test_minutes_are_counted_by_the_clock_that_is_chosen(monkeypatch):
    times = itertools.count(0.0, 60.0)
    monkeypatch.setattr(time, "process_time", lambda: next(times))
    config = dataclasses.replace(SMALL, max_images=0, max_minutes=3.0, clock="cpu")
    trainer = run(build_trainer(config))
    assert (trainer.num_steps, trainer.elapsed_s) == (3, 180.0)


def test_stops_at_the_image_limit_and_tells_its_observers():
    counter = StepCounter()
    trainer = run(build_trainer(SMALL), counter)
    assert trainer.num_images == 320
    assert trainer.num_steps == counter.num_steps == 5
    assert counter.has_ended


def test_stops_after_as_many_epochs():
    config = dataclasses.replace(SMALL, max_images=0, max_epochs=0.5, batch_size=300)
    trainer = run(build_trainer(config))
    assert trainer.num_images == trainer.image_limit == 3000
    nearer = dataclasses.replace(config, max_images=600)
    assert run(build_trainer(nearer)).num_images == 600


def test_a_step_has_as_many_updates_of_both_networks_as_said():
    class Updates(Observer):
        num_critic = 0

        def after_critic_update(self, trainer) -> None:
            self.num_critic += 1

    updates = Updates()
    config = dataclasses.replace(SMALL, critic_steps=3, generator_steps=4, max_images=2 * 3 * 32)
    trainer = run(build_trainer(config), updates)
    assert updates.num_critic == 2 * 3
    (first, *_) = trainer.updates.generator_optimizer.state.values()
    assert int(first["step"]) == 2 * 4


def test_a_latent_bank_is_all_there_is():
    trainer = build_trainer(dataclasses.replace(SMALL, latent_bank=5))
    drawn = trainer.updates.draw_latents(200)
    assert len(drawn.unique(dim=0)) == 5
    assert_resumes_exactly(dataclasses.replace(SMALL, latent_bank=5))


def test_dropout_is_resumed_exactly():
    assert_resumes_exactly(dataclasses.replace(SMALL, network="mlp_norm"))


@pytest.mark.parametrize(("prior", "low", "high"), [("uniform", -1, 1), ("unit", 0, 1)])
def test_bounded_priors(prior, low, high):
    latents = build_trainer(dataclasses.replace(SMALL, latent_prior=prior)).updates.draw_latents(
        2000
    )
    assert low <= latents.min() < low + 0.01
    assert high - 0.01 < latents.max() <= high


def test_learning_rates_fall_to_their_final_share():
    class Rates(StepCounter):
        seen: tuple[tuple[float, ...], ...] = ()

        def after_step(self, trainer) -> None:
            groups = (trainer.updates.generator_optimizer, trainer.updates.critic_optimizer)
            self.seen += (tuple(group.param_groups[0]["lr"] for group in groups),)

    rates = Rates()
    config = dataclasses.replace(SMALL, final_lr=0.2, generator_lr=1e-3, critic_lr=1e-4)
    run(build_trainer(config), rates)
    shares = [1.0, 0.84, 0.68, 0.52, 0.36]
    np.testing.assert_allclose(rates.seen, [(1e-3 * share, 1e-4 * share) for share in shares])
    constant = Rates()
    run(build_trainer(SMALL), constant)
    assert len(set(constant.seen)) == 1


def test_stops_when_asked():
    stop = StopRequest()

    class Stopper(StepCounter):
        def after_step(self, trainer) -> None:
            stop.is_set = trainer.num_steps == 2

    trainer = build_trainer(dataclasses.replace(SMALL, max_images=0))
    trainer.run([Stopper()], stop)
    assert trainer.num_steps == 2


def test_same_seed_same_weights_other_seed_other_weights():
    first, again = run(build_trainer(SMALL)), run(build_trainer(SMALL))
    other = run(build_trainer(dataclasses.replace(SMALL, seed=1)))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.parametrize(
    ("objective", "penalty"),
    [
        *((name, "gradient") for name in OBJECTIVES if not OBJECTIVES[name].needs_energy),
        *(("wasserstein", name) for name in PENALTIES if name != "gradient"),
    ],
)
def test_resumed_training_equals_uninterrupted_training(objective, penalty):
    config = dataclasses.replace(SMALL, objective=objective, penalty=penalty, penalty_every=3)
    assert_resumes_exactly(config)


@pytest.mark.parametrize("objective", [n for n in OBJECTIVES if OBJECTIVES[n].needs_energy])
def test_resumed_training_with_energies_equals_uninterrupted_training(objective, tmp_path):
    for number in range(8):
        iio.imwrite(tmp_path / f"{number}.png", np.full((9, 8, 3), 30 * number, np.uint8))
    assert_resumes_exactly(
        dataclasses.replace(
            SMALL, source="folder", data=str(tmp_path), network="autoencoder", objective=objective
        )
    )


def assert_resumes_exactly(config):
    """After four of seven steps: with `penalty_every` 3, not where a penalty is due next."""
    whole = run(build_trainer(dataclasses.replace(config, max_images=448)))
    state = run(build_trainer(dataclasses.replace(config, max_images=256))).state_dict()
    resumed = build_trainer(dataclasses.replace(config, max_images=448))
    resumed.load_state_dict(state)
    run(resumed)
    assert resumed.num_steps == whole.num_steps == 7
    assert torch.equal(weights(resumed), weights(whole))
    for ours, theirs in zip(
        resumed.averaged_generator.parameters(), whole.averaged_generator.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_both_networks_change_and_losses_are_finite():
    trainer = build_trainer(SMALL)
    critic_weight = next(trainer.updates.critic.parameters())
    generator_before, critic_before = weights(trainer), critic_weight.clone()
    run(trainer)
    assert not torch.equal(generator_before, weights(trainer))
    assert not torch.equal(critic_before, critic_weight)
    assert all(value.isfinite() for value in trainer.updates.losses.values())
    assert set(trainer.updates.losses) == {"critic_loss", "generator_loss", "penalty"}
    assert [outputs.shape for outputs in trainer.updates.outputs] == [(32,), (32,)]


@pytest.mark.slow
def test_learns_where_the_points_are():
    """A shifted Gaussian blob: the generated mean and spread come near the real ones."""
    config = dataclasses.replace(
        SMALL,
        max_images=24_000,
        batch_size=64,
        critic_steps=3,
        penalty_weight=1.0,
        generator_lr=1e-3,
        critic_lr=1e-3,
        beta2=0.99,
    )
    trainer = build_trainer(config)
    blob = np.random.default_rng(0).normal([1.5, -1.0], 0.5, (4000, 2)).astype(np.float32)
    trainer.source = PointSet(blob)
    run(trainer)
    with torch.no_grad():
        made = trainer.averaged_generator(trainer.updates.draw_latents(2000)).numpy()
    np.testing.assert_allclose(made.mean(0), [1.5, -1.0], atol=0.2)
    np.testing.assert_allclose(made.std(0), [0.5, 0.5], atol=0.15)


def test_moving_average_is_the_exponential_average_by_images():
    trainer = build_trainer(SMALL)
    generator = trainer.updates.generator
    average = MovingAverage(generator, half_life=100)
    start = [p.clone() for p in generator.parameters()]
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter += 1.0
    average.update(generator, num_images=10_000, num_new_images=100)
    for averaged, before in zip(average.generator.parameters(), start, strict=True):
        torch.testing.assert_close(averaged, before + 0.5)
    average.update(generator, num_images=10, num_new_images=10)  # half-life 1: all but forgotten
    for averaged, before in zip(average.generator.parameters(), start, strict=True):
        torch.testing.assert_close(averaged, before + 1.0, atol=1e-3, rtol=0)


def test_average_half_life_zero_follows_the_generator():
    trainer = run(build_trainer(dataclasses.replace(SMALL, average_half_life=0)))
    for averaged, live in zip(
        trainer.averaged_generator.parameters(), trainer.updates.generator.parameters(), strict=True
    ):
        assert torch.equal(averaged, live)


def test_model_config_names_the_sample():
    model = build_trainer(SMALL).model
    assert isinstance(model, ModelConfig)
    assert model.sample.shape == (2,)


@pytest.mark.parametrize("penalty", ["gradient", "r1r2", "none"])
def test_a_batch_in_parts_is_the_batch(penalty):
    whole = dataclasses.replace(SMALL, penalty=penalty, max_images=192)
    in_parts = dataclasses.replace(whole, accumulate=4)
    ours, theirs = run(build_trainer(in_parts)), run(build_trainer(whole))
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-3, atol=1e-4)
    assert ours.updates.losses.keys() == theirs.updates.losses.keys()
    for name, loss in ours.updates.losses.items():
        torch.testing.assert_close(loss, theirs.updates.losses[name], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours.updates.outputs, theirs.updates.outputs, rtol=1e-3, atol=1e-4)


def test_parts_must_divide_the_batch():
    with pytest.raises(InputError, match="--accumulate must divide --batch-size 32, not 5"):
        dataclasses.replace(SMALL, accumulate=5)
