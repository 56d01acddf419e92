"""DevicePlan: where and how a run computes, and how batches reach the device."""

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from atarigan.config.machine import num_cores
from atarigan.config.run_config import RunConfig
from atarigan.data.sources.source import Batch
from atarigan.errors import InputError
from atarigan.images.pixels import frames_to_floats
from atarigan.models.device import choose_device

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")


class DeviceBatch(NamedTuple):
    """Real samples float32 (B, *sample_shape) and their conditions (B, …), on the device; None
    where there are no conditions.
    """

    real: Tensor
    condition: Tensor | None


@dataclass(frozen=True)
class DevicePlan:
    """A device, the number format of the networks' arithmetic, and the CPU threads in use.

    Attributes:
        device: where tensors live.
        precision: "fp32", or "bf16" for autocast.
        num_threads: CPU threads that torch computes with.
    """

    device: torch.device
    precision: str = "fp32"
    num_threads: int = 1

    @property
    def kind(self) -> str:
        """Kind of the device, "cpu" or "cuda"; each has random streams of its own."""
        return self.device.type

    @property
    def is_cuda(self) -> bool:
        """Whether the device is a CUDA GPU."""
        return self.kind == "cuda"

    def place(self, module: M) -> M:
        """Move a module to the device, convolutions in channels_last."""
        return module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def on_device(self, batches: Iterator[Batch]) -> Iterator[DeviceBatch]:
        """Move batches to the device. For CUDA they are read ahead into page-locked memory."""
        if self.is_cuda:
            batches = prefetched(Batch(*map(_pinned, batch)) for batch in batches)
        for samples, condition in batches:
            yield DeviceBatch(self.samples(samples), self.condition(condition))

    def samples(self, array: Any) -> Tensor:
        """Real samples as the networks see them. Frames uint8 (B, H, W, C) cross as bytes and
        become floats on the device.
        """
        tensor = self._moved(array)
        return frames_to_floats(tensor) if tensor.dtype == torch.uint8 else tensor

    def condition(self, array: Any | None) -> Tensor | None:
        """Conditions on the device; None where there are none."""
        return None if array is None else self._moved(array)

    def _moved(self, array: Any) -> Tensor:
        return torch.as_tensor(array).to(self.device, non_blocking=True)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context that networks run in."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def layers_rng_state(self) -> Tensor:
        """State of the random stream that layers such as dropout draw from: torch's own."""
        return torch.cuda.get_rng_state(self.device) if self.is_cuda else torch.get_rng_state()

    def set_layers_rng_state(self, state: Tensor) -> None:
        """Continue that stream from a state of the same kind of device."""
        if self.is_cuda:
            torch.cuda.set_rng_state(state, self.device)
        else:
            torch.set_rng_state(state)

    def seed_layers_rng(self, seed: int) -> None:
        """Start that stream over."""
        if self.is_cuda:
            torch.cuda.manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)

    def __str__(self) -> str:
        num = self.num_threads
        threads = f", {num} thread{'s' * (num != 1)}" if self.device.type == "cpu" else ""
        return f"{self.device.type}{threads}, {self.precision}"


def plan_for(config: RunConfig) -> DevicePlan:
    """The plan for a run on this machine. Sets torch's number of threads.

    Raises:
        InputError: CUDA is requested but not available, or OMP_NUM_THREADS is not a number.
    """
    device = choose_device(config.device)
    num_threads = _num_threads(os.environ.get("OMP_NUM_THREADS") or str(num_cores()))
    torch.set_num_threads(num_threads)
    return DevicePlan(device, config.precision, num_threads)


def _num_threads(text: str) -> int:
    """Return the first number of OMP_NUM_THREADS, which may be a list for nested loops."""
    first = text.partition(",")[0].strip()
    if not (first.isdecimal() and int(first) > 0):
        raise InputError(f"OMP_NUM_THREADS must be a number of at least 1, not {text!r}")
    return int(first)


def prefetched(items: Iterator[T], num_ahead: int = 4) -> Iterator[T]:
    """The same items in the same order, up to `num_ahead` of them read ahead by a thread. An error
    in reading is raised where its item would come.
    """
    end = object()
    reader = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    try:
        ahead = deque(reader.submit(next, items, end) for _ in range(num_ahead))
        while (item := ahead.popleft().result()) is not end:
            ahead.append(reader.submit(next, items, end))
            yield item  # type: ignore[misc]
    finally:
        reader.shutdown(cancel_futures=True)


def _pinned(array: Any) -> Any:
    """An array as a tensor in page-locked memory; None stays None."""
    return None if array is None else torch.from_numpy(array).pin_memory()
