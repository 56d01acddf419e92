"""Turn Ctrl-C and SIGTERM into a flag that long work checks between two steps."""

import signal
import time
from types import FrameType
from typing import Any, Self


class StopRequest:
    """A context in which the first SIGINT or SIGTERM sets `is_set`.

    The second one raises KeyboardInterrupt. In threads other than the main one, where Python does
    not deliver signals, `is_set` stays false.

    Args:
        echo_s: seconds after the first signal in which further ones are ignored. A launcher such as
            torchrun forwards a Ctrl-C that its processes already got from the terminal.
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

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.is_set:
            self.is_set, self._first_s = True, time.monotonic()
        elif time.monotonic() - self._first_s >= self._echo_s:
            raise KeyboardInterrupt
