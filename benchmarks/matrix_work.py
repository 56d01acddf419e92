"""The matrix work of a training step alone: the bound that no arrangement of the step can pass."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

_MATRIX_OPERATIONS = {
    torch.ops.aten.convolution.default,
    torch.ops.aten.convolution_backward.default,
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
}
Call = tuple[Any, tuple[Any, ...], dict[str, Any]]


class _Recorder(TorchDispatchMode):
    """Notes every convolution and matrix product, forward and backward, with its arguments."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()
        self.calls: dict[str, Call] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _MATRIX_OPERATIONS:
            key = repr(tree_map(_signature, (func, args, kwargs)))
            self.counts[key] += 1
            if key not in self.calls:
                self.calls[key] = (func, *tree_map(_like, (args, kwargs or {})))
        return func(*args, **(kwargs or {}))


def matrix_work(step: Callable[[], object]) -> Callable[[], None]:
    """What does the convolutions and matrix products that `step` does, as often and of the same
    shapes, types and memory orders, on arguments of its own, and nothing else.
    """
    with _Recorder() as recorder:
        step()

    @torch.no_grad()
    def work() -> None:
        for key, count in recorder.counts.items():
            function, args, kwargs = recorder.calls[key]
            for _ in range(count):
                function(*args, **kwargs)

    return work


def _signature(value: Any) -> Any:
    """What decides how long an operation takes."""
    if isinstance(value, Tensor):
        return tuple(value.shape), value.stride(), value.dtype
    return value


def _like(value: Any) -> Any:
    """A tensor of random numbers for a tensor."""
    return torch.randn_like(value) if isinstance(value, Tensor) else value
