"""A buffer's transitions by number, in torch's DataLoader and in torchrl's replay buffers."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from atarigan import TransitionDataset
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.loading.numbered_transitions import NumberedTransitions
from atarigan.errors import InputError
from tests import numbered_steps
from tests.test_whole_episodes import filled

EPISODE, HEIGHT = numbered_steps.EPISODE, numbered_steps.FRAME_SHAPE[0]


@pytest.fixture(scope="module")
def buffer(tmp_path_factory: pytest.TempPathFactory) -> FrameBuffer:
    """Two writers: one has overwritten its oldest steps, the other has few."""
    path = tmp_path_factory.mktemp("loading") / "buffer"
    with numbered_steps.create(path, 240, num_writers=2) as buffer:
        for numbers in (range(200), range(1000, 1060)):
            writer = buffer.new_writer()
            for number in numbers:
                level = np.uint8(number % numbered_steps.LEVELS)
                frame = np.full(numbered_steps.FRAME_SHAPE, level)
                ram = np.full(numbered_steps.RAM_SIZE, level)
                is_last = number % EPISODE == EPISODE - 1
                writer.add(frame, number, number, terminated=is_last, ram=ram)
    return buffer


DRAWABLE = [*range(80 + 3, 200), *range(1000, 1059)]  # the last step's next one is not known


def test_numbers_are_all_transitions_that_may_be_drawn(buffer: FrameBuffer) -> None:
    transitions = NumberedTransitions(buffer, num_stack=4)
    batch = transitions.at(np.arange(len(transitions)))
    assert batch.actions.tolist() == DRAWABLE
    numbered_steps.check(batch)


def test_a_batch_keeps_the_order_of_its_numbers(buffer: FrameBuffer) -> None:
    numbers = np.random.default_rng(0).permutation(len(DRAWABLE))
    batch = NumberedTransitions(buffer.path, num_stack=4).at(numbers)
    assert batch.actions.tolist() == [DRAWABLE[number] for number in numbers]
    numbered_steps.check(batch)


@pytest.mark.parametrize("number", [-1, len(DRAWABLE)])
def test_a_number_out_of_range_is_an_index_error(buffer: FrameBuffer, number: int) -> None:
    with pytest.raises(IndexError, match=f"transition {number} is outside 0 … 175"):
        NumberedTransitions(buffer, 4).at(np.array([0, number]))


def test_a_pickle_holds_no_frames(buffer: FrameBuffer) -> None:
    transitions = NumberedTransitions(buffer, num_stack=4)
    transitions.at(np.array([0]))
    content = pickle.dumps(transitions)
    assert len(content) < 5_000
    assert pickle.loads(content).at(np.array([5])).actions == DRAWABLE[5]


def test_transitions_that_were_overwritten_are_noticed(tmp_path: Path) -> None:
    buffer = filled(tmp_path / "buffer", [[5, 5]], capacity=10)
    transitions = NumberedTransitions(buffer)
    with FrameBuffer.open(buffer.path) as again:
        again.add(np.zeros((3, 2, 1), np.uint8), ram=np.zeros(2, np.uint8))
        assert transitions.at(np.array([1])).rewards == 1
        with pytest.raises(InputError, match="has overwritten transitions"):
            transitions.at(np.array([0]))


def test_a_buffer_without_transitions_is_refused(tmp_path: Path) -> None:
    FrameBuffer.create(tmp_path / "buffer", 10, (3, 2, 1))
    with pytest.raises(InputError, match="must hold at least 1 transition, not 0"):
        TransitionDataset(tmp_path / "buffer")
    with pytest.raises(InputError, match="num_stack must be at least 1, not 0"):
        TransitionDataset(tmp_path / "buffer", num_stack=0)


def loaded(loader: Any) -> list[int]:
    """The numbers of all steps that a loader gives, after a look at their frames."""
    numbers: list[int] = []
    for batch in loader:
        levels = batch["actions"] % numbered_steps.LEVELS
        assert batch["frames"].shape[1:] == (4, HEIGHT, HEIGHT)
        assert (batch["frames"][:, -1] == levels[:, None, None]).all()
        assert (batch["state"] == levels[:, None]).all()
        numbers += batch["actions"].tolist()
    return numbers


def test_a_loader_gives_every_transition_once(buffer: FrameBuffer) -> None:
    dataset = TransitionDataset(buffer, num_stack=4)
    loader = DataLoader(dataset, batch_size=32, shuffle=True)
    assert sorted(loaded(loader)) == DRAWABLE


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_of_a_loader_read_the_files(buffer: FrameBuffer, method: str) -> None:
    dataset = TransitionDataset(buffer, num_stack=4)
    sampler = BatchSampler(RandomSampler(dataset), 32, drop_last=False)
    loader = DataLoader(
        dataset, sampler=sampler, batch_size=None, num_workers=2, multiprocessing_context=method
    )
    assert sorted(loaded(loader)) == DRAWABLE


def test_colors_come_after_the_frames_of_a_stack(tmp_path: Path) -> None:
    with FrameBuffer.create(tmp_path / "buffer", 10, (5, 4, 3)) as buffer:
        for number in range(4):
            frame = np.broadcast_to(np.uint8([10, 20, 30]) + np.uint8(number), (5, 4, 3))
            buffer.add(np.ascontiguousarray(frame))
    stack = TransitionDataset(buffer, num_stack=2)[2]["frames"]
    assert stack.shape == (6, 5, 4)
    assert stack[:, 0, 0].tolist() == [11, 21, 31, 12, 22, 32]


def test_states_take_the_place_of_frames(tmp_path: Path) -> None:
    with FrameBuffer.create(
        tmp_path / "buffer", 10, (5, 4, 3), ram_size=2, stores_frames=False
    ) as buffer:
        for number in range(4):
            buffer.add(None, ram=np.uint8([number, 10 + number]))
    item = TransitionDataset(buffer, num_stack=2)[1]
    assert item["frames"].tolist() == [0, 10, 1, 11]
    assert item["next_frames"].tolist() == [1, 11, 2, 12]


@pytest.fixture(scope="module")
def storage(buffer: FrameBuffer) -> Any:
    pytest.importorskip("torchrl.data")
    from atarigan.data.loading.transition_storage import TransitionStorage

    return TransitionStorage(buffer, num_stack=4)


def replay_of(storage: Any, **options: Any) -> Any:
    from torchrl.data import ImmutableDatasetWriter, TensorDictReplayBuffer

    return TensorDictReplayBuffer(
        storage=storage,
        writer=ImmutableDatasetWriter(),
        collate_fn=lambda batch: batch,
        **options,
    )


def test_a_replay_buffer_of_torchrl_samples_the_files(storage: Any) -> None:
    replay = replay_of(storage, batch_size=64, prefetch=1)
    for _ in range(3):
        batch = replay.sample()
        numbers = batch["action"]
        assert numbers.tolist() == [DRAWABLE[index] for index in batch["index"]]
        levels = (numbers % numbered_steps.LEVELS)[:, None, None]
        is_last = numbers % EPISODE == EPISODE - 1
        assert batch["pixels"].shape == (64, 4, HEIGHT, HEIGHT)
        assert (batch["pixels"][:, -1] == levels).all()
        next_levels = torch.where(is_last, numbers, numbers + 1) % numbered_steps.LEVELS
        assert (batch["next", "pixels"][:, -1] == next_levels[:, None, None]).all()
        assert (batch["next", "state"] == next_levels[:, None]).all()
        assert batch["next", "reward"].tolist() == numbers[:, None].tolist()
        assert batch["next", "done"][:, 0].tolist() == is_last.tolist()
        assert (batch["next", "terminated"] == batch["next", "done"]).all()


def test_a_sampler_without_replacement_goes_through_all(storage: Any) -> None:
    from torchrl.data.replay_buffers.samplers import SamplerWithoutReplacement

    replay = replay_of(storage, batch_size=50, sampler=SamplerWithoutReplacement())
    numbers = [number for batch in replay for number in batch["action"].tolist()]
    assert sorted(numbers) == DRAWABLE


def test_the_storage_refuses_to_be_written(storage: Any) -> None:
    with pytest.raises(InputError, match="cannot be written by torchrl"):
        storage.set(0, storage[0])
    assert storage[3]["action"] == DRAWABLE[3]
    assert storage[:2].shape == (2,)
    assert storage.contains([-1, 0, len(DRAWABLE)]).tolist() == [False, True, False]
