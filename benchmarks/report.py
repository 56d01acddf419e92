"""What was measured: rows, a table for people, JSON for programs."""

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measurement import Timings


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
    """A run's rows with what is needed to judge them.

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
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def print_heading(self) -> None:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        print(
            f"machine   {self.machine}\nversions  {versions}\ncommit    {self.commit or 'unknown'}"
        )


def rate_rows(benchmark: str, unit: str, timings: Timings, against: Sequence[str]) -> Iterator[Row]:
    """Rows of units per second; each case of ours is compared with each of `against`."""
    rates = {name: [1 / seconds for seconds in times] for name, times in timings.items()}
    yield from _rows(benchmark, unit, rates, against, more_is_better=True)


def latency_rows(benchmark: str, timings: Timings, against: Sequence[str]) -> Iterator[Row]:
    """Rows of milliseconds a step; each case of ours is compared with each of `against`."""
    latencies = {name: [1000 * seconds for seconds in times] for name, times in timings.items()}
    yield from _rows(benchmark, "ms/step", latencies, against, more_is_better=False)


def print_table(title: str, rows: Iterable[Row]) -> None:
    """One benchmark's rows."""
    table = Table(title=title, title_justify="left", header_style="")
    for heading in ("case", "against"):
        table.add_column(heading, overflow="fold")
    for heading in ("median", "IQR", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        spread = f"{_shown(row.spread)}" if row.spread else ""
        table.add_row(row.case, row.against or "", _shown(row.value), spread, ratio, row.unit)
    Console().print(table)


def _rows(
    benchmark: str,
    unit: str,
    figures: dict[str, list[float]],
    against: Sequence[str],
    *,
    more_is_better: bool,
) -> Iterator[Row]:
    medians = {name: statistics.median(values) for name, values in figures.items()}
    spreads = {name: _interquartile_range(values) for name, values in figures.items()}
    for name in figures:
        if name in against:
            yield Row(benchmark, name, medians[name], unit, spread=spreads[name])
            continue
        for other in against:
            ratio = medians[name] / medians[other]
            ratio = ratio if more_is_better else 1 / ratio
            yield Row(benchmark, name, medians[name], unit, other, ratio, spreads[name])


def _interquartile_range(values: Sequence[float]) -> float:
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    return upper - lower


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
