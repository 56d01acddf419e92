"""The report of an evaluation: scores as a table, as JSON, and as a page with pictures."""

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

HEADS = ("metric", "value", "95 % interval", "floor", "better", "meaning")
_LEFT = (0, 4, 5)


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating samples.

    Attributes:
        name: name of the samples.
        source: name of the source of real samples.
        evaluated: the samples.
        scores: scores by metric.
        facts: further facts of the result, such as counts, seeds and versions.
        frame_format: format of the frames; None for points.
        motion: stacks of consecutive frames, if there are any.
        pairs: generated and real frames of the same states, if there are any.
    """

    name: str
    source: str
    evaluated: EvaluatedSamples
    scores: dict[str, Score]
    facts: dict[str, Any]
    frame_format: FrameFormat | None
    motion: EvaluatedSamples | None = None
    pairs: tuple[Frames, Frames] | None = None

    @property
    def summary(self) -> str:
        """What was compared with what, in one line."""
        features = self.evaluated.evaluator.features
        return (
            f"{self.evaluated.num:,} samples against as many real ones of {self.source}"
            + (f", distances in {features}" if features else "")
            + (f"; {self.motion.num:,} stacks against as many real ones" if self.motion else "")
        )

    def table(self) -> str:
        """Return the scores as aligned text."""
        return aligned([HEADS, *score_rows(self.scores)], _LEFT)

    def record(self) -> dict[str, Any]:
        """Return the content of metrics.json: scores and facts."""
        return {
            "metrics": self.scores,
            "features": self.evaluated.evaluator.features,
            **self.facts,
        }

    def write_page(self, path: Path) -> None:
        """Write the report as an HTML page."""
        page = Page(f"{self.name}, evaluated", self.summary)
        page.figures(self._headline_figures())
        page.heading("Scores", "The floor is what other real samples score.")
        page.table(HEADS, score_rows(self.scores))
        if self.frame_format is None:
            _show_points(page, self.evaluated)
        else:
            show_frames(page, self.evaluated, self.frame_format)
            if self.pairs is not None:
                show_pairs(page, *self.pairs, self.frame_format)
            if self.motion is not None:
                show_motion(page, self.motion, self.frame_format)
        page.heading("Settings")
        versions = self.facts.get("versions", {}).items()
        facts = [(name, fact) for name, fact in self.facts.items() if name != "versions"]
        page.settings({"facts": facts, "versions": versions})
        page.write(path)

    def _headline_figures(self) -> dict[str, str]:
        """Return the headline metric, its ratio to the floor, and a few other scores."""
        name = self.evaluated.evaluator.headline
        score = self.scores[name]
        figures = {name.replace("_", " "): f"{score['value']:.3g}"}
        if score["floor"] > 0:
            figures["ratio to floor"] = f"{score['value'] / score['floor']:.3g}"
        for shown in ("precision", "recall", "small_presence", "small_extra", "cells_covered"):
            if shown in self.scores:
                figures[shown.replace("_", " ")] = f"{self.scores[shown]['value']:.3f}"
        return figures


def score_rows(scores: dict[str, Score]) -> Iterator[Sequence[str]]:
    """Yield a row of text per score, in the columns of `HEADS`."""
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


def _show_points(page: Page, evaluated: EvaluatedSamples) -> None:
    samples, real = evaluated.samples, evaluated.evaluator.real
    both = grids.side_by_side(
        points.scatter(real[: len(samples)]), points.scatter(samples), ("real", "generated")
    )
    page.picture("Real and generated", both)
    axes = {axis: (real[:, i], samples[:, i]) for i, axis in enumerate("xy")}
    page.picture("Coordinates", charts.histograms(axes))
