"""A run goes on on another kind of device. Without a GPU, a CPU that is called "cuda" takes its
place: plans do what they do on CUDA, and the random streams are those of a stranger.
"""

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atarigan import train
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.files import typed_json
from atarigan.models.checkpoint import find_checkpoint, load_training_state
from atarigan.models.model_config import ModelConfig
from atarigan.training import updates
from atarigan.training.build import build_trainer
from atarigan.training.device_plan import DevicePlan
from atarigan.training.fixed_samples import FixedSamples
from atarigan.training.prepare import restore
from atarigan.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("no_curves_in_module")
NOTE = "was saved on another kind of device than {}: training continues with new random numbers"
KINDS = ("cpu", "cuda")
Place = Callable[[str], AbstractContextManager[str]]


@contextlib.contextmanager
def called_cuda(kind: str) -> Iterator[str]:
    """Call the CPU by that name."""
    with pytest.MonkeyPatch.context() as patch:
        if kind == "cuda":
            patch.setattr(DevicePlan, "kind", "cuda")
            patch.setattr(updates, "CapturedUpdate", lambda update, *_: update)
            patch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
            patch.setattr(torch.cuda, "get_rng_state", lambda _: torch.get_rng_state())
            patch.setattr(torch.cuda, "set_rng_state", lambda state, _: torch.set_rng_state(state))
            patch.setattr(torch.cuda, "manual_seed", torch.default_generator.manual_seed)
        yield "cpu"


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cuda)])
def place(request: pytest.FixtureRequest) -> Place:
    """A context in which a kind of device is at hand, and how it is named on the command line."""
    return called_cuda if request.param == "fake" else contextlib.nullcontext


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "buffer"
    with FrameBuffer.create(path, 20, (20, 24, 1), ram_size=2) as buffer:
        for column in range(20):
            frame = np.zeros((20, 24, 1), np.uint8)
            frame[12:14, column : column + 4] = 200
            buffer.add(frame, ram=np.array([column, 7], np.uint8))
    return str(path)


@pytest.fixture
def words(data: str, tmp_path: Path) -> list[str]:
    """Flags of a run with a bank of latents and updates of every kind."""
    shape = ["--data", data, "--condition", "ram", "--network", "profiles", "--latent-size", "4"]
    steps = ["--reconstruction-steps", "2", "--critic-steps", "1", "--batch-size", "4"]
    widths = ["--generator-width", "4", "--critic-width", "4", "--latent-bank", "50"]
    others = ["--log", "none", "--sample-every", "0", "--evaluate-every-s", "0"]
    return [*shape, *steps, *widths, *others, "--out", str(tmp_path / "run")]


def run_of(words: list[str]) -> Path:
    return Path(words[-1])


def trained(place: Place, kind: str, words: list[str], num_steps: int) -> dict[str, Any]:
    """Train up to that many steps on a kind of device; return the state that is saved."""
    with place(kind) as device:
        limit = ["--max-images", str(12 * num_steps), "--device", device]
        again = ["--resume", "--out", words[-1]] if run_of(words).exists() else words
        assert train.main([*again, *limit]) == 0
    return load_training_state(find_checkpoint(run_of(words)))


def restored(place: Place, kind: str, run: Path) -> Trainer:
    """The trainer of a run that goes on on a kind of device."""
    with place(kind) as device:
        config = typed_json.read_json(run / "config.json", ModelConfig).run
        trainer = build_trainer(dataclasses.replace(config, device=device))
        restore(trainer, find_checkpoint(run))
        return trainer


def assert_same(ours: Any, theirs: Any) -> None:
    """Compare nested states by value, wherever tensors are."""
    if isinstance(theirs, torch.Tensor):
        assert torch.equal(ours.cpu(), theirs.cpu())
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            assert_same(ours[key], theirs[key])
    else:
        assert ours == theirs


@pytest.mark.parametrize("begins", KINDS)
def test_a_run_moves_there_and_back(
    place: Place, begins: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = KINDS[1 - KINDS.index(begins)]
    first = trained(place, begins, words, 2)
    assert "another kind of device" not in capsys.readouterr().err
    moved = trained(place, other, words, 4)
    assert capsys.readouterr().err.count(NOTE.format(other)) == 1
    back = trained(place, begins, words, 6)
    assert capsys.readouterr().err.count(NOTE.format(begins)) == 1
    states = (first, moved, back)
    assert [state["device"] for state in states] == [begins, other, begins]
    assert [state["num_steps"] for state in states] == [2, 4, 6]
    for before, after in pairwise(states):
        for network in ("generator", "critic", "averaged_generator"):
            weights = zip(before[network].values(), after[network].values(), strict=True)
            assert any(not torch.equal(each, other) for each, other in weights)


@pytest.mark.parametrize("begins", KINDS)
def test_everything_but_random_numbers_moves(place: Place, begins: str, words: list[str]) -> None:
    other = KINDS[1 - KINDS.index(begins)]
    saved = trained(place, begins, words, 2)
    trainers = [restored(place, other, run_of(words)) for _ in range(2)]
    here, again = (copy.deepcopy(trainer.state_dict()) for trainer in trainers)
    for name in ("generator", "critic", "averaged_generator", "objective", "num_steps"):
        assert_same(here[name], saved[name])
    for name in ("generator_optimizer", "critic_optimizer"):
        assert_same(here[name]["state"], saved[name]["state"])
    assert torch.equal(here["rng"], again["rng"])
    assert here["rng"].shape != saved["rng"].shape or not torch.equal(here["rng"], saved["rng"])
    assert not torch.equal(again["layers_rng"], saved["layers_rng"])


@pytest.mark.cuda
def test_latents_that_are_drawn_once_are_the_same_on_every_device(data: str) -> None:
    config = RunConfig(data=data, network="mlp", latent_size=4, latent_bank=20, batch_size=4)
    drawn = []
    for device in ("cpu", "cuda"):
        trainer = build_trainer(dataclasses.replace(config, device=device))
        drawn.append((trainer, FixedSamples(trainer, 8, seed=2)))
    (here, ours), (there, theirs) = drawn
    there.averaged_generator.load_state_dict(here.averaged_generator.state_dict())
    np.testing.assert_allclose(ours.arrays(here), theirs.arrays(there), atol=1)
    banks = [{tuple(row) for row in each.updates.draw_latents(500).tolist()} for each, _ in drawn]
    assert banks[0] == banks[1]


def test_a_rollback_to_a_state_of_another_device_keeps_the_threads_of_this_one(
    place: Place, words: list[str]
) -> None:
    saved = trained(place, "cuda", words, 2)
    trainer = restored(place, "cpu", run_of(words))
    num_threads = trainer.plan.num_threads
    trainer.roll_back({**saved, "num_threads": 300})
    assert (trainer.plan.num_threads, torch.get_num_threads()) == (num_threads, num_threads)
    assert trainer.num_rollbacks == 1


def test_a_run_that_named_cuda_goes_on_where_there_is_none(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(called_cuda, "cpu", words, 1)
    path = run_of(words) / "config.json"
    model = typed_json.read_json(path, ModelConfig)
    named = dataclasses.replace(model, run=dataclasses.replace(model.run, device="cuda"))
    typed_json.write_json(path, named)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert train.main(["--resume", "--out", words[-1], "--max-images", "24"]) == 0
    assert load_training_state(find_checkpoint(run_of(words)))["num_steps"] == 2
