"""An update of a network, captured as a CUDA graph."""

from collections.abc import Callable

import torch
from torch import Tensor

Update = Callable[..., Tensor]
_NUM_WARMUP = 3


class CapturedUpdate:
    """An update whose kernels are captured once and then replayed together.

    A GPU runs the hundreds of kernels of a small network faster than they can be launched one by
    one. The first updates run as usual, so that everything they set up exists when the next one is
    captured.

    Args:
        update: takes tensors or None, always of the same shapes, and returns its loss. It must not
            wait for the device, and may draw random numbers only from the device's default stream.
            Where the tensors that it works on are replaced, a new one has to be captured.
    """

    def __init__(self, update: Update) -> None:
        self._update = update
        self._num_warmup = _NUM_WARMUP
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor | None] = []
        self._loss = torch.zeros(())

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        """Run the update. The next one overwrites the loss."""
        if self._num_warmup:
            self._num_warmup -= 1
            return self._update(*inputs)
        if self._graph is None:
            self._graph = self._capture(inputs)
        for kept, given in zip(self._inputs, inputs, strict=True):
            if kept is not None and given is not None:
                kept.copy_(given)
        self._graph.replay()
        return self._loss

    def _capture(self, inputs: tuple[Tensor | None, ...]) -> torch.cuda.CUDAGraph:
        self._inputs = [None if each is None else each.clone() for each in inputs]
        graph = torch.cuda.CUDAGraph()
        # Another thread may be reading ahead, into memory that it requests from CUDA.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._loss = self._update(*self._inputs)
        return graph
