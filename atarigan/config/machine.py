"""CPU cores and package versions of this machine."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version


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
