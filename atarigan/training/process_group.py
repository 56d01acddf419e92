"""The processes that train one run together, as `torchrun` starts them."""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn

from atarigan.errors import one_line
from atarigan.models.device import choose_device


@dataclass(frozen=True)
class ProcessGroup:
    """One process's place among those that train together. Alone, every method returns its
    argument.

    All processes must call the methods alike. They raise ConnectionError where another process is
    gone.

    Attributes:
        rank: this process's number, from 0.
        size: number of processes.
        device: where tensors must lie to be exchanged.
        is_hosted: whether the program that began the group ends its processes, as Ray Train does.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=partial(torch.device, "cpu"))
    is_hosted: bool = False

    @property
    def stop_echo_s(self) -> float:
        """Seconds during which the launcher may repeat a signal that this process already has."""
        return 0.0 if self.size == 1 else 5.0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def gather(self, share: Tensor) -> Tensor:
        """The tensors (B, …) of all processes as one (size * B, …), ordered by rank. Only this
        process's share is differentiable: gradients of the result must be summed over processes.
        """
        if self.size == 1:
            return share
        shares = [torch.empty_like(share) for _ in range(self.size)]
        with self._exchange():
            dist.all_gather(shares, share.detach().contiguous())
        shares[self.rank] = share
        return torch.cat(shares)

    def sum_gradients(self, network: nn.Module) -> None:
        """Replace each process's gradients by the sum over all processes."""
        if self.size == 1:
            return
        gradients = [each.grad for each in network.parameters() if each.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        with self._exchange():
            dist.all_reduce(together)
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, total in zip(gradients, together.split(sizes), strict=True):
            gradient.copy_(total.view_as(gradient))

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in at least one process."""
        if self.size == 1:
            return flag
        flags = torch.tensor(float(flag), device=self.device)
        with self._exchange():
            dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags.item())

    def broadcast(self, number: float) -> float:
        """The first process's number."""
        if self.size == 1:
            return number
        numbers = torch.tensor(number, dtype=torch.float64, device=self.device)
        with self._exchange():
            dist.broadcast(numbers, src=0)
        return numbers.item()

    def broadcast_object(self, value: Any) -> Any:
        """The first process's value, of any type; the others pass None."""
        if self.size == 1:
            return value
        values = [value]
        with self._exchange():
            dist.broadcast_object_list(values, src=0)
        return values[0]

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            reason = one_line(error)
            raise ConnectionError(
                f"process {self.rank} of {self.size} ends because another one is gone; --resume "
                f"goes on from the last checkpoint ({reason})"
            ) from None


SINGLE_PROCESS = ProcessGroup()


@contextlib.contextmanager
def init_process_group(device: str) -> Iterator[ProcessGroup]:
    """The processes that `torchrun` started together with this one, over gloo on CPUs and NCCL on
    GPUs; or those of the group that this process is in already. Without `torchrun`, this process
    alone.

    Args:
        device: "auto", "cpu" or "cuda".

    Raises:
        InputError: CUDA is requested but not available.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        yield SINGLE_PROCESS
        return
    own = choose_device(device)
    is_cuda = own.type == "cuda"
    if is_cuda:
        own = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(own)
    is_hosted = dist.is_initialized()
    if not is_hosted:
        dist.init_process_group("nccl" if is_cuda else "gloo")
    yield ProcessGroup(dist.get_rank(), size, own, is_hosted)
    if is_cuda and not is_hosted:
        dist.destroy_process_group()


def exit_process(status: int) -> NoReturn:
    """End this process at once, with everything written.

    A regular exit would shut the interpreter down while gloo's threads still release their tensors,
    which aborts the process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
