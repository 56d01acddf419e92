"""A file system of a few MiB, to fill up."""

import shutil
import subprocess
from pathlib import Path

import pytest


def run_on_small_disk(
    folder: Path, command: list[str], *, num_mib: int
) -> subprocess.CompletedProcess[str]:
    """Run a command while `folder` is a disk of its own, which is gone afterwards.

    It needs Linux's user namespaces; where they cannot be had, the test is skipped.
    """
    if shutil.which("unshare") is None:
        pytest.skip("no unshare command to mount a small disk with")
    mount = f'mount -t tmpfs -o size={num_mib}m small "$0" || exit 77; exec "$@"'
    isolated = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    finished = subprocess.run(
        [*isolated, str(folder), *command],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if finished.returncode == 77 or finished.stderr.startswith("unshare:"):
        pytest.skip(f"no small disk: {finished.stderr.strip()}")
    return finished
