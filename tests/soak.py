"""Long runs, watched: `python -m tests.soak collect` and `python -m tests.soak train`.

Memory is what processes hold for themselves (RssAnon of a command and all it started): pages of
memory maps are the system's, which takes them back as it likes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Look:
    """One look at a running command.

    Attributes:
        elapsed_s: since its start.
        memory: bytes that its processes hold.
        size: bytes of the files that it writes.
        note: what else there is to say.
    """

    elapsed_s: float
    memory: int
    size: int
    note: str

    def __str__(self) -> str:
        mib = f"{self.memory / 2**20:9,.1f} | {self.size / 2**20:9,.1f}"
        return f"| {self.elapsed_s:8,.0f} | {mib} | {self.note} |"


def looks(
    command: list[str], folder: Path, note: Callable[[], str], every_s: float
) -> Iterator[Look]:
    """Run a command to its end and look at it now and then. Raises RuntimeError where it fails."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while True:
        try:
            process.wait(every_s)
        except subprocess.TimeoutExpired:
            elapsed_s = time.monotonic() - began
            yield Look(elapsed_s, memory_of(process.pid), size_of(folder), note())
        else:
            break
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    yield Look(time.monotonic() - began, 0, size_of(folder), note())


def memory_of(pid: int) -> int:
    """Bytes that a process and those it started hold for themselves."""
    total = 0
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        total = sum(
            1024 * int(line.split()[1]) for line in status.splitlines() if "RssAnon" in line
        )
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return total
    return total + sum(memory_of(int(child)) for child in children)


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder, holes included."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def collect(folder: Path, flags: argparse.Namespace) -> Iterator[Look]:
    """Steps into a ring that is far smaller."""
    path = folder / "buffer"
    words = ["--num-steps", str(flags.steps), "--capacity", str(flags.capacity), "--out", str(path)]
    words += ["--frame-skip", str(flags.frame_skip), "--num-envs", str(flags.envs)]
    command = [sys.executable, "-m", "atarigan.collect", *words]
    return looks(command, path, lambda: f"{num_collected(path):,} steps", flags.every_s)


def num_collected(path: Path) -> int:
    from atarigan.data.buffer.frame_buffer import FrameBuffer

    return FrameBuffer.open(path).num_collected if (path / "meta.json").exists() else 0


def train(folder: Path, flags: argparse.Namespace) -> Iterator[Look]:
    """Training with evaluations, pictures, checkpoints and a log, all of them often."""
    from atarigan import collect as collect_command

    buffer, out = folder / "buffer", folder / "run"
    words = ["--num-steps", "5000", "--num-envs", str(flags.envs), "--policy", "scripted"]
    collect_command.main([*words, "--out", str(buffer)])
    words = ["--data", str(buffer), "--out", str(out), "--max-minutes", str(flags.minutes)]
    words += ["--evaluate-every-s", "60", "--checkpoint-every-s", "15", "--device", "cpu"]
    command = [sys.executable, "-m", "atarigan.train", *words, "--sample-every", "5000"]

    def note() -> str:
        sizes = {
            name: size_of(out / name) / 2**20
            for name in ("checkpoints", "best", "samples", "tensorboard")
        }
        kept = len(list((out / "checkpoints").glob("images-*")))
        shown = ", ".join(f"{name} {size:.1f}" for name, size in sizes.items())
        history = out / "history.csv"
        rows = len(history.read_bytes().splitlines()) if history.exists() else 0
        return f"{kept} checkpoints; MiB: {shown}; {rows:,} rows of history"

    return looks(command, out, note, flags.every_s)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["collect", "train"])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--capacity", type=int, default=50_000)
    parser.add_argument("--frame-skip", type=int, default=4)
    parser.add_argument("--envs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every-s", type=float, default=30)
    flags = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-", dir=os.environ.get("TMPDIR")))
    print("|        s | memory MiB | files MiB | |\n|---:|---:|---:|---|")
    try:
        for look in {"collect": collect, "train": train}[flags.what](folder, flags):
            print(look, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
