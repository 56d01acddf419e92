"""Spoiled files for every reader: `python -m tests.fuzz --inputs 10000`, or `make fuzz`.

Each reader runs in a process of its own, with little more memory than it starts with. A defect is
any exception but InputError, ten seconds without an answer, memory that is not there, a file opened
outside of the folder, code found or started, or the end of the process.
"""

import argparse
import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from atarigan.errors import InputError
from tests.mutations import spoiled

LONGEST_S = 10.0
EXTRA_BYTES = 400 << 20
FORBIDDEN = ("pickle.find_class", "os.system", "os.exec", "os.fork", "os.posix_spawn",
             "subprocess.Popen", "socket.connect", "ctypes.dlopen")  # fmt: skip
# "<string>" is Python 3.13 itself, in search of the line where an expression has a syntax error.
ELSEWHERE = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]), "/proc/", "/dev/null",
             "<string>")  # fmt: skip


class HangError(BaseException):
    """An input took too long; no `except Exception` stops it."""


class Watch:
    """Notes what Python does that a reader must not do, by its audit events."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event in FORBIDDEN:
            self.seen.append(f"{event} {arguments!r}"[:200])
        elif event == "open" and isinstance(arguments[0], (str, bytes)):
            path = os.fsdecode(arguments[0])
            if not path.startswith((self.folder, *ELSEWHERE)):
                self.seen.append(f"open {path!r}"[:200])

    @contextlib.contextmanager
    def over(self, folder: Path) -> Iterator[None]:
        """Watch what is done about a folder."""
        self.seen, self.folder = [], str(folder)
        try:
            yield
        finally:
            self.folder = None


def verdict(read: Any, folder: Path, watch: Watch) -> str:
    """ "accepted", "refused", or what is wrong."""
    outcome = "accepted"
    try:
        with watch.over(folder):
            read(folder)
    except InputError as error:
        outcome = "refused" if is_one_line(error) else f"several lines: {str(error)[:100]!r}"
        if not_enough_memory(error):
            outcome = f"memory: {error}"
    except (Exception, HangError) as error:
        outcome = f"{type(error).__name__} in {place_of(error)}: {str(error)[:80]!r}"
    return watch.seen[0] if watch.seen else outcome


def place_of(error: BaseException) -> str:
    """The last line of ours that an exception passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "atarigan" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


def is_one_line(error: InputError) -> bool:
    return "\n" not in str(error) and len(str(error)) < 2000


def not_enough_memory(error: BaseException | None) -> bool:
    """Whether memory was asked for that is not there, though somebody made an InputError of it."""
    while error is not None:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            return True
        error = error.__context__
    return False


def inputs(name: str, seed: int, num: int, folder: Path) -> Iterator[tuple[int, str, bytes]]:
    """Puts one spoiled file after the other in its place: number, name, content."""
    from tests.readers import READERS

    specimens = {each: (folder / each).read_bytes() for each in READERS[name].names}
    for number in range(num):
        rng = Random(f"{name} {seed} {number}")
        each = rng.choice(READERS[name].names)
        content = spoiled(each, specimens[each], rng)
        (folder / each).write_bytes(content)
        yield number, each, content
        (folder / each).write_bytes(specimens[each])


def run_reader(name: str, num: int, seed: int, folder: Path) -> Counter[str]:
    """Verdicts over so many inputs, in this process."""
    from tests.readers import READERS

    reader, watch = READERS[name], Watch()
    reader.write(folder)
    for _ in range(3):  # whatever is loaded late is loaded now
        reader.read(folder)
    limit_memory()
    signal.signal(signal.SIGALRM, _hang)
    verdicts: Counter[str] = Counter()
    for number, each, _ in inputs(name, seed, num, folder):
        signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
        found = verdict(reader.read, folder, watch)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if found not in ("accepted", "refused") and verdicts[found] < 1:
            print(f"{name}: input {number} of seed {seed}, {each}: {found}", flush=True)
        verdicts[found] += 1
    return verdicts


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _hang(number: int, frame: FrameType | None) -> None:
    raise HangError(f"more than {LONGEST_S} s")


def run_apart(name: str, num: int, seed: int) -> tuple[int, int, int, str]:
    """Accepted, refused and defective inputs in a process of their own, and what it said."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    words = ["--reader", name, "--inputs", str(num), "--seed", str(seed), "--folder", str(folder)]
    command = [sys.executable, "-m", "tests.fuzz", *words]
    result = subprocess.run(command, capture_output=True, text=True)
    *said, last = result.stdout.splitlines() or [""]
    if result.returncode == 0:
        shutil.rmtree(folder)
        accepted, refused, defective = map(int, last.split())
        return accepted, refused, defective, "\n".join(said)
    end = f"the process ended with {result.returncode}; its last input is in {folder}"
    return 0, 0, 1, "\n".join([*said, f"{name}: {end}", result.stderr[-2000:]])


def run_guided(name: str, num: int, seed: int) -> tuple[int, str]:
    """Defects that coverage-guided inputs found (it stops at the first one), and what it said."""
    command = [sys.executable, "-m", "tests.guided_fuzz", name, f"-runs={num}", f"-seed={seed + 1}"]
    result = subprocess.run(command, capture_output=True, text=True)
    return (1, result.stderr[-2000:]) if result.returncode else (0, "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="a reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", help="this one alone, in this process")
    parser.add_argument("--folder", type=Path, help="for the specimen, with --reader")
    parser.add_argument("--guided", action="store_true", help="by coverage; needs the extra fuzz")
    flags = parser.parse_args()
    if flags.reader and flags.folder:
        verdicts = run_reader(flags.reader, flags.inputs, flags.seed, flags.folder)
        accepted, refused = verdicts.pop("accepted", 0), verdicts.pop("refused", 0)
        print(accepted, refused, verdicts.total())
        return 0
    from tests.readers import READERS

    names = [flags.reader] if flags.reader else list(READERS)
    defects = 0
    print("| reader | inputs | still valid | refused | defects |\n|---|---:|---:|---:|---:|")
    for name in names:
        if flags.guided:
            defective, said = run_guided(name, flags.inputs, flags.seed)
            found = "guided | guided"
        else:
            accepted, refused, defective, said = run_apart(name, flags.inputs, flags.seed)
            found = f"{accepted:,} | {refused:,}"
        print(f"| {name} | {flags.inputs:,} | {found} | {defective:,} |", flush=True)
        if said:
            print(said, file=sys.stderr, flush=True)
        defects += defective
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
