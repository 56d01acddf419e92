"""Whole episodes through views of the game, and the disturbing views."""

import numpy as np
import pytest

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.errors import InputError
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.policy.disturbances import disturbances, real
from atarigan.evaluation.policy.episodes import EpisodeConfig, Episodes
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.layout import layout_of_space
from tests.fakes import untrained_policy

LAYOUT = layout_of_space(untrained_policy(4).observation_space)
CONFIG = EpisodeConfig("ALE/Breakout-v5", 240)


class Brightness:
    """Acts by the sum of the newest frame's levels; records its observations."""

    def __init__(self):
        self.seen = []

    def predict(self, observations, deterministic):
        assert deterministic
        self.seen.append(observations)
        return observations[:, -1].sum((1, 2)) % 4, None


def played(views, num_episodes=3, **options):
    model = Brightness()
    return Episodes(model, LAYOUT, CONFIG, seed=5).play(views, num_episodes, **options), model


def dark(games, is_first, frames, ram):
    return np.zeros_like(frames)


def test_episodes_are_reproducible_by_seed_and_truncated_at_the_limit():
    first, again = (played({"real": real})[0] for _ in range(2))
    assert first == again
    assert first.num_steps == [60, 60, 60]
    assert first.num_queried == [15, 15, 15]
    other = Episodes(Brightness(), LAYOUT, CONFIG, seed=6).play({"real": real}, 2)
    assert other.returns != first.returns[:2] or other.num_steps != first.num_steps[:2]


def test_other_views_are_queried_and_do_not_act():
    alone, _ = played({"real": real})
    both, _ = played({"real": real, "same": real, "dark": dark})
    assert both.returns == alone.returns
    assert both.num_agreed["same"] == both.num_queried
    assert both.num_agreed["dark"] < both.num_queried


def test_a_film_shows_all_views_of_the_first_episode():
    film = played({"dark": dark, "real": real}, film_steps=7)[0].film
    assert [len(film[name]) for name in ("dark", "real")] == [7, 7]
    assert all((frame == 0).all() for frame in film["dark"])
    assert film["real"][0].shape == (84, 84, 1)
    assert film["real"][0].max() > 100


def test_views_get_the_ram_of_each_frame():
    def checked(games, is_first, frames, ram):
        assert ram.shape == (len(games), 128)
        assert len(frames) == len(is_first) == len(games)
        return frames

    played({"real": checked})


def test_random_actions_need_no_policy():
    episodes = Episodes(None, LAYOUT, EpisodeConfig("ALE/Pong-v5", 4000), seed=0)
    found = episodes.play_at_random(2)
    assert all(-21 <= value < -5 for value in found.returns)
    assert found.num_steps[0] <= 1000


def test_an_early_end_counts_as_a_full_episode_of_progress():
    reported: list[np.ndarray] = []
    Episodes(
        None, LAYOUT, EpisodeConfig("ALE/Breakout-v5", 8000), 0, reported.append
    ).play_at_random(2)
    assert sum(reported) == 2 * 2000


def test_stacks_begin_with_their_first_frame_and_hold_the_last_four():
    stacks = FrameStacks(LAYOUT, 2)
    for number in range(6):
        frames = np.full((1, 84, 84, 1), number, np.uint8)
        observation = stacks.push_each([1], frames, [number == 0])
    assert observation[0, :, 0, 0].tolist() == [2, 3, 4, 5]
    again = stacks.push_each([1], np.full((1, 84, 84, 1), 9, np.uint8), [True])
    assert again[0, :, 0, 0].tolist() == [9] * 4


def test_a_limit_below_one_agent_step_is_refused():
    with pytest.raises(InputError, match="max_frames must be at least 4, not 3"):
        EpisodeConfig("ALE/Pong-v5", 3)


@pytest.fixture(scope="module")
def dots():
    """Return flat frames with a bar and a dot of 4 pixels at a random position."""
    rng = np.random.default_rng(0)
    frames = np.full((300, 84, 84, 1), 80, np.uint8)
    frames[:, :5] = 140
    for frame, (row, column) in zip(frames, rng.integers(8, 80, (300, 2)), strict=True):
        frame[row : row + 2, column : column + 2] = 230
    return frames


def test_disturbances_change_frames_as_documented(dots):
    views = disturbances(GameStatistics.of(dots), seed=0)
    shown = {name: view(range(300), [False] * 300, dots, None) for name, view in views.items()}
    plain = dots.copy()
    plain[plain == 230] = 80
    np.testing.assert_array_equal(shown["erased"], plain)
    np.testing.assert_array_equal(shown["blind"], plain)
    added = shown["noise"].astype(int) - dots
    assert added[dots == 80].std() == pytest.approx(10, abs=0.1)
    assert shown["blurred"].shape == dots.shape
    assert 80 < shown["blurred"].max() < 230
    assert (dots == 230).any()


def test_returns_equal_those_of_manual_agent_steps():
    """Repeating the actions by hand gives the same return."""
    found, model = played({"real": real}, num_episodes=1)
    env = AgentSteps("ALE/Breakout-v5")
    env.reset(5)
    total, lives = 0.0, -1
    for observations in model.seen:
        action = int(observations[0, -1].sum() % 4)
        before, lives = lives, env.screen.lives()
        total += env.step(1 if before != lives else action)[0]
    assert found.returns == [total]
