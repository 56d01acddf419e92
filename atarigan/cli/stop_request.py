"""Turn Ctrl-C and SIGTERM into a flag that long work checks between two steps."""

import signal
import time
from types import FrameType, TracebackType
from typing import Any, Self


class StopRequest:
    """While entered, the first SIGINT or SIGTERM only sets `is_set`; the second interrupts at once.

    The second raises KeyboardInterrupt. Usable in the main thread, where Python delivers signals;
    elsewhere it never sets itself.

    Args:
        echo_s: seconds in which further signals are taken for echoes of the first: a launcher such
            as torchrun passes on a Ctrl-C that its processes have had from the terminal.
    """

    def __init__(self, echo_s: float = 0.0) -> None:
        self.is_set = False
        self._echo_s = echo_s
        self._first_s = 0.0
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._on_signal)
            except ValueError:  # not the main thread
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.is_set:
            self.is_set, self._first_s = True, time.monotonic()
        elif time.monotonic() - self._first_s >= self._echo_s:
            raise KeyboardInterrupt
