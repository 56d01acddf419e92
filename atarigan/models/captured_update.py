"""An update of a network or of games, captured as a CUDA graph."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")
_NUM_WARMUP = 3


class CapturedUpdate(Generic[Result]):
    """An update whose kernels are captured once and then replayed together.

    A GPU runs hundreds of small kernels faster than they can be launched one by one. The first
    updates run as usual, so that everything they set up exists when the next one is captured.

    Args:
        update: takes tensors or None, always of the same shapes, and returns a tensor, such as its
            loss, or None. It must not wait for the device, and may draw random numbers only from
            the device's default stream. Where the tensors that it works on are replaced, a new one
            has to be captured.
    """

    def __init__(self, update: Callable[..., Result]) -> None:
        self._update = update
        self._num_warmup = _NUM_WARMUP
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor | None] = []
        self._result: Any = None

    def __call__(self, *inputs: Tensor | None) -> Result:
        """Run the update. The next one overwrites its result."""
        if self._num_warmup:
            self._num_warmup -= 1
            return self._update(*inputs)
        if self._graph is None:
            self._graph = self._capture(inputs)
        for kept, given in zip(self._inputs, inputs, strict=True):
            if kept is not None and given is not None:
                kept.copy_(given)
        self._graph.replay()
        found: Result = self._result
        return found

    def _capture(self, inputs: tuple[Tensor | None, ...]) -> torch.cuda.CUDAGraph:
        self._inputs = [None if each is None else each.clone() for each in inputs]
        graph = torch.cuda.CUDAGraph()
        # Another thread may be reading ahead, into memory that it requests from CUDA.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._result = self._update(*self._inputs)
        return graph
