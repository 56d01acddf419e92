"""The report of a dream's evaluation: scores as a table, as JSON, and as a page with pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atarigan.cli.text_table import aligned
from atarigan.evaluation.dream.played_games import PlayedGames
from atarigan.evaluation.dream.rollouts import Rollouts
from atarigan.evaluation.metrics.real_sets import FEW_EPISODES
from atarigan.evaluation.metrics.score import Score
from atarigan.evaluation.metrics.score_table import HEADS, score_rows, score_table
from atarigan.pictures import charts
from atarigan.pictures.page import Page

if TYPE_CHECKING:
    from atarigan.evaluation.dream.rollout_film import RolloutFilm

_POLICY_HEADS = ("policy", "mean return, real", "dream", "games")
_HEADLINES = ("exact_steps", "steps_to_mismatch", "return_rank_correlation")


@dataclass(frozen=True, eq=False)
class DreamEvaluation:
    """The result of evaluating a dream.

    Attributes:
        name: name of the dream.
        scores: scores by metric.
        rollouts: how long roll-outs stayed exact.
        policies: names of the policies that played.
        real: their games in the real game.
        dreamt: their games in the dream.
        steps_per_s: agent steps per second of 64 games of the dream at once.
        facts: further facts of the result, such as counts, seeds and versions.
        is_training_data: whether the dream learned the collection.
        film: a roll-out next to the real game; None without a generator.
    """

    name: str
    scores: dict[str, Score]
    rollouts: Rollouts
    policies: Sequence[str]
    real: PlayedGames
    dreamt: PlayedGames
    steps_per_s: float
    facts: dict[str, Any]
    is_training_data: bool
    film: "RolloutFilm | None" = None

    @property
    def summary(self) -> str:
        """What was evaluated, in one line."""
        num_games = self.real.returns.shape[1]
        return (
            f"{_counted(self.facts['agent_steps'], 'agent step')} of "
            f"{_counted(self.facts['episodes'], 'episode')}, {self.facts['evaluated_on']}; "
            f"{_counted(len(self.rollouts.lengths), 'roll-out')}, of which "
            f"{self.rollouts.differs.sum():,} came to differ; {len(self.policies)} policies with "
            f"{num_games} games each in the real game and in the dream"
        )

    @property
    def warning(self) -> str | None:
        """What makes the scores rough or wrong, in one line; None if nothing does."""
        if self.is_training_data:
            return "the dream learned this collection: collect another one, with another --seed"
        if self.facts["episodes"] >= FEW_EPISODES:
            return None
        return (
            f"the collection has {_counted(self.facts['episodes'], 'episode')}: with fewer than "
            f"{FEW_EPISODES}, intervals are rough"
        )

    def table(self) -> str:
        """Return the scores, the policies' returns and the speed as aligned text."""
        returns = aligned([_POLICY_HEADS, *self._policy_rows()], (0,))
        return f"{score_table(self.scores)}\n\n{returns}\n\n{self._speed()}"

    def record(self) -> dict[str, Any]:
        """Return the content of metrics.json: scores, every return, and facts."""
        returns = {
            policy: {"real": real.tolist(), "dream": dreamt.tolist()}
            for policy, real, dreamt in zip(
                self.policies, self.real.returns, self.dreamt.returns, strict=True
            )
        }
        return {"metrics": self.scores, "returns": returns, **self.facts}

    def write_page(self, path: Path) -> None:
        """Write the report as an HTML page, and the film that it contains next to it."""
        page = Page(f"{self.name}, evaluated", self.summary)
        page.figures(self._headline_figures())
        warning = f" Warning: {self.warning}." if self.warning else ""
        page.heading("Scores", f"The floor is the best value to expect.{warning}")
        page.table(HEADS, score_rows(self.scores))
        lengths, shares = self.rollouts.survival()
        picture = charts.survival(
            lengths.astype(float), shares, "agent steps", "share of roll-outs still exact"
        )
        page.picture("Roll-outs", picture, self._note_on_rollouts())
        page.picture("Returns", self._returns_picture(), self._note_on_returns())
        page.table(_POLICY_HEADS, self._policy_rows())
        if self.film is not None:
            movie = path.with_name("real_beside_dream.mp4")
            self.film.write(movie)
            page.picture("A roll-out", movie, self._note_on_film(self.film))
        page.heading("Settings", self._speed())
        versions = self.facts["versions"].items()
        facts = [(name, fact) for name, fact in self.facts.items() if name != "versions"]
        page.settings({"facts": facts, "versions": versions})
        page.write(path)

    def _policy_rows(self) -> Iterator[Sequence[str]]:
        for policy, real, dreamt in zip(
            self.policies, self.real.returns, self.dreamt.returns, strict=True
        ):
            yield policy, f"{real.mean():.2f}", f"{dreamt.mean():.2f}", f"{len(real)}"

    def _returns_picture(self) -> Any:
        points = {
            policy: (real, dreamt)
            for policy, real, dreamt in zip(
                self.policies, self.real.returns, self.dreamt.returns, strict=True
            )
        }
        return charts.agreement(points, "mean return in the real game", "in the dream")

    def _headline_figures(self) -> dict[str, str]:
        figures = {
            name.replace("_", " "): f"{self.scores[name]['value']:.4g}"
            for name in _HEADLINES
            if name in self.scores
        }
        return {**figures, "agent steps per second": f"{self.steps_per_s:,.0f}"}

    def _speed(self) -> str:
        return f"64 games of the dream at once: {self.steps_per_s:,.0f} agent steps per second"

    def _note_on_rollouts(self) -> str:
        return (
            "Each roll-out begins in a real state and goes on by itself, under the actions of the "
            "real game, until its state, reward, end or lives differ. The curve is Kaplan and "
            f"Meier's estimate, because {(~self.rollouts.differs).sum():,} of "
            f"{len(self.rollouts.lengths):,} reach the end of real play first."
        )

    def _note_on_returns(self) -> str:
        return (
            "Each point is a policy. It plays "
            f"{self.real.returns.shape[1]} games of at most {self.facts['max_frames']:,} emulator "
            "frames in the real game, and as many in the dream. Bars are standard errors."
        )

    def _note_on_film(self, film: "RolloutFilm") -> str:
        until = f"exact for {film.num_exact} of {len(film.real)} agent steps"
        return f"Both sides are drawn from RAM by the same generator; {until}."


def _counted(num: int, noun: str) -> str:
    return f"{num:,} {noun}{'s' * (num != 1)}"
