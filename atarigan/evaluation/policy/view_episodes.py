"""Episodes with each view of a policy comparison, played in this process or elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from atarigan.evaluation.policy.episodes import EpisodeResults, Episodes, View

RANDOM = "random"
FILM_STEPS = 300
_FILMED = "generated"
ComparedViews = Mapping[str, View]
"""The view that a policy acts on, and those that it is also queried with; empty for random actions.
"""


@dataclass(frozen=True)
class Part:
    """Episodes first … first + num - 1 with one view. Each depends on its number alone, so that
    parts can be played anywhere.
    """

    view: str
    first: int
    num: int

    def play(self, views: Mapping[str, ComparedViews], episodes: Episodes) -> EpisodeResults:
        """Play them; `views` by the name of a view."""
        if self.view == RANDOM:
            return episodes.play_at_random(self.num, first=self.first)
        is_filmed = self.view == _FILMED and self.first == 0
        film_steps = FILM_STEPS if is_filmed else 0
        return episodes.play(views[self.view], self.num, first=self.first, film_steps=film_steps)


class PlayedViews(Protocol):
    """Plays all episodes with a view; ends all of them on exit."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def play(self, view: str) -> EpisodeResults:
        """Return the results of a view, of the finished episodes if they are stopped."""


Spread = Callable[[Mapping[str, ComparedViews], Episodes, int], PlayedViews]
"""Makes it out of the views by name, what plays episodes in this process, and their number."""


class LocalViews:
    """Plays all episodes in this process."""

    def __init__(
        self, views: Mapping[str, ComparedViews], episodes: Episodes, num_episodes: int
    ) -> None:
        self._views, self._episodes, self._num_episodes = views, episodes, num_episodes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is left to end."""

    def play(self, view: str) -> EpisodeResults:
        return Part(view, 0, self._num_episodes).play(self._views, self._episodes)
