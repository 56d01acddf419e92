"""Where a benchmark ran: the machine, the versions, the commit."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from atarigan.config.machine import num_cores, package_versions


def describe_machine() -> str:
    """Cores that this process may use, processor and graphics card: "2 cores, AMD EPYC, no GPU"."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{num_cores()} core{'s' * (num_cores() != 1)}, {_processor()}, {gpu}"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages whose speed is measured."""
    return package_versions() | {name: version(name) for name in ("torch", "stable-baselines3")}


def commit() -> str | None:
    """The commit that is checked out, "-dirty" behind it where files differ; None where git knows
    none. ATARIGAN_COMMIT names that of a copy without a history.
    """
    if named := os.environ.get("ATARIGAN_COMMIT"):
        return named
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
