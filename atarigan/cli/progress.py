"""Progress with rate and remaining time: a bar on a terminal, a line now and then in a log."""

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from atarigan.cli.terminal import print_note

_SECONDS_BETWEEN_LINES = 15.0
_SECONDS_BETWEEN_UPDATES = 0.2
_MIN_SHARE = 0.02  # below it, the rate is too uncertain to estimate the remaining time


def report_phase(text: str) -> None:
    """Print the present phase of long work on stdout; stderr is for errors."""
    print(f"{text} ...", flush=True)


class ProgressDisplay:
    """Shows the progress of long work on stderr. The work goes on where the terminal is gone.

    Args:
        title: name of the work: "collecting".
        unit: plural name of what is counted: "agent steps".
        total: final count; 0 means unknown.
        max_seconds: time limit of the work; 0 means no limit.
        start: count of an earlier session, which does not enter the rate.
        spent_seconds: time of an earlier session, which counts towards the limit.
        clock: tells the seconds that count towards the limit.
    """

    def __init__(
        self,
        title: str,
        unit: str,
        total: int = 0,
        *,
        max_seconds: float = 0.0,
        start: int = 0,
        spent_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title = title
        self.unit = unit
        self.total = total
        self.max_seconds = max_seconds
        self.start = start
        self.spent_seconds = spent_seconds
        self._num_done = start
        self._began = time.monotonic()
        self._clock, self._clock_began = clock, clock()
        self._next_update = 0.0
        self._unshown: tuple[int, str] | None = None
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(title, total=1.0, text="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._unshown is not None:
            self._show(*self._unshown)
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.stop()

    def update(self, completed: int, note: str = "") -> None:
        """Set the count. Calls are cheap; the display changes now and then, and on exit."""
        if time.monotonic() < self._next_update:
            self._unshown = (completed, note)
        else:
            self._show(completed, note)

    def advance(self, num_more: int) -> None:
        """Add to the count, and show it."""
        self._num_done += num_more
        self.update(self._num_done)

    def _show(self, completed: int, note: str) -> None:
        self._unshown = None
        now = time.monotonic()
        elapsed = now - self._began
        fraction, text = self._state(completed, elapsed)
        text = f"{text}  {note}".rstrip()
        if self._bar is not None:
            self._bar.update(self._task, completed=fraction, text=text)
            self._next_update = now + _SECONDS_BETWEEN_UPDATES
        else:
            print_note(f"{self.title} {fraction:4.0%}  {text}")
            self._next_update = now + _SECONDS_BETWEEN_LINES

    def _state(self, completed: int, elapsed: float) -> tuple[float, str]:
        """Return the fraction done and the text next to the bar."""
        rate = (completed - self.start) / max(elapsed, 1e-9)
        by_count = completed / self.total if self.total else 0.0
        counted = self._clock() - self._clock_began
        spent = self.spent_seconds + counted
        by_time = spent / self.max_seconds if self.max_seconds else 0.0
        limits_s = []
        if by_count >= _MIN_SHARE and rate > 0:
            limits_s.append((self.total - completed) / rate)
        if self.max_seconds:
            pace = max(elapsed, 1.0) / max(counted, 1.0)
            limits_s.append((self.max_seconds - spent) * pace)
        left = f"{_clock(min(limits_s))} left" if limits_s else f"{_clock(elapsed)} so far"
        of_total = f"/{self.total:,}" if self.total else ""
        text = f"{completed:,}{of_total} {self.unit}  {rate:,.0f}/s  {left}"
        return min(1.0, max(by_count, by_time)), text


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
