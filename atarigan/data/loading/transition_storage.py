"""TransitionStorage: a buffer's transitions as a storage of torchrl's replay buffers."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.loading.numbered_transitions import NumberedTransitions
from atarigan.data.loading.transition_dataset import tensors_of
from atarigan.errors import InputError

try:
    from tensordict import TensorDict
    from torchrl.data import Storage
except ImportError:
    raise InputError("torchrl is not installed: pip install 'atarigan[torchrl]'") from None

_KEYS: dict[str, str | tuple[str, ...]] = {
    "frames": "pixels",
    "actions": "action",
    "state": "state",
    "next_frames": ("next", "pixels"),
    "next_state": ("next", "state"),
}
_COLUMNS = {"rewards": ("reward",), "terminations": ("terminated", "done")}


class TransitionStorage(Storage):  # type: ignore[misc]
    """The transitions of a buffer as a storage to draw from, which reads them from its files.

    What is drawn is a TensorDict with torchrl's names: pixels, uint8 (B, K·C, H, W), action, and
    state if the buffer stores states; in "next" also reward, terminated and done, each (B, 1). A
    buffer without frames gives stacks of states as pixels, (B, K·size). Truncated steps are not
    drawn, as their next frame is not stored.

    A replay buffer of it needs a writer that refuses to write, and a `collate_fn` that changes
    nothing::

        TensorDictReplayBuffer(
            storage=TransitionStorage("data/breakout", num_stack=4),
            writer=ImmutableDatasetWriter(),
            collate_fn=lambda batch: batch,
            batch_size=32,
        )

    Args:
        buffer: a buffer, or its folder. Its transitions are those of the steps stored now.
        num_stack: frames in a stack, K, at least 1.

    Raises:
        InputError: the buffer has no transition, or `num_stack` is below 1; later, if a writer
            overwrites steps. On import: torchrl is not installed.
    """

    def __init__(self, buffer: FrameBuffer | str | Path, num_stack: int = 1) -> None:
        self._transitions = NumberedTransitions(buffer, num_stack)
        super().__init__(max_size=len(self._transitions))

    def __len__(self) -> int:
        return len(self._transitions)

    def get(self, index: Any) -> TensorDict:
        """Return transitions by number, a tensor, list or slice; a single number gives one."""
        if isinstance(index, slice):
            index = np.arange(len(self))[index]
        numbers = np.asarray(index, np.int64)
        batch = _tensordict(tensors_of(self._transitions.at(np.atleast_1d(numbers))))
        return batch if numbers.ndim else batch[0]

    def set(self, cursor: Any, data: Any, *, set_cursor: bool = True) -> None:
        """Refuse to write.

        Raises:
            InputError: always; collect, capture or add steps to the buffer in its place.
        """
        raise InputError(f"{self._transitions.buffer.path} cannot be written by torchrl")

    def contains(self, item: Any) -> torch.Tensor:
        """Return whether there are transitions of these numbers, bool of their shape."""
        numbers = torch.as_tensor(item)
        return (numbers >= 0) & (numbers < len(self))

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the buffer is on disk already."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Do nothing, as `state_dict`."""

    def _empty(self) -> None:
        self.set(None, None)


def _tensordict(tensors: dict[str, torch.Tensor]) -> TensorDict:
    num = len(tensors["actions"])
    batch = TensorDict({}, batch_size=[num])
    for name, key in _KEYS.items():
        if name in tensors:
            batch[key] = tensors[name]
    for name, keys in _COLUMNS.items():
        for key in keys:
            batch["next", key] = tensors[name][:, None]
    return batch
