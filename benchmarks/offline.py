"""`python -m benchmarks.offline`: what a GPU is wanted for, on a machine without a network.

`pack` puts wheels and data into one folder. `run` sets up an environment of these wheels and of
what the machine has, among it torch, then runs the tests that need CUDA, the benchmarks and the
trainings. Every part, and every training, writes its results before the next one begins. Nothing
but Python and pip is needed before the environment is there.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WHEELS, DATA, COMMIT = "wheels", "data", "commit.txt"
MOST_BYTES = 60 * 2**20
NO_LIMIT_S = 24 * 3600.0
# What images with torch and the usual scientific packages lack; large packages must be there.
CARRIED = (
    "ale-py",
    "beartype",
    "docstring_parser",
    "farama-notifications",
    "gymnasium",
    "jaxtyping",
    "platformdirs",
    "pooch",
    "setuptools",
    "stable_baselines3",
    "torchmetrics",
    "lightning-utilities",
    "typeguard",
    "tyro",
    "wadler_lindig",
)
DATA_SETS = ("mnist", "cifar10")
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux1")
TAIL_LINES = 30
_ENDS_S = 10.0


class OfflineError(Exception):
    """What a user has to change, in one line."""


@dataclass(frozen=True)
class Machine:
    """Where parts run.

    Attributes:
        pack: folder of wheels and data.
        out: folder of the results.
        python: of the environment.
        device: "auto", "cpu" or "cuda".
        is_quick: as little as shows that everything works.
        deadline: of `time.monotonic`, when the last part must have ended.
    """

    pack: Path
    out: Path
    python: Path
    device: str
    is_quick: bool
    deadline: float

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, at least 1."""
        return max(1.0, self.deadline - time.monotonic())

    def run(self, words: Sequence[str], log: str, limit_s: float | None = None) -> int:
        """Run Python with some words in the checkout, its output into a file and onto the screen,
        until the limit or the deadline; return the exit status, 124 if it was ended.
        """
        environment = {
            **os.environ,
            "ATARIGAN_DATA": str(self.pack / DATA),
            "ATARIGAN_COMMIT": (self.pack / COMMIT).read_text(encoding="utf-8").strip(),
            "PYTHONUNBUFFERED": "1",
        }
        limit_s = self.left_s if limit_s is None else min(limit_s, self.left_s)
        with (self.out / log).open("a", encoding="utf-8") as file:
            process = subprocess.Popen(
                [str(self.python), *words],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return process.wait(limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGINT)  # which lets trainings save their work
                try:
                    process.wait(_ENDS_S)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                return 124


def test_cuda(machine: Machine) -> int:
    """Run the tests that need CUDA; without it they are collected and skipped."""
    paths = sorted((ROOT / "tests").glob("test_*.py"))
    chosen = [str(path) for path in paths if "pytest.mark.cuda" in path.read_text("utf-8")]
    words = ["-m", "pytest", "-m", "cuda", "-p", "no:cacheprovider", "-p", "no:xdist"]
    # Other versions than the pinned ones have warnings of their own.
    return machine.run([*words, "-W", "default", "-rs", "--durations=5", *chosen], "tests.txt")


def benchmark(machine: Machine) -> int:
    """Run the benchmarks; rows are written after each of them."""
    names = ["device", "generate", "buffer"] if machine.is_quick else []
    words = ["-m", "benchmarks", *names, "--device", machine.device]
    flags = ["--json", str(machine.out / "benchmarks.json")]
    quick = ["--quick"] if machine.is_quick else []
    return machine.run([*words, *flags, *quick], "benchmarks.txt")


def train(machine: Machine) -> int:
    """Run the trainings in what is left of the time."""
    words = ["-m", "benchmarks.trainings", "--out", str(machine.out), "--device", machine.device]
    budget = ["--budget-s", str(int(machine.left_s - 20))]
    quick = ["--quick"] if machine.is_quick else []
    return machine.run([*words, *budget, *quick], "trainings.txt")


PARTS: dict[str, Callable[[Machine], int]] = {
    "tests": test_cuda,
    "benchmarks": benchmark,
    "trainings": train,
}


def pack(out: Path, python: str, data: Path | None, index: Sequence[str] = ()) -> int:
    """Fill a new folder with wheels for a version of Python, data sets and the commit's name.

    Returns:
        Its size in bytes.

    Raises:
        OfflineError: the folder exists, a wheel or a data set is missing, or all is too large.
    """
    if out.exists():
        raise OfflineError(f"--out must be a new folder, and {out} exists")
    (out / WHEELS).mkdir(parents=True)
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *index]
    target = ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    for platform in PLATFORMS:
        target += ["--platform", f"{platform}_x86_64"]
    names = [pinned(name) for name in CARRIED]
    if subprocess.run([*download, *target, "-d", str(out / WHEELS), *names]).returncode:
        raise OfflineError(f"pip could not download all wheels for Python {python}")
    for name in DATA_SETS if data is not None else ():
        assert data is not None
        if not (data / name).is_dir():
            raise OfflineError(f"--data must hold {name}, and {data / name} does not exist")
        shutil.copytree(data / name, out / DATA / name)
    (out / COMMIT).write_text(f"{commit()}\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if size > MOST_BYTES:
        raise OfflineError(f"{out} must hold at most {MOST_BYTES:,} bytes, not {size:,}")
    return size


def pinned(name: str) -> str:
    """Return a package with the version in constraints.txt, if it has one there."""
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        found = line.partition("==")[0].lower().replace("_", "-")
        if found == name.lower().replace("_", "-"):
            return line
    return name


def commit() -> str:
    """Return the commit that is checked out."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def set_up(pack: Path, folder: Path, outside: Sequence[str]) -> Path:
    """Make an environment of the wheels, this checkout, and packages of other folders.

    Args:
        pack: folder of the wheels.
        folder: of the environment, which is made anew.
        outside: folders of further packages, such as torch.

    Returns:
        Its Python.
    """
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    show = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([str(python), "-c", show], check=True, capture_output=True, text=True)
    lines = "".join(f"{each}\n" for each in outside)
    Path(site.stdout.strip(), "outside.pth").write_text(lines, encoding="utf-8")
    install = [str(python), "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile"]
    wheels = sorted(map(str, (pack / WHEELS).glob("*.whl")))
    subprocess.run([*install, "--ignore-installed", *wheels], check=True)
    build = ["--no-build-isolation", "-e", str(ROOT)]
    subprocess.run([*install, *build], check=True)
    return python


def own_packages() -> list[str]:
    """Return the folders in which this Python finds its packages."""
    return list(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib")))


def run(machine: Machine, names: Sequence[str], report: list[dict[str, Any]]) -> int:
    """Run parts one after the other; write what became of each; return how many failed."""
    num_failed = 0
    for name in names:
        began = time.monotonic()
        print(f"{name} …", flush=True)
        status = PARTS[name](machine)
        num_failed += status != 0
        seconds = round(time.monotonic() - began, 1)
        report.append({"part": name, "exit_status": status, "seconds": seconds})
        write_report(machine.out, report)
        log = (machine.out / f"{name}.txt").read_text(encoding="utf-8", errors="replace")
        print("\n".join(log.splitlines()[-TAIL_LINES:]))
        print(f"{name}: exit status {status} after {seconds} s", flush=True)
    return num_failed


def write_report(out: Path, report: list[dict[str, Any]]) -> None:
    (out / "parts.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.offline", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="fill a folder with wheels and data")
    packing.add_argument("pack", type=Path, help="a new folder")
    packing.add_argument("--python", default="3.12", help="version of the other machine's Python")
    packing.add_argument("--data", type=Path, help="folder of data sets, such as $ATARIGAN_DATA")
    running = commands.add_parser("run", help="set up, test, benchmark, train")
    running.add_argument("pack", type=Path, help="the folder that `pack` filled")
    running.add_argument("--out", type=Path, required=True, help="folder of the results")
    running.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    running.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    running.add_argument("--budget-s", type=float, default=NO_LIMIT_S, help="seconds in all")
    running.add_argument("--quick", action="store_true", help="show that everything works")
    running.add_argument(
        "--outside", type=Path, help="folder of packages; by default those of this Python"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Parse, pack or run; return the exit status."""
    flags = parse(words)
    try:
        if flags.command == "pack":
            size = pack(flags.pack, flags.python, flags.data)
            print(f"packed {flags.pack}, {size / 2**20:.1f} MiB")
            return 0
        return set_up_and_run(flags)
    except OfflineError as error:
        print(f"python -m benchmarks.offline: {error}", file=sys.stderr)
        return 2


def set_up_and_run(flags: argparse.Namespace) -> int:
    """Run the parts that flags name in a new environment; return the exit status.

    Raises:
        OfflineError: the pack is missing.
    """
    began = time.monotonic()
    pack, out = flags.pack.absolute(), flags.out.absolute()
    if not (pack / WHEELS).is_dir():
        raise OfflineError(f"{pack} must be a folder that `pack` filled")
    out.mkdir(parents=True, exist_ok=True)
    outside = own_packages() if flags.outside is None else [str(flags.outside.absolute())]
    python = set_up(pack, pack / "environment", outside)
    seconds = round(time.monotonic() - began, 1)
    report: list[dict[str, Any]] = [{"part": "set-up", "exit_status": 0, "seconds": seconds}]
    write_report(out, report)
    machine = Machine(pack, out, python, flags.device, flags.quick, began + flags.budget_s)
    return min(1, run(machine, flags.parts, report))


if __name__ == "__main__":
    sys.exit(main())
