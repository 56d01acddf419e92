"""How many CPU cores there are to compute with."""

import os


def num_cores() -> int:
    """Cores that this process may use; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
