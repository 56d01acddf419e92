"""Where and how a run computes: the one place that decides it."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from atarigan.config.machine import num_cores
from atarigan.config.run_config import RunConfig
from atarigan.data.sources.source import Batch
from atarigan.images.pixels import frames_to_floats
from atarigan.models.device import choose_device
from atarigan.training.prefetch import prefetched

M = TypeVar("M", bound=nn.Module)


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

    def place(self, module: M) -> M:
        """The module on the device, convolutions in channels_last."""
        return module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def ahead(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The same batches; for CUDA read ahead, into memory that the device copies from."""
        if self.device.type != "cuda":
            return batches
        return prefetched(Batch(*map(_pinned, batch)) for batch in batches)

    def samples(self, array: Any) -> Tensor:
        """Real samples as the networks see them: uint8 frames (B, H, W, C) cross as bytes and
        become floats on the device.
        """
        tensor = self._on_device(array)
        return frames_to_floats(tensor) if tensor.dtype == torch.uint8 else tensor

    def condition(self, array: Any | None) -> Tensor | None:
        """The conditions of a batch on the device; None where there are none."""
        return None if array is None else self._on_device(array)

    def _on_device(self, array: Any) -> Tensor:
        return torch.as_tensor(array).to(self.device, non_blocking=True)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context that networks run in."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def __str__(self) -> str:
        num = self.num_threads
        threads = f", {num} thread{'s' * (num != 1)}" if self.device.type == "cpu" else ""
        return f"{self.device.type}{threads}, {self.precision}"


def _pinned(array: Any) -> Any:
    """Numbers as a tensor in page-locked memory; None where there are none."""
    return None if array is None else torch.from_numpy(array).pin_memory()


def plan_for(config: RunConfig) -> DevicePlan:
    """The plan for a run on this machine; sets torch's thread count.

    Raises:
        InputError: CUDA is asked for and not there.
    """
    device = choose_device(config.device)
    num_threads = int(os.environ.get("OMP_NUM_THREADS", num_cores()))
    torch.set_num_threads(num_threads)
    return DevicePlan(device, config.precision, num_threads)
