"""Playing one policy through several views of a game."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.errors import InputError
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.score import Progress
from atarigan.evaluation.policy.disturbances import disturbances, real
from atarigan.evaluation.policy.episodes import EpisodeConfig, EpisodeResults, Episodes, Ram, View
from atarigan.images.layout import ImageLayout
from atarigan.images.pixels import Frames

FILM_STEPS = 300
_NUM_STATISTICS_EPISODES, _MAX_STATISTICS_FRAMES = 4, 2000
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
        with contextlib.closing(AgentSteps(self.config.env_id)) as env:
            num = self.num_episodes * self.config.max_steps(env)
        return num * (_NUM_VIEWS_WITHOUT_GENERATED + has_generated)

    def run(
        self, generated: View | None, progress: Progress = lambda _: None
    ) -> dict[str, EpisodeResults]:
        """Play all episodes.

        Returns:
            Results by view: "random" (actions, without a view), "real", "generated" if that view is
            given, and the `disturbances`.
        """
        episodes = Episodes(self.model, self.layout, self.config, self.seed, progress)
        statistics = GameStatistics.of(self._real_frames())
        views = {} if generated is None else {"generated": generated}
        disturbed = disturbances(statistics, self.seed)
        results = {"random": episodes.play_at_random(self.num_episodes)}
        results["real"] = episodes.play({"real": real, **views, **disturbed}, self.num_episodes)
        for name, view in views.items():
            both = {name: view, "real": real}
            results[name] = episodes.play(both, self.num_episodes, film_steps=FILM_STEPS)
        for name, view in disturbed.items():
            results[name] = episodes.play({name: view}, self.num_episodes)
        return results

    def _real_frames(self) -> Frames:
        """Record real frames (N, H, W, C) of separate episodes of the policy."""
        recorded: list[Frames] = []

        def record(
            games: Sequence[int], is_first: Sequence[bool], frames: Frames, ram: Ram | None
        ) -> Frames:
            recorded.append(frames)
            return frames

        max_frames = min(self.config.max_frames, _MAX_STATISTICS_FRAMES)
        config = replace(self.config, max_frames=max_frames)
        episodes = Episodes(self.model, self.layout, config, self.seed + self.num_episodes)
        episodes.play({"real": record}, _NUM_STATISTICS_EPISODES)
        return np.concatenate(recorded)
