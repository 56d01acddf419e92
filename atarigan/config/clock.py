"""The clocks by which the minutes of a training are counted."""

import time
from collections.abc import Callable
from typing import Literal

Clock = Literal["wall", "cpu"]


def clock_of(name: Clock) -> Callable[[], float]:
    """Return a function that tells seconds, of which only differences count.

    Those of "cpu" are the CPU seconds that all threads of this process took together.
    """
    return time.process_time if name == "cpu" else time.monotonic
