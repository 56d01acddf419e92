"""An update of a network as a CUDA graph."""

from collections.abc import Callable

import torch
from torch import Tensor

Update = Callable[..., Tensor]
_NUM_BEFORE = 3


class RecordedUpdate:
    """An update whose kernels are recorded once and from then on started all at once.

    A small network's hundreds of kernels take a GPU less time than it takes to start them one by
    one. The first updates are made as they are, so that what they set up is there when the next one
    is recorded.

    Args:
        update: takes tensors or None, always of the same shapes, waits for no result, and returns
            its loss. Its random numbers may come from the device's own stream only. Where what it
            works on is replaced by other tensors, another one has to be recorded.
    """

    def __init__(self, update: Update) -> None:
        self._update = update
        self._num_before = _NUM_BEFORE
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor | None] = []
        self._loss = torch.zeros(())

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        """Make the update; the loss is overwritten by the next one."""
        if self._num_before:
            self._num_before -= 1
            return self._update(*inputs)
        if self._graph is None:
            self._graph = self._recorded(inputs)
        for kept, given in zip(self._inputs, inputs, strict=True):
            if kept is not None and given is not None:
                kept.copy_(given)
        self._graph.replay()
        return self._loss

    def _recorded(self, inputs: tuple[Tensor | None, ...]) -> torch.cuda.CUDAGraph:
        self._inputs = [None if each is None else each.clone() for each in inputs]
        graph = torch.cuda.CUDAGraph()
        # Another thread may be reading ahead, into memory that it asks CUDA for.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._loss = self._update(*self._inputs)
        return graph
