"""How speed is measured: warm-up, waiting for the device, repeats that take turns."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch

from atarigan.config.machine import num_cores

T = TypeVar("T")
DeviceName = Literal["cpu", "cuda"]
Timings = dict[str, list[float]]


@dataclass(frozen=True)
class Case:
    """Something whose speed is measured.

    Attributes:
        name: unique among those that are measured together.
        num_units: units of work that one call does: frames, images, steps.
        work: the call.
        against: names of the limits and peers that it is compared with, themselves cases.
        times_itself: a call is a whole repeat, and returns the seconds that count, because it
            starts processes first.
    """

    name: str
    num_units: float
    work: Callable[[], Any]
    against: tuple[str, ...] = ()
    times_itself: bool = False


@dataclass(frozen=True)
class Stopwatch:
    """Measures cases side by side.

    Attributes:
        device: what is waited for before a time is taken.
        is_quick: as little as shows that everything works; the figures then mean little.
        after: what is done with each case once it was measured.
    """

    device: DeviceName = "cpu"
    is_quick: bool = False
    after: Callable[[Case], None] | None = None

    @property
    def num_repeats(self) -> int:
        return self.sized(full=5 if self.device == "cuda" else 7, quick=5)

    @property
    def repeat_s(self) -> float:
        """How long one repeat of one case goes on, at least; less on a GPU, which nobody shares."""
        return self.sized(full=0.15 if self.device == "cuda" else 0.4, quick=0.01)

    @property
    def num_envs(self) -> int:
        """Environments in a vector: enough to keep all cores busy."""
        return self.sized(full=max(16, 8 * num_cores()), quick=2)

    def sized(self, full: T, quick: T) -> T:
        """Whichever suits how thoroughly is measured."""
        return quick if self.is_quick else full

    def timings(self, cases: Sequence[Case]) -> Timings:
        """Seconds that a unit of work takes: name of the case to one figure a repeat.

        Every case is warmed up, and left out if the device lacks the memory for it. Then each
        repeat goes through all of them, there and back in turn, so that whatever else the machine
        does hurts them alike.
        """
        num_calls = {case.name: num for case in cases if (num := self._fitting_calls(case))}
        cases = [case for case in cases if case.name in num_calls]
        found: Timings = {case.name: [] for case in cases}
        for repeat in range(self.num_repeats):
            for case in cases if repeat % 2 == 0 else reversed(cases):
                num = num_calls[case.name]
                found[case.name].append(self._seconds(case, num) / (num * case.num_units))
        if self.after is not None:
            for case in cases:
                self.after(case)
        return found

    def _fitting_calls(self, case: Case) -> int:
        """Warm a case up; return how many calls fill a repeat, 0 if memory does not hold it."""
        try:
            return self._warm_up(case)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            print(f"without {case.name}, which takes more memory than is free", file=sys.stderr)
            return 0

    def _warm_up(self, case: Case) -> int:
        """Call it once, then for a repeat's time; returns how many calls fill a repeat."""
        self._seconds(case, 1)
        if case.times_itself:
            return 1
        spent_s, fastest_s = 0.0, math.inf
        while spent_s < self.repeat_s:
            call_s = self._seconds(case, 1)
            spent_s, fastest_s = spent_s + call_s, min(fastest_s, call_s)
        return math.ceil(self.repeat_s / fastest_s)

    def _seconds(self, case: Case, num_calls: int) -> float:
        if case.times_itself:
            return float(case.work())
        self._wait_for_device()
        began = time.perf_counter()
        for _ in range(num_calls):
            case.work()
        self._wait_for_device()
        return time.perf_counter() - began

    def _wait_for_device(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()
