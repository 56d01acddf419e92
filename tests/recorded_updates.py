"""Updates that are replayed on a CPU as CUDA graphs are: operation by operation, in the memory that
they were recorded in, without running their Python code again.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

NUM_WARMUP = 3
Call = tuple[Any, tuple[Any, ...], dict[str, Any], list[Any]]


class _Recorder(TorchDispatchMode):
    """Notes all operations but views, with their arguments and results, and keeps these alive."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.views: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {_memory(each) for each in tree_leaves((args, kwargs)) if _has_memory(each)}
        found = [each for each in tree_leaves(result) if _has_memory(each)]
        is_view = bool(found) and all(_memory(each) in given for each in found)
        if is_view and not func._schema.is_mutable:
            self.views.append(result)
        else:
            self.calls.append((func, args, kwargs or {}, found))
        return result


class RecordedUpdate:
    """As `CapturedUpdate`, on a CPU."""

    def __init__(self, update: Callable[..., Any], *rngs: torch.Generator) -> None:
        self.update = update
        self.num_calls = 0
        self.inputs: list[Tensor | None] = []
        self.result: Any = None
        self.recorder = _Recorder()

    def __call__(self, *inputs: Tensor | None) -> Any:
        self.num_calls += 1
        if self.num_calls <= NUM_WARMUP:
            return self.update(*inputs)
        if self.num_calls == NUM_WARMUP + 1:
            self.inputs = [None if each is None else each.clone() for each in inputs]
            with self.recorder:
                self.result = self.update(*self.inputs)
            return self.result
        with torch.no_grad():
            for kept, given in zip(self.inputs, inputs, strict=True):
                if kept is not None and given is not None:
                    kept.copy_(given)
            self.replay()
        return self.result

    def replay(self) -> None:
        for func, args, kwargs, recorded in self.recorder.calls:
            result = func(*args, **kwargs)
            found = [each for each in tree_leaves(result) if _has_memory(each)]
            for old, new in zip(recorded, found, strict=True):
                if _memory(old) != _memory(new):
                    old.copy_(new)


def _has_memory(value: Any) -> bool:
    return isinstance(value, Tensor)


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
