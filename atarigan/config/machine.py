"""CPU cores, free memory and package versions of this machine."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from atarigan.errors import InputError


def num_cores() -> int:
    """Return the number of CPU cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect the contents of a buffer."""
    versions = {"python": platform.python_version()}
    for package in ("atarigan", "gymnasium", "ale-py", "numpy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def free_memory() -> int:
    """Bytes of main memory that are available; 2^62 where the system does not tell."""
    try:
        return kilobytes("/proc/meminfo", "MemAvailable") * 1024
    except (OSError, KeyError, ValueError):
        return 1 << 62


def check_num_fits(num: int, num_bytes: int) -> None:
    """Raise InputError if memory does not hold `--num` samples of so many bytes each."""
    free = free_memory()
    if num * num_bytes > free:
        raise InputError(
            f"--num {num:,} needs about {num * num_bytes / 1e9:,.1f} GB of memory, and "
            f"{free / 1e9:,.1f} GB are free: about {free // num_bytes:,} fit"
        )


def kilobytes(file: str, name: str) -> int:
    """A size in a file of the Linux proc file system."""
    lines = Path(file).read_text(encoding="ascii").splitlines()
    sizes = {key: value for key, _, value in (line.partition(":") for line in lines)}
    return int(sizes[name].split()[0])
