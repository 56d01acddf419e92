"""Pictures of a report: how speed grows with the batch, and with the number of environments."""

import re
from collections.abc import Iterable
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from atarigan.pictures import charts
from benchmarks.report import Row

# The parts of a case's name: what it is, how much at once, and the rest.
_BATCHES = re.compile(r"(?P<name>.+), batch (?P<size>\d+)(?P<rest>.*)")
_ENVIRONMENTS = re.compile(r"(?P<name>.+), (?P<size>\d+) environments(?P<rest>.*)")
_THREADS = re.compile(r", \d+ threads?$")


def write_charts(rows: Iterable[Row], folder: Path) -> None:
    """Write generate.png and env.png, each where its benchmark was run."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(rows)
    generate = {row.case: row.value for row in rows if row.benchmark == "generate"}
    steps = {
        row.case: row.value for row in rows if (row.benchmark, row.unit) == ("env", "agent steps/s")
    }
    peers = {name: value for name, value in generate.items() if not _BATCHES.fullmatch(name)}
    pictures = {
        "generate.png": (generate, _BATCHES, peers, "batch", "frames/s"),
        "env.png": (steps, _ENVIRONMENTS, {}, "environments", "agent steps/s"),
    }
    for name, (values, pattern, levels, x_label, y_label) in pictures.items():
        lines = _lines(values, pattern)
        if lines:
            iio.imwrite(folder / name, charts.growth(lines, levels, x_label, y_label))


def _lines(
    values: dict[str, float], pattern: re.Pattern[str]
) -> dict[str, tuple[charts.Column, charts.Column]]:
    """Values of cases whose names differ in a size, in its order, by the rest of the name; with
    whatever number of threads is fastest.
    """
    points: dict[str, dict[float, float]] = {}
    for case, value in values.items():
        match = pattern.fullmatch(_THREADS.sub("", case))
        if match is not None:
            of_size = points.setdefault(match["name"] + match["rest"], {})
            size = float(match["size"])
            of_size[size] = max(value, of_size.get(size, 0.0))
    return {
        name: (np.array(sorted(of_size)), np.array([of_size[size] for size in sorted(of_size)]))
        for name, of_size in points.items()
        if len(of_size) > 1
    }
