"""TransitionDataset: a buffer's transitions as a dataset of torch, for its DataLoader."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.sampling import Transitions
from atarigan.data.loading.numbered_transitions import NumberedTransitions


class TransitionDataset(Dataset[dict[str, torch.Tensor]]):
    """The transitions of a buffer as a dataset, which workers of a DataLoader read from its files.

    An item is a dictionary of tensors, named as in `Transitions`: actions, rewards, terminations,
    and state and next_state if the buffer stores states. The stacks frames and next_frames are as
    convolutions take them, uint8 (K·C, H, W), oldest frame first; stacks of states, of a buffer
    without frames, are (K·size,).

    A list of numbers gives a batch, with one more axis in front. That is the fast way: give the
    DataLoader `batch_size=None` and a BatchSampler as its sampler.

    Args:
        buffer: a buffer, or its folder. Its transitions are those of the steps stored now.
        num_stack: frames in a stack, K, at least 1.

    Raises:
        InputError: the buffer has no transition, or `num_stack` is below 1; later, if a writer
            overwrites steps.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from torch.utils.data import BatchSampler, DataLoader, RandomSampler
        >>> from atarigan import FrameBuffer, TransitionDataset
        >>> buffer = FrameBuffer.create(tempfile.mkdtemp(), 100, (84, 84, 1))
        >>> for step in range(50):
        ...     buffer.add(np.full((84, 84, 1), step, np.uint8), action=step % 4)
        >>> buffer.close()
        >>> dataset = TransitionDataset(buffer, num_stack=4)
        >>> len(dataset)
        49
        >>> sampler = BatchSampler(RandomSampler(dataset), batch_size=8, drop_last=True)
        >>> batch = next(iter(DataLoader(dataset, sampler=sampler, batch_size=None)))
        >>> batch["frames"].shape, batch["actions"].shape
        (torch.Size([8, 4, 84, 84]), torch.Size([8]))
        >>> buffer.close()
    """

    def __init__(self, buffer: FrameBuffer | str | Path, num_stack: int = 1) -> None:
        self._transitions = NumberedTransitions(buffer, num_stack)

    def __len__(self) -> int:
        return len(self._transitions)

    def __getitem__(self, index: int | Sequence[int]) -> dict[str, torch.Tensor]:
        numbers = np.asarray(index, np.int64)
        batch = self._transitions.at(np.atleast_1d(numbers))
        tensors = tensors_of(batch)
        return tensors if numbers.ndim else {name: each[0] for name, each in tensors.items()}


def tensors_of(batch: Transitions) -> dict[str, torch.Tensor]:
    """Return a batch as tensors that share its memory, by the names of its attributes. Stacks are
    (B, K·C, H, W) or, of states, (B, K·size); those of several colors are copied.
    """
    arrays = {field.name: getattr(batch, field.name) for field in fields(Transitions)}
    for name in ("frames", "next_frames"):
        arrays[name] = _channels_first(arrays[name])
    return {name: torch.from_numpy(each) for name, each in arrays.items() if each is not None}


def _channels_first(stacks: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return stacks (B, K, H, W, C) as (B, K·C, H, W), and others (B, K, size) as (B, K·size)."""
    if stacks.ndim == 3:
        return stacks.reshape(len(stacks), -1)
    height, width = stacks.shape[2:4]
    return np.moveaxis(stacks, -1, 2).reshape(len(stacks), -1, height, width)
