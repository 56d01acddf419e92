"""The table of a quality comparison: medians, ranges, and multiples of the floor."""

import statistics
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.gauge import Scores

OF_FRAMES = (
    "frechet_distance",
    "kernel_distance",
    "small_presence",
    "small_extra",
    "valid_colors",
    "exact_background",
)
OF_GIVEN_STATES = ("pixel_accuracy", "foreground_accuracy", "small_found", "small_offset")
WITH_MULTIPLES = ("frechet_distance", "kernel_distance")
NOTHING = "-"


@dataclass(frozen=True)
class Row:
    """The scores of a candidate.

    Attributes:
        name: name of the candidate.
        minutes: minutes of training.
        scores: scores of each seed.
        own_floor: scores of real frames in the candidate's format; None if it is the evaluator's
            format.
    """

    name: str
    minutes: float
    scores: Sequence[Scores]
    own_floor: Scores | None = None


def table_lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table: median and range over the seeds for each row.

    The last rows are the scores of real samples, also in the formats of candidates. For frames, the
    table shows a choice of metrics. Distances are also given as multiples of the floor and of the
    candidate's own floor.
    """
    known = {name: score for row in rows for name, score in row.scores[0].items()}
    metrics = _shown(known)
    multiplied = WITH_MULTIPLES if "small_presence" in known else ()
    floor = {name: score["floor"] for name, score in known.items()}
    own_floors = {row.name: _values(row.own_floor) for row in rows if row.own_floor}
    of_floors = ("× floor", "× own floor") if own_floors else ("× floor",)
    heads = ["configuration", "minutes"]
    for name in metrics:
        heads += [name, *(of_floors if name in multiplied else ())]
    yield _line(heads)
    yield "|---" * len(heads) + "|"
    for row in rows:
        floors = (floor, own_floors.get(row.name, floor))[: len(of_floors)]
        cells = []
        for name in metrics:
            values = [scores[name]["value"] for scores in row.scores if name in scores]
            cells.append(_cell(values))
            if name in multiplied:
                cells += [_multiple(values, each[name]) for each in floors]
        yield _line([row.name, f"{row.minutes:g}", *cells])
    titled = {f"real in the format of {name}": values for name, values in own_floors.items()}
    for title, real in {"real against real": floor, **titled}.items():
        cells = []
        for name in metrics:
            cells.append(f"{real[name]:.4g}" if name in real else NOTHING)
            cells += [""] * len(of_floors) if name in multiplied else []
        yield _line([title, "", *cells])


def _shown(known: Collection[str]) -> tuple[str, ...]:
    """Return the metrics that have a column: all of them, except for frames."""
    if "small_presence" not in known:
        return tuple(known)
    return (*OF_FRAMES, *(name for name in OF_GIVEN_STATES if name in known))


def _values(scores: Scores) -> dict[str, float]:
    return {name: score["value"] for name, score in scores.items()}


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(values: Sequence[float]) -> str:
    """Return median and range, or "-" without values."""
    if not values:
        return NOTHING
    spread = f" ({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
    return f"{statistics.median(values):.4g}{spread}"


def _multiple(values: Sequence[float], floor: float) -> str:
    """Return the median as a multiple of the floor, or "-" if either is not positive.

    An unbiased distance of similar sets is often negative.
    """
    median = statistics.median(values)
    return f"{median / floor:.3g}" if floor > 0 and median > 0 else NOTHING
