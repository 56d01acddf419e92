"""The report of a policy's returns by what it saw: a table, JSON, and a page."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atarigan.cli.text_table import aligned
from atarigan.evaluation.metrics.score import Score
from atarigan.evaluation.policy.episodes import QUERY_EVERY, EpisodeResults
from atarigan.evaluation.policy.retention import (
    Interval,
    Values,
    bootstrap_interval,
    mean,
    retention,
    share,
)
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.pictures import charts, grids
from atarigan.pictures.animations import save_animation
from atarigan.pictures.page import Page

HEADS = (
    "view",
    "mean return",
    "95 %",
    "retention",
    "95 %",
    "agreement",
    "95 %",
    "steps",
)
_PICTURES_PER_S = 15
_LEFT = (0,)
_BASELINES = ("real", "random")


@dataclass(frozen=True)
class PolicyEvaluation:
    """The results of a policy's episodes by view.

    Attributes:
        name: name of the policy.
        results: results by view. "real" and "random" (random actions) are always among them, unless
            the evaluation was interrupted before.
        frame_format: format of the frames of films.
        facts: further facts of the result, such as counts, limits, seeds and versions.
        seed: seed of the bootstrap.
        unfinished: finished episodes of the view that was interrupted. They are the shorter ones,
            so nothing is computed from them.
    """

    name: str
    results: dict[str, EpisodeResults]
    frame_format: FrameFormat
    facts: dict[str, Any]
    seed: int
    unfinished: dict[str, EpisodeResults] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether all episodes were played."""
        return not self.unfinished

    @property
    def summary(self) -> str:
        """What was played, in one line."""
        if not self.results:
            return "stopped before all episodes with a view were played"
        num = len(next(iter(self.results.values())).returns)
        stopped = f"; stopped while playing {', '.join(self.unfinished)}" if self.unfinished else ""
        return (
            f"{num} episodes of {self.facts['env_id']} with each view, at most "
            f"{self.facts['max_frames']:,} emulator frames each{stopped}"
        )

    @property
    def warning(self) -> None:
        """Always None: the intervals show how rough the returns are."""
        return None

    def mean_return(self, view: str) -> tuple[float, Interval]:
        """Return the mean return with its 95 % interval."""
        returns = self._returns(view)
        return float(mean(returns)), bootstrap_interval(mean, [returns], self.seed)

    def retention(self, view: str) -> tuple[float, Interval]:
        """Return the share of the score that the policy keeps, with its 95 % interval."""
        if not self.has_baselines:
            return math.nan, (math.nan, math.nan)
        groups = [self._returns(name) for name in (view, *_BASELINES)]
        return float(retention(*groups)), bootstrap_interval(retention, groups, self.seed)

    @property
    def has_baselines(self) -> bool:
        """Whether the returns that retention compares with are known."""
        return all(view in self.results for view in _BASELINES)

    @property
    def is_better_than_random(self) -> bool:
        """Whether the policy scores above random actions with real frames."""
        return self.has_baselines and bool(
            mean(self._returns("real")) > mean(self._returns("random"))
        )

    def agreement(self, view: str) -> tuple[float, Interval] | None:
        """Return the share of states of real play in which the policy chooses the same action with
        a view, with its 95 % interval; None for views that were not queried.
        """
        real = self.results.get("real")
        if real is None or view not in real.num_agreed:
            return None
        groups = [np.array(real.num_agreed[view], np.float64), np.array(real.num_queried, float)]
        interval = bootstrap_interval(share, groups, self.seed, paired=True)
        return float(share(*groups)), interval

    def scores(self) -> dict[str, Score]:
        """Return retention and agreement of generated frames under these names, and of other views
        with the view as suffix. Retention needs a policy that is better than random.
        """
        found: dict[str, Score] = {}
        for view in self.results:
            suffix = "" if view == "generated" else f"_{view}"
            if view not in _BASELINES and self.is_better_than_random:
                found[f"retention{suffix}"] = _score(*self.retention(view))
            agreement = self.agreement(view)
            if agreement is not None:
                found[f"agreement{suffix}"] = _score(*agreement)
        return found

    def rows(self) -> Iterator[Sequence[str]]:
        """Yield a row of text per view, in the columns of `HEADS`."""
        for view, results in self.results.items():
            value, (low, high) = self.mean_return(view)
            yield (
                view,
                f"{value:.2f}",
                f"{low:.2f} to {high:.2f}",
                *_cells(None if view in _BASELINES else self.retention(view)),
                *_cells(self.agreement(view)),
                f"{np.mean(results.num_steps):,.0f}",
            )

    def table(self) -> str:
        """Return the rows as aligned text."""
        return aligned([HEADS, *self.rows()], _LEFT)

    def record(self) -> dict[str, Any]:
        """Return the content of metrics.json: scores, every return, and facts."""
        returns = {
            view: {
                "mean": self.mean_return(view)[0],
                "interval": self.mean_return(view)[1],
                **_episodes(results),
            }
            for view, results in self.results.items()
        }
        unfinished = {view: _episodes(results) for view, results in self.unfinished.items()}
        interrupted = {"interrupted": unfinished} if unfinished else {}
        return {"metrics": self.scores(), "returns": returns, **interrupted, **self.facts}

    def write_page(self, path: Path) -> None:
        """Write the report as an HTML page, and the film that it contains next to it."""
        page = Page(f"{self.name}, evaluated", self.summary)
        page.figures(self._headline_figures())
        page.table(HEADS, self.rows())
        film = self.results["generated"].film if "generated" in self.results else {}
        if film:
            movie = path.with_name("real_beside_generated.mp4")
            self._write_film(movie, film)
            page.picture(
                "Real and generated frames",
                movie,
                "An episode played through generated frames; left, the real frames.",
            )
        panels = {
            f"returns, real against {view}": (self._returns("real"), self._returns(view))
            for view in self.results
            if view != "real" and "real" in self.results
        }
        if panels:
            page.picture("Returns", charts.histograms(panels))
        page.heading("Settings")
        facts = [*self.facts.items(), ("agreement measured in", f"one state in {QUERY_EVERY}")]
        page.settings({"facts": facts})
        page.write(path)

    def _returns(self, view: str) -> Values:
        return np.array(self.results[view].returns, np.float64)

    def _headline_figures(self) -> dict[str, str]:
        """Return the retention with generated frames, and all mean returns."""
        figures = {}
        if "generated" in self.results:
            figures["retention with generated frames"] = _cells(self.retention("generated"))[0]
        for view in self.results:
            figures[f"mean return, {view}"] = f"{self.mean_return(view)[0]:.1f}"
        return figures

    def _write_film(self, path: Path, film: Mapping[str, Sequence[Frames]]) -> None:
        scale = grids.scale_for(self.frame_format.height, self.frame_format.width, target=252)
        pictures = (
            grids.side_by_side(
                grids.enlarged(self.frame_format.to_rgb(real), scale),
                grids.enlarged(self.frame_format.to_rgb(generated), scale),
                ("real", "generated"),
            )
            for real, generated in zip(film["real"], film["generated"], strict=True)
        )
        save_animation(path, pictures, _PICTURES_PER_S)


def _cells(found: tuple[float, Interval] | None) -> tuple[str, str]:
    """Return a share and its interval as text, empty if there is none."""
    if found is None or math.isnan(found[0]):
        return "", ""
    value, (low, high) = found
    return f"{value:.3f}", f"{low:.3f} to {high:.3f}"


def _episodes(results: EpisodeResults) -> dict[str, Any]:
    return {"episodes": results.returns, "agent_steps": results.num_steps}


def _score(value: float, interval: Interval) -> Score:
    return Score(value=value, floor=1.0, interval=interval, better="higher")
