"""A trial: one policy, seeing one game in every way there is."""

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
from atarigan.evaluation.policy.episodes import Episodes, Played, Ram, Rules, View
from atarigan.evaluation.policy.policy_evaluation import FILM_STEPS
from atarigan.images.layout import ImageLayout
from atarigan.images.pixels import Frames

NUM_SCOUTS, SCOUTED_FRAMES = 4, 2000
NUM_ARMS = 6


@dataclass(frozen=True)
class PolicyComparison:
    """What a policy is put to.

    Attributes:
        model: a stable-baselines3 model.
        layout: how its observations show frames.
        rules: of all episodes.
        num_episodes: of each kind, at least 2.
        seed: of all of them; episodes of one number have the same seed whatever is seen.
    """

    model: Any
    layout: ImageLayout
    rules: Rules
    num_episodes: int
    seed: int

    def __post_init__(self) -> None:
        if self.num_episodes < 2:
            raise InputError(f"a trial needs at least 2 episodes, not {self.num_episodes}")

    def work_to_do(self, has_generated: bool) -> int:
        """Agent steps, at the most."""
        with contextlib.closing(AgentSteps(self.rules.env_id)) as env:
            num = self.num_episodes * self.rules.max_steps(env)
        return num * (NUM_ARMS + has_generated)

    def run(self, generated: View | None, progress: Progress = lambda _: None) -> dict[str, Played]:
        """Play everything, by what is seen: "random" actions, "real", "generated" if there is such
        a view, and the `disturbances`.
        """
        episodes = Episodes(self.model, self.layout, self.rules, self.seed, progress)
        scene = GameStatistics.of(self._scouted())
        views = {} if generated is None else {"generated": generated}
        disturbed = disturbances(scene, self.seed)
        arms = {"random": episodes.play_at_random(self.num_episodes)}
        arms["real"] = episodes.play({"real": real, **views, **disturbed}, self.num_episodes)
        for name, view in views.items():
            both = {name: view, "real": real}
            arms[name] = episodes.play(both, self.num_episodes, film_steps=FILM_STEPS)
        for name, view in disturbed.items():
            arms[name] = episodes.play({name: view}, self.num_episodes)
        return arms

    def _scouted(self) -> Frames:
        """Real frames of the policy's own play, (N, H, W, C), in games that are not counted."""
        seen: list[Frames] = []

        def watched(
            games: Sequence[int], is_first: Sequence[bool], frames: Frames, ram: Ram | None
        ) -> Frames:
            seen.append(frames)
            return frames

        rules = replace(self.rules, max_frames=min(self.rules.max_frames, SCOUTED_FRAMES))
        scouts = Episodes(self.model, self.layout, rules, self.seed + self.num_episodes)
        scouts.play({"real": watched}, NUM_SCOUTS)
        return np.concatenate(seen)
