"""`python -m benchmarks`: measure speed, print tables, write JSON; `quality` compares trainings."""

import importlib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from atarigan.cli import command_line
from atarigan.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from benchmarks.report import Report

MODULES = {
    "device": "on_device",
    "collect": "collection",
    "buffer": "buffer",
    "train": "training",
    "generate": "generation",
    "env": "env_steps",
    "dream": "dream",
    "render": "rendering",
    "ray": "ray_nodes",
    "codes": "codes",
}


ON_CUDA = ("device", "generate", "buffer", "env", "dream", "train")


@dataclass(frozen=True)
class BenchmarkArguments:
    """Measure the speed of atarigan, compared with the bare limit and a peer in the same run.

    `python -m benchmarks quality` compares the results of training instead, with its own flags.
    """

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = ()
    """Which: device, collect, buffer, train, generate, env, dream, render, ray, codes; none means
    all, on CUDA those that compute there.
    """
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks compute; auto takes CUDA where there is one."""
    json: str | None = None
    """File for the figures as JSON, written anew after every benchmark."""
    charts: str | None = None
    """Folder for charts: speed against batch size, and against the number of environments."""
    profile: bool = False
    """Print where the time of each case goes, as it is measured."""
    quick: bool = False
    """As little as shows that everything works; the figures then mean little."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, measure, report; returns the exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["quality"]:
        from benchmarks import quality

        return quality.main(words[1:])
    arguments = command_line.parse(BenchmarkArguments, words, command="benchmarks", package="")
    for name in arguments.names:
        if name not in MODULES:
            raise InputError(f"unknown benchmark {name!r}: {did_you_mean(name, MODULES)}")
    from atarigan.models.device import choose_device
    from benchmarks import machine
    from benchmarks.measurement import Stopwatch
    from benchmarks.profiles import print_profile
    from benchmarks.report import Report, print_table
    from benchmarks.report_charts import write_charts

    device = choose_device(arguments.device)
    names = arguments.names or (ON_CUDA if device.type == "cuda" else tuple(MODULES))
    after = print_profile if arguments.profile else None
    stopwatch = Stopwatch("cuda" if device.type == "cuda" else "cpu", arguments.quick, after)
    report = Report(machine.describe_machine(), machine.versions(), machine.commit(), rows=[])
    _write(report, arguments.json)
    report.print_heading()
    print(f"command   {shlex.join(['python', '-m', 'benchmarks', *words])}")
    for name in dict.fromkeys(names):
        print(f"measuring {name} …", file=sys.stderr)
        rows = list(importlib.import_module(f"benchmarks.{MODULES[name]}").measure(stopwatch))
        report.rows.extend(rows)
        _write(report, arguments.json)
        print_table(name, rows)
    if arguments.charts is not None:
        write_charts(report.rows, Path(arguments.charts))
    return command_line.EXIT_OK


def _write(report: "Report", path: str | None) -> None:
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        report.write_json(Path(path))


if __name__ == "__main__":
    command_line.run(main, command="benchmarks", package="")
