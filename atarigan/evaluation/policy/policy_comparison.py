"""Playing one policy through several views of a game."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atarigan.data.states import State, StateSpec
from atarigan.errors import InputError
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.score import Progress
from atarigan.evaluation.policy.disturbances import disturbances, real
from atarigan.evaluation.policy.episodes import EpisodeConfig, EpisodeResults, Episodes, View
from atarigan.evaluation.policy.view_episodes import RANDOM, ComparedViews, LocalViews, Spread
from atarigan.images.layout import ImageLayout
from atarigan.images.pixels import Frames
from atarigan.images.subset import Reservoir

NUM_STATISTICS_FRAMES = 2000
_NUM_STATISTICS_EPISODES = 4
_NUM_VIEWS_WITHOUT_GENERATED = 6


@dataclass(frozen=True)
class PolicyComparison:
    """Plays a policy with random actions, real frames, generated frames, and disturbed frames.

    Attributes:
        model: a stable-baselines3 model.
        layout: layout of its observations.
        config: game and length of all episodes.
        num_episodes: episodes with each view, at least 2.
        seed: seed of the episodes; episode i has the same seed with every view.
    """

    model: Any
    layout: ImageLayout
    config: EpisodeConfig
    num_episodes: int
    seed: int

    def __post_init__(self) -> None:
        if self.num_episodes < 2:
            raise InputError(f"a comparison needs at least 2 episodes, not {self.num_episodes}")

    def max_steps(self, has_generated: bool) -> int:
        """Return the largest possible number of agent steps of `run`."""
        with contextlib.closing(self.config.make_env()) as env:
            num_steps = self.config.max_steps(env)
        num = self.num_episodes * (_NUM_VIEWS_WITHOUT_GENERATED + has_generated)
        return num_steps * (num + _NUM_STATISTICS_EPISODES)

    def run(
        self,
        generated: View | None,
        progress: Progress = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
        state: StateSpec | None = None,
        spread: Spread = LocalViews,
    ) -> tuple[dict[str, EpisodeResults], dict[str, EpisodeResults]]:
        """Play all episodes, or those before a stop.

        Args:
            generated: the view of generated frames, if there is a generator.
            progress: called with numbers of agent steps.
            should_stop: asked at each agent step.
            state: the states that the view of generated frames reads; None without any.
            spread: returns what plays the views; `RayViews` does so on the nodes of a cluster, the
                default in this process.

        Returns:
            Results by view: "random" (actions, without a view), "real", "generated" if that view is
            given, and the `disturbances`. After a stop, the second dict has the finished episodes
            of the view that was interrupted: the shorter ones, which are a biased sample.
        """
        episodes = Episodes(
            self.model, self.layout, self.config, self.seed, progress, should_stop, state
        )
        with contextlib.closing(episodes):
            views = self._views(episodes, generated)
            results: dict[str, EpisodeResults] = {}
            with spread(views, episodes, self.num_episodes) as played:
                for name in views:
                    found = played.play(name)
                    if episodes.is_stopped:
                        return results, {name: found}
                    results[name] = found
        return results, {}

    def _views(self, episodes: Episodes, generated: View | None) -> dict[str, ComparedViews]:
        """Return by the name of a view which views its episodes are played with, in order."""
        views = {} if generated is None else {"generated": generated}
        disturbed: dict[str, View] = {}
        if (statistics := self._statistics(episodes)) is not None:
            disturbed = disturbances(statistics, self.seed)
        return {
            RANDOM: {},
            "real": {"real": real, **views, **disturbed},
            **{name: {name: view, "real": real} for name, view in views.items()},
            **{name: {name: view} for name, view in disturbed.items()},
        }

    def _statistics(self, episodes: Episodes) -> GameStatistics | None:
        """Return statistics of real frames, drawn from all of the policy's further episodes; None
        after a stop.
        """
        drawn = Reservoir[Frames](NUM_STATISTICS_FRAMES, self.seed)

        def record(
            numbers: Sequence[int], is_first: Sequence[bool], frames: Frames, states: State | None
        ) -> Frames:
            for frame in frames:
                drawn.add(frame)
            return frames

        episodes.play({"real": record}, _NUM_STATISTICS_EPISODES, first=self.num_episodes)
        return None if episodes.is_stopped else GameStatistics.of(np.stack(drawn.items))
