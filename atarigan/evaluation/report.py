"""An evaluation: scores of some samples as a table, as JSON, and as a page with pictures."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atarigan.cli.text_table import aligned
from atarigan.evaluation.evaluator import EvaluatedSamples
from atarigan.evaluation.frame_pictures import show_frames, show_motion, show_pairs
from atarigan.evaluation.metrics.score import METRICS, Score
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.pictures import charts, grids, points
from atarigan.pictures.page import Page

HEADS = ("measurement", "value", "95 % interval", "real against real", "better", "what it is")
_LEFT = (0, 4, 5)


@dataclass(frozen=True)
class Evaluation:
    """What was found of samples.

    Attributes:
        name: of the samples.
        source: what they were learned from.
        judged: samples, and who judged them.
        scores: by name.
        facts: what else belongs to the result, such as counts, seeds and versions.
        motion: stacks of frames that follow one another, likewise; None where there are none.
        pairs: generated frames of given states, and the true ones; None where there are none.
    """

    name: str
    source: str
    judged: EvaluatedSamples
    scores: dict[str, Score]
    facts: dict[str, Any]
    motion: EvaluatedSamples | None = None
    pairs: tuple[Frames, Frames] | None = None

    @property
    def against(self) -> str:
        """What the samples were compared with."""
        judge = self.judged.judge
        features = f", distances in {judge.features}" if judge.features else ""
        motion = f"; {self.motion.num:,} stacks likewise" if self.motion else ""
        counts = f"{self.judged.num:,} samples against as many real ones of {self.source}"
        return f"{counts}{features}{motion}"

    def table(self) -> str:
        """The scores as aligned text."""
        return aligned([HEADS, *score_rows(self.scores)], _LEFT)

    def write_json(self, path: Path) -> None:
        """Write scores and facts."""
        path.parent.mkdir(parents=True, exist_ok=True)
        found = {"metrics": self.scores, "features": self.judged.judge.features, **self.facts}
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

    def write_page(self, path: Path, frame_format: FrameFormat | None) -> None:
        """Write the page; `frame_format` says what frames look like, None that these are points."""
        page = Page(f"{self.name}, evaluated", self.against)
        page.figures(_headline_figures(self))
        page.table(HEADS, score_rows(self.scores))
        if frame_format is None:
            _show_points(page, self.judged)
        else:
            show_frames(page, self.judged, frame_format)
            if self.pairs is not None:
                show_pairs(page, *self.pairs, frame_format)
            if self.motion is not None:
                show_motion(page, self.motion, frame_format)
        page.heading("How it was done")
        versions = self.facts.get("versions", {}).items()
        facts = [(name, fact) for name, fact in self.facts.items() if name != "versions"]
        page.settings({"facts": facts, "versions": versions})
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
    name = evaluation.judged.judge.headline
    score = evaluation.scores[name]
    figures = {name.replace("_", " "): f"{score['value']:.3g}"}
    if score["floor"] > 0:
        figures["times real against real"] = f"{score['value'] / score['floor']:.3g}"
    for shown in ("precision", "recall", "small_presence", "small_extra", "cells_covered"):
        if shown in evaluation.scores:
            figures[shown.replace("_", " ")] = f"{evaluation.scores[shown]['value']:.3f}"
    return figures


def _show_points(page: Page, judged: EvaluatedSamples) -> None:
    samples, real = judged.samples, judged.judge.real
    both = grids.beside(
        points.scatter(real[: len(samples)]),
        points.scatter(samples),
        ("real", "generated"),
    )
    page.picture("Real beside generated", both)
    axes = {axis: (real[:, i], samples[:, i]) for i, axis in enumerate("xy")}
    page.picture("Coordinates", charts.histograms(axes))
