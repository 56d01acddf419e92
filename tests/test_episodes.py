"""Whole episodes through views of the game, and the disturbing views."""

from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack, VecTransposeImage

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.preprocessing import PREPROCESSINGS
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


def played(views, num_episodes=2, **options):
    model = Brightness()
    return Episodes(model, LAYOUT, CONFIG, seed=5).play(views, num_episodes, **options), model


@pytest.fixture(scope="module")
def alone():
    """The results of two episodes without other views."""
    return played({"real": real})[0]


def dark(games, is_first, frames, ram):
    return np.zeros_like(frames)


def test_episodes_are_reproducible_by_seed_and_truncated_at_the_limit(alone):
    assert played({"real": real})[0] == alone
    assert alone.num_steps == [60, 60]
    assert alone.num_queried == [15, 15]
    other = Episodes(Brightness(), LAYOUT, CONFIG, seed=6).play({"real": real}, 2)
    assert other.returns != alone.returns or other.num_steps != alone.num_steps


def test_other_views_are_queried_and_do_not_act(alone):
    both, _ = played({"real": real, "same": real, "dark": dark})
    assert both.returns == alone.returns
    assert both.num_agreed["same"] == both.num_queried
    assert both.num_agreed["dark"] < both.num_queried


def test_a_film_shows_all_views_of_the_first_episode():
    film = played({"dark": dark, "real": real}, 1, film_steps=7)[0].film
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
    found = episodes.play_at_random(1)
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
    shown = {name: view(range(300), [True] * 300, dots, None) for name, view in views.items()}
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


def test_a_pooled_policy_sees_what_stable_baselines3_shows_it():
    """From the first no-ops on, over lost lives, with the same seed and actions."""
    config = EpisodeConfig("ALE/SpaceInvaders-v5", 2000, PREPROCESSINGS["sb3"])
    model = Brightness()
    Episodes(model, LAYOUT, config, seed=5).play({"real": real}, 1)
    venv = make_atari_env("ALE/SpaceInvaders-v5", seed=5, env_kwargs={"frameskip": 1})
    envs = VecTransposeImage(VecFrameStack(venv, 4))
    observation: Any = envs.reset()
    for step, seen in enumerate(model.seen):
        np.testing.assert_array_equal(seen, observation, f"observation {step}")
        observation = envs.step(Brightness().predict(observation, deterministic=True)[0])[0]
    assert len(model.seen) > 400
    assert any(not seen[0, 0].any() for seen in model.seen[1:])  # another life began
    envs.close()


def test_a_stop_keeps_the_finished_episodes():
    asked = []

    def stops():
        asked.append(0)
        return len(asked) > 150

    episodes = Episodes(None, LAYOUT, CONFIG, seed=5, should_stop=stops)
    found = episodes.play_at_random(4)
    assert episodes.is_stopped
    assert found.num_steps == [60, 60]
    assert len(episodes.play({"real": real}, 2).returns) == 0


class Counter:
    """A recurrent model that counts the observations of each game since the start of its life."""

    def __init__(self):
        self.counts = []

    def predict(self, observations, deterministic, state=None, episode_start=None):
        num = len(observations)
        before = np.zeros((1, num, 1)) if state is None else state[0]
        if episode_start is not None:
            before = np.where(episode_start[None, :, None], 0, before)
        self.counts.append((before + 1)[0, :, 0])
        return np.full(num, len(self.counts) % 4), (before + 1,)


def test_a_recurrent_policy_keeps_a_state_for_each_game_and_view():
    config = EpisodeConfig("ALE/Breakout-v5", 1200, PREPROCESSINGS["sb3"])
    model = Counter()
    found = Episodes(model, LAYOUT, config, seed=5).play({"real": real, "same": real}, 3)
    acting, queried = model.counts[::2], model.counts[1::2]
    for first, second in zip(acting, queried, strict=True):
        np.testing.assert_array_equal(first, second)
    assert acting[1].tolist() == [2, 2, 2]
    assert sum(1 for count in acting if count[0] == 1) > 1  # forgotten at a new life
    assert found.num_agreed["same"] != found.num_queried  # its actions differ from call to call
