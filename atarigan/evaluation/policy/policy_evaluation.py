"""What a policy's score is worth when it sees something else: a table, JSON, and a page."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atarigan.cli.text_table import aligned
from atarigan.evaluation.metrics.score import Score
from atarigan.evaluation.policy.episodes import ASK_EVERY, Played
from atarigan.evaluation.policy.retention import (
    Interval,
    bootstrap_interval,
    mean,
    retention,
    share,
)
from atarigan.images.pixels import FrameFormat
from atarigan.pictures import charts, grids
from atarigan.pictures.page import Page

HEADS = (
    "it sees",
    "mean return",
    "95 %",
    "kept of its score",
    "95 %",
    "same action",
    "95 %",
    "steps",
)
FILM_STEPS = 300
_FILM_PER_S = 15
_LEFT = (0,)


@dataclass(frozen=True)
class PolicyEvaluation:
    """A policy's episodes by what it saw.

    Attributes:
        name: of the policy.
        arms: by what was seen. "random" (nothing: random actions) and "real" are among them.
        frame_format: of the frames of films.
        facts: what else belongs to the result, such as counts, limits, seeds and versions.
        seed: of the resampling.
    """

    name: str
    arms: dict[str, Played]
    frame_format: FrameFormat
    facts: dict[str, Any]
    seed: int

    @property
    def against(self) -> str:
        """What was played."""
        num = len(self.arms["real"].returns)
        return (
            f"{num} episodes each of {self.facts['env_id']}, cut off after "
            f"{self.facts['max_frames']:,} emulator frames"
        )

    def mean_return(self, arm: str) -> tuple[float, Interval]:
        """With its 95 % interval."""
        returns = self._returns(arm)
        return float(mean(returns)), bootstrap_interval(mean, [returns], self.seed)

    def retention(self, arm: str) -> tuple[float, Interval]:
        """What is kept of the score, with its 95 % interval."""
        groups = [self._returns(name) for name in (arm, "real", "random")]
        return float(retention(*groups)), bootstrap_interval(retention, groups, self.seed)

    @property
    def is_better_than_chance(self) -> bool:
        """Whether there is anything to keep."""
        return self.mean_return("real")[0] > self.mean_return("random")[0]

    def agreement(self, arm: str) -> tuple[float, Interval] | None:
        """In which share of the states of real play the policy does the same, with its 95 %
        interval; None where it was not asked.
        """
        real = self.arms["real"]
        if arm not in real.agreed:
            return None
        groups = [np.array(real.agreed[arm], np.float64), np.array(real.asked, np.float64)]
        interval = bootstrap_interval(share, groups, self.seed, paired=True)
        return float(share(*groups)), interval

    def scores(self) -> dict[str, Score]:
        """Retention and agreement, of generated frames by these names, of others with theirs. There
        is no retention where real frames bring no more than chance.
        """
        found: dict[str, Score] = {}
        for arm in self.arms:
            suffix = "" if arm == "generated" else f"_{arm}"
            if arm not in ("real", "random") and self.is_better_than_chance:
                found[f"retention{suffix}"] = _score(*self.retention(arm))
            agreement = self.agreement(arm)
            if agreement is not None:
                found[f"agreement{suffix}"] = _score(*agreement)
        return found

    def rows(self) -> Iterator[Sequence[str]]:
        """A row an arm, as text: what `HEADS` says."""
        for arm, played in self.arms.items():
            value, (low, high) = self.mean_return(arm)
            yield (
                arm,
                f"{value:.2f}",
                f"{low:.2f} to {high:.2f}",
                *_cells(None if arm in ("real", "random") else self.retention(arm)),
                *_cells(self.agreement(arm)),
                f"{np.mean(played.num_steps):,.0f}",
            )

    def table(self) -> str:
        """All of it as aligned text."""
        return aligned([HEADS, *self.rows()], _LEFT)

    def write_json(self, path: Path) -> None:
        """Write scores, every return, and facts."""
        path.parent.mkdir(parents=True, exist_ok=True)
        returns = {
            arm: {
                "mean": self.mean_return(arm)[0],
                "interval": self.mean_return(arm)[1],
                "episodes": played.returns,
                "agent_steps": played.num_steps,
            }
            for arm, played in self.arms.items()
        }
        found = {"metrics": self.scores(), "returns": returns, **self.facts}
        path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")

    def write_page(self, path: Path) -> None:
        """Write the page, and the film that it shows beside it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        page = Page(f"{self.name}, evaluated", self.against)
        page.figures(self._headline_figures())
        page.table(HEADS, self.rows())
        film = self.arms["generated"].film if "generated" in self.arms else {}
        if film:
            movie = path.with_name("real_beside_generated.mp4")
            self._write_film(movie, film)
            page.picture(
                "What there is beside what it sees",
                movie,
                "An episode played through generated frames; left, the real ones of its states.",
            )
        panels = {
            f"returns, real against {arm}": (self._returns("real"), self._returns(arm))
            for arm in self.arms
            if arm != "real"
        }
        page.picture("Returns", charts.histograms(panels))
        page.heading("How it was done")
        facts = [*self.facts.items(), ("asked about the same states", f"one in {ASK_EVERY}")]
        page.settings({"facts": facts})
        page.write(path)

    def _returns(self, arm: str) -> Any:
        return np.array(self.arms[arm].returns, np.float64)

    def _headline_figures(self) -> dict[str, str]:
        figures = {}
        if "generated" in self.arms:
            figures["score kept through generated frames"] = _cells(self.retention("generated"))[0]
        for arm in self.arms:
            figures[f"mean return, {arm}"] = f"{self.mean_return(arm)[0]:.1f}"
        return figures

    def _write_film(self, path: Path, film: dict[str, Any]) -> None:
        scale = grids.scale_for(self.frame_format.height, self.frame_format.width, target=252)
        shown = (
            grids.beside(
                grids.enlarged(self.frame_format.to_rgb(real), scale),
                grids.enlarged(self.frame_format.to_rgb(generated), scale),
                ("real", "generated"),
            )
            for real, generated in zip(film["real"], film["generated"], strict=True)
        )
        grids.save_animation(path, shown, _FILM_PER_S)


def _cells(found: tuple[float, Interval] | None) -> tuple[str, str]:
    """A share and its interval, as text."""
    if found is None or math.isnan(found[0]):
        return "", ""
    value, (low, high) = found
    return f"{value:.3f}", f"{low:.3f} to {high:.3f}"


def _score(value: float, interval: Interval) -> Score:
    return Score(value=value, floor=1.0, interval=interval, better="higher")
