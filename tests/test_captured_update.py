"""On a GPU, captured updates train like others; elsewhere nothing is captured."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.models.families import NETWORKS
from atarigan.training import updates
from atarigan.training.build import build_trainer
from tests.recorded_updates import RecordedUpdate
from tests.test_every_combination import LAYERS

CONFIG = RunConfig(
    condition="ram",
    objective="non_saturating",
    penalty="none",
    critic_steps=1,
    reconstruction_steps=8,
    final_lr=0.5,
    latent_size=4,
    batch_size=32,
    max_images=9 * 32 * 4,
)
FAMILIES = [name for name in NETWORKS if not NETWORKS[name].critic_gives_energy]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Dots whose positions are in RAM."""
    path = tmp_path_factory.mktemp("dots") / "buffer"
    with FrameBuffer.create(path, 300, (20, 24, 1), ram_size=4) as buffer:
        for number in range(300):
            row, column = number % 18, number * 7 % 22
            frame = np.full((20, 24, 1), 30, np.uint8)
            frame[row : row + 2, column : column + 2] = 200
            buffer.add(frame, ram=np.array([row, 9, column, 0], np.uint8))
    return str(path)


def weights(trainer):
    return torch.cat(
        [each.detach().flatten().cpu() for each in trainer.updates.generator.parameters()]
    )


def trained(config):
    """The trainer after four steps, and how its generator's weights changed."""
    trainer = build_trainer(config)
    before = weights(trainer)
    batches = trainer.open_batches()
    for _ in range(4):
        trainer.train_step(batches)
    return trainer, weights(trainer) - before


def assert_same(ours, theirs):
    """Compare nested states."""
    if isinstance(theirs, torch.Tensor):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)):
        for our, their in zip(ours, theirs, strict=True):
            assert_same(our, their)
    else:
        assert ours == theirs


def similarity(first, second):
    """Cosine of two changes: another order of sums changes the sign of what is near zero."""
    return torch.cosine_similarity(first, second, dim=0)


@pytest.mark.cuda
@pytest.mark.parametrize("network", FAMILIES)
def test_a_captured_run_is_the_run(data, network, monkeypatch):
    config = dataclasses.replace(CONFIG, data=data, network=network, **LAYERS.get(network, {}))
    _, change = trained(config)
    monkeypatch.setattr(updates, "CapturedUpdate", lambda update, *_: update)
    _, expected = trained(config)
    assert similarity(change, expected) > 0.95
    assert change.norm() == pytest.approx(expected.norm(), rel=0.05)


@pytest.mark.cuda
@pytest.mark.parametrize(
    ("objective", "penalty", "network"),
    [("wasserstein", "gradient", "subpixel"), ("non_saturating", "r1", "dcgan"),
     ("began", "none", "autoencoder"), ("hinge", "spectral", "codebook")],
)  # fmt: skip
def test_captured_critic_updates_are_the_updates(data, objective, penalty, network, monkeypatch):
    config = dataclasses.replace(
        CONFIG, data=data, objective=objective, penalty=penalty, penalty_every=2, network=network,
        condition="none", reconstruction_steps=0, critic_steps=2, max_images=0,
    )  # fmt: skip
    changes = []
    for is_captured in (False, True):
        trainer = build_trainer(config)
        trainer.updates.capture(is_captured)
        before, batches = weights(trainer), trainer.open_batches()
        for _ in range(8):
            trainer.train_step(batches)
        changes.append((trainer.updates.rng.get_state(), weights(trainer) - before))
    (stream, expected), (again, change) = changes
    assert torch.equal(stream, again)
    assert similarity(change, expected) > 0.9
    assert change.norm() == pytest.approx(expected.norm(), rel=0.1)


@pytest.mark.cuda
def test_a_captured_run_goes_on_where_a_state_was_taken(data):
    config = dataclasses.replace(CONFIG, data=data, network="profiles")
    trainer, _ = trained(config)
    again = build_trainer(config)
    again.load_state_dict(copy.deepcopy(trainer.state_dict()))
    before = weights(trainer)
    for each in (trainer, again):
        each.train_step(each.open_batches())
    assert similarity(weights(again) - before, weights(trainer) - before) > 0.95


@pytest.mark.parametrize(
    ("objective", "penalty", "network"),
    [
        ("relativistic", "r1r2", "profiles"),
        ("began", "none", "autoencoder"),
        *(
            pytest.param(*names, marks=pytest.mark.slow)
            for names in (
                ("wasserstein", "gradient", "subpixel"),
                ("non_saturating", "r1", "dcgan"),
                ("hinge", "spectral", "codebook"),
                ("wasserstein", "clip", "mlp"),
                ("non_saturating", "dragan", "mlp_norm"),
                ("energy", "none", "autoencoder"),
            )
        ),
    ],
)
def test_replayed_updates_are_the_updates(data, objective, penalty, network, monkeypatch):
    """What CUDA graphs do is done on a CPU: none of the updates may depend on its Python code."""
    config = dataclasses.replace(
        CONFIG,
        data=data,
        device="cpu",
        objective=objective,
        penalty=penalty,
        penalty_every=2,
        critic_steps=2,
        reconstruction_steps=1 if network == "profiles" else 0,
        condition="ram" if network == "profiles" else "none",
        network=network,
        batch_size=4,
        generator_width=8,
        critic_width=8,
        latent_bank=20,
        final_lr=1.0,
        max_images=0,
        **LAYERS.get(network, {}),
    )
    states = []
    for is_captured in (False, True):
        monkeypatch.setattr(updates, "CapturedUpdate", RecordedUpdate)
        trainer = build_trainer(config)
        trainer.updates.capture(is_captured)
        batches = trainer.open_batches()
        for _ in range(7):
            trainer.train_step(batches)
        states.append((trainer.state_dict(), trainer.updates.losses))
    assert_same(states[1], states[0])


def test_a_cpu_captures_nothing(data, monkeypatch):
    def refuse(update, *rngs):
        raise AssertionError("a CPU has no graphs to capture")

    monkeypatch.setattr(updates, "CapturedUpdate", refuse)
    config = dataclasses.replace(CONFIG, data=data, network="profiles", device="cpu")
    _, change = trained(config)
    _, again = trained(config)
    assert torch.equal(change, again)
    assert change.norm() > 0
