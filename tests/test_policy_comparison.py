"""The comparison of views: what the disturbed ones know of the game."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from atarigan.evaluation.policy import policy_comparison
from atarigan.evaluation.policy.episodes import EpisodeConfig
from atarigan.evaluation.policy.policy_comparison import PolicyComparison
from atarigan.images.layout import layout_of_space
from atarigan.images.subset import Reservoir

BRIGHT_AFTER, LENGTH = 10, 40


class TwoScreens(gym.Env):
    """Dark for the first ten steps of an episode, and bright for the other thirty."""

    observation_space = gym.spaces.Box(0, 255, (12, 10, 1), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.num_steps = 0
        return self.screen(), {}

    def step(self, action: Any) -> Any:
        self.num_steps += 1
        return self.screen(), 0.0, self.num_steps >= LENGTH, False, {}

    def screen(self) -> Any:
        return np.full((12, 10, 1), 200 if self.num_steps >= BRIGHT_AFTER else 10, np.uint8)


class Recorder:
    """A policy that records the newest level that it sees."""

    def __init__(self) -> None:
        self.levels: list[int] = []

    def predict(self, observations: Any, deterministic: bool) -> Any:
        self.levels += observations[:, -1, 0, 0].tolist()
        return np.zeros(len(observations), int), None


def test_the_background_is_that_of_whole_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_comparison, "NUM_STATISTICS_FRAMES", 20)
    gym.register("TwoScreens-v0", TwoScreens)
    try:
        model = Recorder()
        layout = layout_of_space(gym.spaces.Box(0, 255, (4, 12, 10), np.uint8), "KHW")
        config = EpisodeConfig("TwoScreens-v0", 100, frame_skip=1)
        comparison = PolicyComparison(model, layout, config, 2, seed=0)
        comparison.run(None)
    finally:
        del gym.registry["TwoScreens-v0"]
    assert model.levels[:4] == [10] * 4  # the real screens
    assert model.levels[-2 * LENGTH :] == [200] * 2 * LENGTH  # "blind", the last view


def test_a_reservoir_draws_from_all_of_a_stream() -> None:
    drawn = Reservoir[int](20, seed=1)
    for item in range(1000):
        drawn.add(item)
    assert len(set(drawn.items)) == 20
    assert 300 < np.mean(drawn.items) < 700
    few = Reservoir[int](20)
    for item in range(9):
        few.add(item)
    assert few.items == [*range(9)]
