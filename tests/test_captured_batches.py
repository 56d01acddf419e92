"""Batches of a generator are captured on a GPU; what is captured gives what it would give."""

import copy
import dataclasses
import pickle
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from atarigan.models import captured_update
from atarigan.models.captured_update import CapturedBatches
from atarigan.models.frame_generator import FrameGenerator
from atarigan.training.build import build_trainer
from tests.test_captured_update import CONFIG, FAMILIES, data  # noqa: F401
from tests.test_every_combination import LAYERS

SIZES = (1, 3, 16, 70)


class Graph:
    """Works on tensors of its own, as a CUDA graph does, and counts its calls."""

    captured: ClassVar[list["Graph"]] = []

    def __init__(self, function: Any) -> None:
        self.function = function
        self.num_calls = 0
        self.result: Tensor | None = None
        self.captured.append(self)

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        self.num_calls += 1
        found = self.function(*inputs)
        self.result = found if self.result is None else self.result.copy_(found)
        return self.result


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    monkeypatch.setattr(captured_update, "CapturedUpdate", Graph)
    monkeypatch.setattr(Graph, "captured", [])
    return Graph.captured


def doubled(first: Tensor, second: Tensor | None = None) -> Tensor:
    return 2 * first if second is None else 2 * first + second


def test_a_graph_serves_every_batch_up_to_its_size(graphs: list[Graph]) -> None:
    batches = CapturedBatches(doubled, largest=64)
    rows = torch.arange(300.0).view(100, 3)
    found = [batches(rows[:num]) for num in (1, 5, 7, 8, 33, 64)]
    for each in found:  # later calls change none of them
        assert torch.equal(each, 2 * rows[: len(each)])
    assert [each.num_calls for each in graphs] == [1, 3, 2]
    assert torch.equal(batches(rows), 2 * rows)
    assert batches(rows[:0]).shape == (0, 3)
    assert sum(each.num_calls for each in graphs) == 6


def test_batches_with_and_without_conditions_are_captured_apart(graphs: list[Graph]) -> None:
    batches = CapturedBatches(doubled, largest=64)
    rows = torch.arange(9.0).view(3, 3)
    assert torch.equal(batches(rows, rows), 3 * rows)
    assert torch.equal(batches(rows, None), 2 * rows)
    assert len(graphs) == 2


def test_a_copy_captures_anew(graphs: list[Graph]) -> None:
    batches = CapturedBatches(doubled, largest=64)
    batches(torch.ones(2, 3))
    for again in (copy.deepcopy(batches), pickle.loads(pickle.dumps(batches))):
        assert torch.equal(again(torch.ones(2, 3)), torch.full((2, 3), 2.0))
    assert [each.num_calls for each in graphs] == [1, 1, 1]


def generator_of(path: str, network: str, device: str) -> FrameGenerator:
    """A generator of a family, fitted to the data and not trained."""
    config = dataclasses.replace(CONFIG, data=path, network=network, device="cpu")
    trainer = build_trainer(dataclasses.replace(config, **LAYERS.get(network, {})))
    return FrameGenerator(trainer.model, trainer.averaged_generator, torch.device(device))


@pytest.mark.parametrize("network", FAMILIES)
def test_frames_are_drawn_without_waiting_for_a_device(data: str, network: str) -> None:  # noqa: F811
    generator = generator_of(data, network, "meta")
    frames = generator.decode_on_device(torch.empty(5, generator.latent_size, device="meta"))
    assert frames.shape == (5, *generator.frame_shape)
    assert frames.dtype == torch.uint8


@pytest.mark.cuda
@pytest.mark.parametrize("network", FAMILIES)
def test_captured_batches_are_those_of_a_cpu(data: str, network: str) -> None:  # noqa: F811
    here, there = (generator_of(data, network, device) for device in ("cpu", "cuda"))
    there_latents = torch.from_numpy(here.latents(max(SIZES), seed=0)).cuda()
    states = here.states(here.latents(max(SIZES), seed=0))
    for num in SIZES * 5:  # the first calls are not captured
        drawn = there.states(here.latents(num, seed=0))
        assert (drawn == states[:num]).mean() > 0.99
        given = torch.from_numpy(states[:num]).cuda()
        frames = there.decode_on_device(there_latents[:num], given).cpu().numpy()
        expected = here.decode(here.latents(num, seed=0), states[:num])
        assert (abs(frames.astype(int) - expected) > 1).mean() < 0.001
