"""The table of a quality comparison: medians, ranges, and multiples of what real samples score."""

import statistics
from collections.abc import Iterator, Sequence
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
    """What a candidate reached.

    Attributes:
        name: of the candidate.
        minutes: of training.
        scores: of each seed.
        own_floor: what real frames score in the candidate's own format; None where that is the
            judge's.
    """

    name: str
    minutes: float
    scores: Sequence[Scores]
    own_floor: Scores | None = None


def table_lines(rows: Sequence[Row]) -> Iterator[str]:
    """A Markdown table: a row a candidate and time, the median and the range over the seeds; below
    them what real samples score, those in candidates' own formats included.

    Of frames, whose measurements are many, it shows the distances, with their multiples of the
    floor and of the candidate's own floor, what small objects, colors and background tell, and how
    right frames of given states are, of those who draw such.
    """
    known = {name: score for row in rows for name, score in row.scores[0].items()}
    is_of_frames = "small_presence" in known
    of_states = tuple(name for name in OF_GIVEN_STATES if name in known)
    metrics = OF_FRAMES + of_states if is_of_frames else tuple(known)
    multiplied = WITH_MULTIPLES if is_of_frames else ()
    floor = {name: score["floor"] for name, score in known.items()}
    heads = ["configuration", "minutes"]
    for name in metrics:
        heads += [name, *(("× floor", "× own floor") if name in multiplied else ())]
    yield _line(heads)
    yield "|---" * len(heads) + "|"
    for row in rows:
        own = _values(row.own_floor) if row.own_floor else floor
        cells = []
        for name in metrics:
            values = [scores[name]["value"] for scores in row.scores if name in scores]
            multiples = (_multiple(values, of[name]) for of in (floor, own))
            cells += [_cell(values), *(multiples if name in multiplied else ())]
        yield _line([row.name, f"{row.minutes:g}", *cells])
    own_floors = {row.name: _values(row.own_floor) for row in rows if row.own_floor}
    titled = {f"real in the format of {name}": values for name, values in own_floors.items()}
    for title, real in {"real against real": floor, **titled}.items():
        cells = []
        for name in metrics:
            cells += [
                f"{real[name]:.4g}" if name in real else NOTHING,
                *(["", ""] if name in multiplied else []),
            ]
        yield _line([title, "", *cells])


def _values(scores: Scores) -> dict[str, float]:
    return {name: score["value"] for name, score in scores.items()}


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(values: Sequence[float]) -> str:
    """Their median and range; nothing where a candidate was not measured so."""
    if not values:
        return NOTHING
    spread = f" ({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
    return f"{statistics.median(values):.4g}{spread}"


def _multiple(values: Sequence[float], floor: float) -> str:
    """How many times the floor a median is; nothing where either is none, as an unbiased distance
    of like sets often is.
    """
    median = statistics.median(values)
    return f"{median / floor:.3g}" if floor > 0 and median > 0 else NOTHING
