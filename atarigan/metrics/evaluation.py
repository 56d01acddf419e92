"""An evaluation: scores of some samples as a table, as JSON, and as a page with pictures."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan import charts, pictures, point_pictures
from atarigan.metrics.judge import Judge, Samples
from atarigan.metrics.neighbors import nearest
from atarigan.metrics.score import METRICS, Columns, Score
from atarigan.page import Page
from atarigan.pixels import FrameFormat, Frames
from atarigan.text_table import aligned

HEADS = ("measurement", "value", "95 % interval", "real against real", "better", "what it is")
NUM_SHOWN = 24
NUM_PAIRS = 12
_LEFT = (0, 4, 5)
_MOST_MAPPED = 2000
_COUNTED = {"num_objects": "objects a frame", "num_small": "small objects a frame"}


@dataclass(frozen=True)
class Evaluation:
    """What was found of samples.

    Attributes:
        name: of the samples.
        source: what they were learned from.
        judge: who scored them.
        samples: those that were scored.
        described: what is known of them.
        scores: by name.
        facts: what else belongs to the result, such as counts, seeds and versions.
    """

    name: str
    source: str
    judge: Judge
    samples: Samples
    described: Columns
    scores: dict[str, Score]
    facts: dict[str, Any]

    @property
    def against(self) -> str:
        """What the samples were compared with."""
        features = f", distances in {self.judge.features}" if self.judge.features else ""
        return (
            f"{min(len(self.samples), self.judge.num):,} samples against as many real ones of "
            f"{self.source}{features}"
        )

    def table(self) -> str:
        """The scores as aligned text."""
        return aligned([HEADS, *score_rows(self.scores)], _LEFT)

    def write_json(self, path: Path) -> None:
        """Write scores and facts."""
        path.parent.mkdir(parents=True, exist_ok=True)
        found = {"metrics": self.scores, "features": self.judge.features, **self.facts}
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

    def write_page(self, path: Path, frame_format: FrameFormat | None) -> None:
        """Write the page; `frame_format` says what frames look like, None that these are points."""
        page = Page(f"{self.name}, evaluated", self.against)
        page.figures(_headline_figures(self))
        page.table(HEADS, score_rows(self.scores))
        if frame_format is None:
            _show_points(page, self)
        else:
            _show_frames(page, self, frame_format)
        page.heading("How it was done")
        page.settings({"facts": [(k, v) for k, v in self.facts.items()]})
        path.parent.mkdir(parents=True, exist_ok=True)
        page.write(path)


def score_rows(scores: dict[str, Score]) -> Iterator[Sequence[str]]:
    """A row a score, as text: what `HEADS` says."""
    for name, score in scores.items():
        low, high = score["interval"]
        yield (
            name,
            f"{score['value']:.4g}",
            f"{low:.4g} to {high:.4g}",
            f"{score['floor']:.4g}",
            score["better"],
            METRICS[name].meaning,
        )


def _headline_figures(evaluation: Evaluation) -> dict[str, str]:
    """The headline measurement, and how far it is from its floor."""
    name = evaluation.judge.headline
    score = evaluation.scores[name]
    figures = {name.replace("_", " "): f"{score['value']:.3g}"}
    if score["floor"] > 0:
        figures["times real against real"] = f"{score['value'] / score['floor']:.3g}"
    for shown in ("precision", "recall", "small_presence", "small_extra", "cells_covered"):
        if shown in evaluation.scores:
            figures[shown.replace("_", " ")] = f"{evaluation.scores[shown]['value']:.3f}"
    return figures


def _show_points(page: Page, evaluation: Evaluation) -> None:
    samples, real = evaluation.samples, evaluation.judge.real
    both = pictures.beside(
        point_pictures.scatter(real[: len(samples)]),
        point_pictures.scatter(samples),
        ("real", "generated"),
    )
    page.picture("Real beside generated", both)
    axes = {axis: (real[:, i], samples[:, i]) for i, axis in enumerate("xy")}
    page.picture("Coordinates", charts.histograms(axes))


def _show_frames(page: Page, evaluation: Evaluation, frame_format: FrameFormat) -> None:
    samples, judge = evaluation.samples, evaluation.judge
    described, to_rgb = evaluation.described, frame_format.to_rgb
    scale = pictures.scale_for(frame_format.height, frame_format.width, target=84)

    def grid(frames: Frames, columns: int = 0) -> Frames:
        return pictures.grid(to_rgb(frames), columns, scale)

    page.picture(
        "Real beside generated",
        pictures.beside(
            grid(judge.real[_spread_out(len(judge.real))]),
            grid(samples[:NUM_SHOWN]),
            ("real", "generated"),
        ),
    )
    found = nearest(described["features"], judge.reference["features"])
    pairs = [samples[:NUM_PAIRS], judge.real[found.indices[:NUM_PAIRS]]]
    page.picture(
        "Nearest real ones",
        grid(np.concatenate(pairs), NUM_PAIRS),
        "First row: generated. Second row: the real one whose features are nearest.",
    )
    order = np.argsort(found.distances, kind="stable")
    page.picture(
        "Best and worst",
        pictures.beside(
            grid(samples[order[:NUM_PAIRS]]),
            grid(samples[order[::-1][:NUM_PAIRS]]),
            ("nearest to a real one", "farthest from any real one"),
        ),
    )
    page.picture(
        "Where values go wrong",
        charts.heat_map(value_distances(samples, judge.real), "levels"),
        "Wasserstein distance of each pixel's values, real against generated.",
    )
    page.picture("Histograms", charts.histograms(_histogram_panels(evaluation, found.distances)))


def _spread_out(num: int) -> npt.NDArray[np.int64]:
    """Numbers of samples to show, evenly picked."""
    return np.linspace(0, num - 1, min(num, NUM_SHOWN)).astype(np.int64)


def value_distances(samples: Frames, real: Frames) -> npt.NDArray[np.float64]:
    """1-Wasserstein distance of each pixel's values, averaged over channels, float64 (H, W).

    Of equally many values it is the mean difference of the sorted ones (Peyré and Cuturi 2019,
    remark 2.28). The first 2,000 of each set are looked at.
    """
    num = min(len(samples), len(real), _MOST_MAPPED)
    first, second = (np.sort(frames[:num], axis=0).astype(np.int16) for frames in (samples, real))
    distances: npt.NDArray[np.float64] = np.abs(first - second).mean(axis=(0, 3))
    return distances


def _histogram_panels(
    evaluation: Evaluation, distances: npt.NDArray[np.float64]
) -> dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Distances to the nearest real sample, and what else is counted a sample."""
    judge, described = evaluation.judge, evaluation.described
    others = nearest(judge.stand_in["features"], judge.reference["features"])
    panels = {"distance to the nearest real one": (others.distances, distances)}
    for name, title in _COUNTED.items():
        if name in described:
            panels[title] = (judge.reference[name], described[name])
    if "object_colors" in described:
        panels["pixels of objects a frame"] = (
            judge.reference["object_colors"].sum(1),
            described["object_colors"].sum(1),
        )
    if "probabilities" in described:
        panels["most probable class"] = (
            judge.reference["probabilities"].argmax(1),
            described["probabilities"].argmax(1),
        )
    return panels
