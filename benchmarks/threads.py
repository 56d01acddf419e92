"""How many CPU threads torch computes with while something is measured."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from atarigan.config.run_config import RunConfig
from atarigan.training.device_plan import plan_for


@dataclass(frozen=True)
class Threads:
    """A place to compute: a number of CPU threads, or CUDA, where the number does not matter.

    Attributes:
        device: "cpu" or "cuda".
        num: torch's threads on the CPU.
    """

    device: str
    num: int

    def running(self, work: Callable[[], object]) -> Callable[[], object]:
        """The same work with this many threads."""

        def run() -> object:
            torch.set_num_threads(self.num)
            return work()

        return run

    def __str__(self) -> str:
        if self.device == "cuda":
            return "cuda"
        return f"{self.num} thread{'s' * (self.num > 1)}"


def thread_choices(device: str) -> list[Threads]:
    """One thread, and as many as training takes (every core, unless OMP_NUM_THREADS says
    otherwise): which of the two is faster depends on the network, the batch and who else is
    computing.
    """
    most = plan_for(RunConfig(device="cpu")).num_threads
    return [Threads(device, num) for num in ([most] if device == "cuda" else sorted({1, most}))]
