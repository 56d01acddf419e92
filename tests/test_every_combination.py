"""Every objective, penalty, network and source together trains, or is refused by name.

There is one test for each network and source, with three steps of tiny layers for each pair of an
objective and a penalty. The fast tests take all pairs for the smallest networks of either kind of
critic; each objective and each penalty for one of images; and for the others every third objective
that fits with one penalty, on frames or points. The slow tests take all pairs everywhere.
"""

import dataclasses
import itertools
import os
from functools import cache

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from atarigan.cli.stop_request import StopRequest
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources import SOURCES
from atarigan.errors import InputError
from atarigan.models.families import NETWORKS, Generator
from atarigan.models.families.mlp import MlpFamily
from atarigan.models.families.profiles import ProfilesGenerator
from atarigan.training.build import build_trainer
from atarigan.training.objectives import OBJECTIVES
from atarigan.training.penalties import PENALTIES
from atarigan.training.trainer import Observer

POINT_SOURCES = ("sine", "ring", "grid", "spiral")
DATA_SETS = ("mnist", "fashion-mnist", "cifar10")
REASONS = {
    "need a critic that reconstructs": lambda objective, penalty, network, source: (
        not fits(objective, network)
    ),
    "gradient of single samples": lambda objective, penalty, network, source: (
        NETWORKS[network].critic_mixes_samples and PENALTIES[penalty].has_gradient_term
    ),
    "needs samples of shape": lambda objective, penalty, network, source: (
        source in POINT_SOURCES and not draws_points(network)
    ),
}
WHOLE = (("mlp", "sine"), ("autoencoder", "frames"))
EACH = ("subpixel", "frames")
LAYERS = {
    "atari_wgan": {"generator_layers": (8, 6, 5, 4, 9), "critic_layers": (16, 16, 16, 32)},
    "joined_conv": {"generator_layers": (6, 5, 4), "critic_layers": (4, 5, 6)},
    "joined_autoencoder": {"generator_layers": (6, 5, 4), "critic_layers": (4, 5, 6)},
    "mlp_norm": {"generator_layers": (16, 16), "critic_layers": (16, 16)},
}
# Weights within 0.01 of zero need wide layers for outputs that float32 can tell apart.
WIDE_CRITICS = {
    "atari_wgan": {"critic_layers": (64, 128, 128, 512)},
    "joined_conv": {"critic_layers": (32, 64, 128), "critic_width": 512},
    "mlp_sigmoid": {"critic_width": 256},
}


class Losses(Observer):
    def __init__(self):
        self.seen = []

    def after_step(self, trainer):
        self.seen.append({name: loss.item() for name, loss in trainer.updates.losses.items()})


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Each source opened once; those that can be are small."""
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for number in range(8):
        image = rng.integers(0, 256, (12, 10, 3), np.uint8)
        iio.imwrite(folder / "images" / f"{number}.png", image)
    with FrameBuffer.create(folder / "frames", 16, (12, 14, 1)) as buffer:
        for _ in range(16):
            buffer.add(rng.choice([0, 90, 200], (12, 14, 1)).astype(np.uint8))
    data = {"folder": str(folder / "images"), "frames": str(folder / "frames")}

    @cache
    def open_source(name):
        small = {"image_size": "12x12"} if name in DATA_SETS else {}
        config = RunConfig(source=name, data=data.get(name), **small)
        return config, SOURCES[name](config)

    return open_source


def draws_points(network):
    return issubclass(NETWORKS[network], MlpFamily)


def pairs_of(network, source, is_whole):
    """All pairs of an objective and a penalty, or one penalty for each objective or every third."""
    if is_whole or (network, source) in WHOLE:
        return list(itertools.product(OBJECTIVES, PENALTIES))
    offset = list(NETWORKS).index(network) + list(SOURCES).index(source)
    penalties = list(PENALTIES)
    penalties = penalties[offset % len(penalties) :] + penalties[: offset % len(penalties)]
    objectives = [name for name in OBJECTIVES if fits(name, network)]
    num = max(len(objectives), len(penalties))
    pairs = [(objectives[k % len(objectives)], penalties[k % len(penalties)]) for k in range(num)]
    refused = [(name, penalties[0]) for name in OBJECTIVES if not fits(name, network)]
    return refused + (pairs if (network, source) == EACH else pairs[offset % 3 :: 3])


def fits(objective, network):
    return OBJECTIVES[objective].needs_energy == NETWORKS[network].critic_gives_energy


CASES = [
    *((source, False) for source in ("sine", "frames")),
    *(pytest.param(source, True, marks=pytest.mark.slow) for source in SOURCES),
]


@pytest.mark.parametrize(("source", "is_whole"), CASES)
@pytest.mark.parametrize("network", list(NETWORKS))
def test_every_objective_and_penalty(network, source, is_whole, opened, monkeypatch):
    if source in DATA_SETS and "ATARIGAN_DATA" not in os.environ:
        pytest.skip("needs ATARIGAN_DATA")
    base, data_source = opened(source)
    for generator in (Generator, ProfilesGenerator):
        monkeypatch.setattr(generator, "num_fitted", 16)
    monkeypatch.setattr(ProfilesGenerator, "num_observed", 0)
    num_trained = 0
    for objective, penalty in pairs_of(network, source, is_whole):
        config = dataclasses.replace(
            base,
            objective=objective,
            penalty=penalty,
            network=network,
            penalty_weight=1.0,
            critic_steps=1,
            batch_size=4,
            latent_size=4,
            generator_width=4,
            critic_width=4,
            generator_lr=2e-3,
            critic_lr=2e-3,
            max_images=12,
            device="cpu",
            **LAYERS.get(network, {}),
        )
        if penalty == "clip":
            wide = WIDE_CRITICS.get(network, {"critic_width": 64})
            config = dataclasses.replace(config, **wide)
        names = (objective, penalty, network, source)
        reasons = [reason for reason, applies in REASONS.items() if applies(*names)]
        if reasons:
            with pytest.raises(InputError, match=reasons[0]) as refused:
                build_trainer(config)
            assert network in str(refused.value)
        else:
            assert_trains(build_trainer(config, source=data_source), names)
            num_trained += 1
    assert (num_trained > 0) == (source not in POINT_SOURCES or draws_points(network))


def assert_trains(trainer, names):
    before = [weights(network) for network in (trainer.updates.generator, trainer.updates.critic)]
    losses = Losses()
    trainer.run([losses], StopRequest())
    assert len(losses.seen) == 3, names
    for name in ("critic_loss", "generator_loss"):
        seen = [step[name] for step in losses.seen]
        assert np.isfinite(seen).all(), (names, seen)
        assert len(set(seen)) == 3, (names, seen)
    for network, old in zip(
        (trainer.updates.generator, trainer.updates.critic), before, strict=True
    ):
        new = weights(network)
        assert new.isfinite().all(), names
        assert not torch.equal(new, old), names


def weights(network):
    return torch.cat([weight.detach().flatten().clone() for weight in network.parameters()])
