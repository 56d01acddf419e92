"""Work on a GPU that is captured as a CUDA graph: updates, and functions of batches."""

import math
import warnings
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from atarigan.errors import one_line

Result = TypeVar("Result")
_NUM_WARMUP = 3


class CapturedUpdate(Generic[Result]):
    """An update whose kernels are captured once and then replayed together.

    A GPU runs hundreds of small kernels faster than they can be launched one by one. The first
    updates run as usual, so that everything they set up exists when the next one is captured. If
    that fails, all run as usual, and a warning says why.

    Args:
        update: takes tensors or None, always of the same shapes, and returns a tensor, such as its
            loss, several, or None. It must not wait for the device, nor leave anything but tensors
            that it changes in place, and may draw random numbers only from the device's default
            stream and the given ones. Where the tensors that it works on are replaced, a new one
            has to be captured.
        rngs: random streams of the device that it draws from.
    """

    def __init__(self, update: Callable[..., Result], *rngs: torch.Generator) -> None:
        self._update = update
        self._rngs = rngs
        self._num_warmup: float = _NUM_WARMUP
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor | None] = []
        self._result: Any = None

    def __call__(self, *inputs: Tensor | None) -> Result:
        """Run the update. The next one overwrites its result."""
        if self._num_warmup:
            self._num_warmup -= 1
            return self._update(*inputs)
        if self._graph is None:
            try:
                self._graph = self._capture(inputs)
            except RuntimeError as error:
                self._num_warmup = math.inf
                warnings.warn(f"an update is not captured: {one_line(error)}", stacklevel=2)
                return self._update(*inputs)
        for kept, given in zip(self._inputs, inputs, strict=True):
            if kept is not None and given is not None:
                kept.copy_(given)
        self._graph.replay()
        found: Result = self._result
        return found

    def _capture(self, inputs: tuple[Tensor | None, ...]) -> torch.cuda.CUDAGraph:
        self._inputs = [None if each is None else each.clone() for each in inputs]
        graph = torch.cuda.CUDAGraph()
        for rng in self._rngs:
            graph.register_generator_state(rng)
        # Another thread may be reading ahead, into memory that it requests from CUDA.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._result = self._update(*self._inputs)
        return graph


class CapturedBatches:
    """A function of batches, captured once for each power of two of rows and then replayed, in
    inference mode.

    Batches in between are padded with zeros, and larger ones than `largest` run as usual, because
    their kernels take longer than launching them. Several threads may call it, on one CUDA stream.

    Args:
        function: takes tensors (B, ...) or None, and returns a tensor (B, ...) whose rows depend on
            the same rows of the inputs. It must not wait for the device.
        largest: rows of the largest batch that is captured.
    """

    def __init__(self, function: Callable[..., Tensor], largest: int) -> None:
        self._function = function
        self._largest = largest
        self._captured: dict[tuple[int, ...], CapturedUpdate[Tensor]] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the function alone: a graph belongs to its process and its tensors."""
        return CapturedBatches, (self._function, self._largest)

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor | None) -> Tensor:
        """Return what the function returns of a batch."""
        num = next(len(each) for each in inputs if each is not None)
        if not 0 < num <= self._largest:
            return self._function(*inputs)
        size = 1 << (num - 1).bit_length()
        key = (size, *(each is not None for each in inputs))
        padded = [None if each is None else _padded(each, size) for each in inputs]
        with self._lock:
            if key not in self._captured:
                self._captured[key] = CapturedUpdate(self._function)
            return self._captured[key](*padded)[:num].clone()


def replayed(
    function: Callable[..., Tensor], largest: int, device: torch.device
) -> Callable[..., Tensor]:
    """Return the `CapturedBatches` of a function on CUDA, and the function itself elsewhere."""
    return CapturedBatches(function, largest) if device.type == "cuda" else function


def _padded(rows: Tensor, size: int) -> Tensor:
    """Return rows (N, ...) followed by rows of zeros, (size, ...)."""
    if len(rows) == size:
        return rows
    return torch.cat([rows, rows.new_zeros(size - len(rows), *rows.shape[1:])])
