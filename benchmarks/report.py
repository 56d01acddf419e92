"""What was measured: rows, a table for people, JSON for programs."""

import dataclasses
import json
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measurement import Case, Timings

_WIDTH_IN_FILES = 200


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        benchmark: by its name on the command line.
        case: what was measured.
        value: median of the repeats.
        unit: of the value and its spread.
        against: the limit or peer it is compared with, itself a case of the same run; None in the
            row of that case.
        ratio: the value over the other's, turned round where less is better: above 1 is better
            than the other.
        spread: interquartile range of the repeats; 0 for what is counted and not timed.
    """

    benchmark: str
    case: str
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None
    spread: float = 0.0


@dataclass(frozen=True)
class Report:
    """The rows of a run, and the machine and versions that they were measured with.

    Attributes:
        machine: cores, processor, graphics card.
        versions: Python and packages, name to version.
        commit: of the source; None outside a checkout.
    """

    machine: str
    versions: dict[str, str]
    commit: str | None
    rows: list[Row]

    def write_json(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")

    def print_heading(self) -> None:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        print(
            f"machine   {self.machine}\nversions  {versions}\ncommit    {self.commit or 'unknown'}"
        )


def rate_rows(benchmark: str, unit: str, cases: Sequence[Case], timings: Timings) -> Iterator[Row]:
    """Rows of units per second: one a case that was timed and what it is compared with."""
    rates = {name: [1 / seconds for seconds in times] for name, times in timings.items()}
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for case in cases:
        if case.name not in medians:
            continue
        value, spread = medians[case.name], interquartile_range(rates[case.name])
        for other in [each for each in case.against if each in medians] or (None,):
            ratio = value / medians[other] if other else None
            yield Row(benchmark, case.name, value, unit, other, ratio, spread)


def latency_rows(benchmark: str, cases: Sequence[Case], timings: Timings) -> Iterator[Row]:
    """Rows of milliseconds for one unit of work, an agent step."""
    for row in rate_rows(benchmark, "ms", cases, timings):
        times_ms = [1000 * seconds for seconds in timings[row.case]]
        yield dataclasses.replace(
            row,
            case=f"latency of {row.case}",
            value=statistics.median(times_ms),
            against=row.against and f"latency of {row.against}",
            spread=interquartile_range(times_ms),
        )


def added_rows(benchmark: str, cases: Sequence[Case], timings: Timings) -> Iterator[Row]:
    """Rows of the milliseconds that a unit of work takes more than what it is compared with."""
    for case in cases:
        for other in case.against:
            pairs = zip(timings[case.name], timings[other], strict=True)
            added_ms = [1000 * (ours - theirs) for ours, theirs in pairs]
            value, spread = statistics.median(added_ms), interquartile_range(added_ms)
            yield Row(benchmark, f"added by {case.name}", value, "ms", spread=spread)


def interquartile_range(values: Sequence[float]) -> float:
    """From the lower quartile to the upper one."""
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    return upper - lower


def print_table(title: str, rows: Iterable[Row]) -> None:
    """One benchmark's rows."""
    table = Table(title=title, title_justify="left", header_style="", box=box.SIMPLE_HEAD)
    for heading in ("case", "median", "IQR", "unit", "ratio", "to"):
        is_number = heading in ("median", "IQR", "ratio")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number)
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        spread = _shown(row.spread) if row.spread else ""
        table.add_row(row.case, _shown(row.value), spread, row.unit, ratio, row.against)
    Console(width=None if sys.stdout.isatty() else _WIDTH_IN_FILES).print(table)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
