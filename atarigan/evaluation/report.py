"""The report of an evaluation: scores as a table, as JSON, and as a page with pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atarigan.evaluation.drawn_samples import Pairs
from atarigan.evaluation.evaluator import EvaluatedSamples, Evaluator
from atarigan.evaluation.frame_pictures import show_frames, show_motion, show_pairs
from atarigan.evaluation.metrics.explained import undetermined
from atarigan.evaluation.metrics.real_sets import FEW_EPISODES
from atarigan.evaluation.metrics.score import Score
from atarigan.evaluation.metrics.score_table import HEADS, score_rows, score_table
from atarigan.images.pixels import FrameFormat
from atarigan.images.subset import drawn
from atarigan.pictures import charts, grids, points
from atarigan.pictures.page import Page


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
        role: what the real samples are to the generator: "its training data" or "held-out data";
            None if that is unknown.
    """

    name: str
    source: str
    evaluated: EvaluatedSamples
    scores: dict[str, Score]
    facts: dict[str, Any]
    frame_format: FrameFormat | None
    motion: EvaluatedSamples | None = None
    pairs: Pairs | None = None
    role: str | None = None

    @property
    def summary(self) -> str:
        """What was compared with what, in one line."""
        evaluator = self.evaluated.evaluator
        parts = [
            f"{_shown_counts(self.evaluated)} of {self.source}",
            *([f"{_num_episodes(evaluator)} in two halves"] if evaluator.sets.num_episodes else []),
            *([self.role] if self.role else []),
            *([f"distances in {evaluator.features}"] if evaluator.features else []),
        ]
        stacks = f"; stacks: {_shown_counts(self.motion)}" if self.motion else ""
        code = f"; {self.facts['code']}" if "code" in self.facts else ""
        return ", ".join(parts) + stacks + code

    @property
    def warning(self) -> str | None:
        """What makes scores rough or frames wrong, in one line; None if nothing does."""
        found = [undetermined(self.scores)]
        if 0 < self.evaluated.evaluator.sets.num_episodes < FEW_EPISODES:
            found.append(
                f"the real frames are of {_num_episodes(self.evaluated.evaluator)}: with fewer "
                f"than {FEW_EPISODES}, floors and intervals are rough"
            )
        if num := self.facts.get("states_clipped"):
            found.append(
                f"{num:,} states have a number outside of the range of the training data, and "
                "were clipped to it"
            )
        return "; ".join(each for each in found if each) or None

    def table(self) -> str:
        """Return the scores as aligned text."""
        return score_table(self.scores)

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
        page.heading("Scores", self._note())
        page.table(HEADS, score_rows(self.scores))
        if self.frame_format is None:
            _show_points(page, self.evaluated)
        else:
            show_frames(page, self.evaluated, self.frame_format)
            if self.pairs is not None:
                show_pairs(page, self.pairs.frames, self.pairs.true, self.frame_format)
            if self.motion is not None:
                show_motion(page, self.motion, self.frame_format)
        page.heading("Settings")
        versions = self.facts.get("versions", {}).items()
        facts = [(name, fact) for name, fact in self.facts.items() if name != "versions"]
        page.settings({"facts": facts, "versions": versions})
        page.write(path)

    def _note(self) -> str:
        """Return how to read the floor."""
        has_episodes = self.evaluated.evaluator.sets.num_episodes > 0
        others = "frames of other episodes" if has_episodes else "other real samples"
        warning = f" Warning: {self.warning}." if self.warning else ""
        return f"The floor is what {others} score.{warning}"

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


def _shown_counts(evaluated: EvaluatedSamples) -> str:
    """Return how many samples and real ones were used, and of how many they were drawn."""
    num, given = evaluated.num, evaluated.num_given
    samples = f"{num:,} of {given:,} samples" if given > num else f"{num:,} samples"
    num_real = min(num, evaluated.evaluator.num)
    return f"{samples} against {num_real:,} of {evaluated.evaluator.sets.num_available:,} real ones"


def _num_episodes(evaluator: Evaluator) -> str:
    num = evaluator.sets.num_episodes
    return f"{num:,} episode{'s' * (num != 1)}"


def _show_points(page: Page, evaluated: EvaluatedSamples) -> None:
    samples, real = evaluated.samples, evaluated.evaluator.real
    both = grids.side_by_side(
        points.scatter(real[drawn(len(real), len(samples))]),
        points.scatter(samples),
        ("real", "generated"),
    )
    page.picture("Real and generated", both)
    axes = {axis: (real[:, i], samples[:, i]) for i, axis in enumerate("xy")}
    page.picture("Coordinates", charts.histograms(axes))
