"""Games that stand still: FIRE that is swallowed, and episodes in which nothing happens."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.policies import policy_maker
from atarigan.data.collection.screen import ImageScreen
from atarigan.data.collection.standstill import FireAtNewLife
from atarigan.data.collection.worker import Share, Signals, collect_share
from atarigan.evaluation.policy.disturbances import real
from atarigan.evaluation.policy.episodes import EpisodeConfig, Episodes
from atarigan.images.layout import layout_of_space
from tests.fakes import untrained_policy

NOOP, FIRE, RIGHT, LEFT = range(4)
BALL = 101  # RAM address; the value 0 means no ball


class Picture(ImageScreen):
    """A screen with a number for its picture."""

    def __init__(self, picture: int = 0, num_lives: int = 3) -> None:
        self.picture = picture
        self.num_lives = num_lives

    def fingerprint(self) -> int:
        return self.picture

    def lives(self) -> int:
        return self.num_lives


def fired(screens: list[Picture]) -> list[int]:
    """Return the steps in which FIRE is pressed."""
    fire = FireAtNewLife(("NOOP", "FIRE"))
    return [step for step, screen in enumerate(screens) if fire.action(screen) == 1]


def test_fire_is_pressed_once_a_life_where_the_screen_moves() -> None:
    lives = [3] * 100 + [2] * 100
    assert fired([Picture(step, num) for step, num in enumerate(lives)]) == [0, 100]


def test_fire_is_pressed_again_where_the_screen_stands_still_for_long() -> None:
    assert fired([Picture() for _ in range(400)]) == [0, *range(146, 150), *range(296, 300)]
    moves_at_148 = [Picture(max(0, step - 147)) for step in range(400)]
    assert fired(moves_at_148) == [0, 146, 147]


def test_games_that_go_on_by_themselves_are_left_to_the_policy() -> None:
    """Asteroids is still for a while after a lost life."""
    assert fired([Picture(step // 130) for step in range(400)]) == [0]


def test_fire_is_pressed_where_a_policy_only_goes_back_and_forth() -> None:
    steps = fired([Picture(step % 7) for step in range(200)])
    assert steps == [0, *range(152, 156)]


def test_action_of_a_game_without_fire_is_the_policys() -> None:
    assert FireAtNewLife(("NOOP", "UP")).action(Picture()) is None


def test_ball_is_launched_however_sticky_actions_are() -> None:
    """Two of three presses of four frames are swallowed here."""
    env = AgentSteps("ALE/Breakout-v5", env_kwargs={"repeat_action_probability": 0.9})
    fire = FireAtNewLife(env.action_meanings)
    env.reset(seed=0)
    num_steps = []
    for _ in range(6):
        env.reset()
        fire.begin_episode()
        num_steps.append(0)
        while not ram_of(env)[BALL]:
            env.step(fire.action(env.screen) or NOOP)
            num_steps[-1] += 1
            assert num_steps[-1] < 1000
    assert max(num_steps) > 100


def ram_of(env: AgentSteps) -> np.ndarray:
    ram = env.screen.ram()
    assert ram is not None
    return ram


def length_until_cut(env: AgentSteps, act: Callable[[int], int], most: int) -> int:
    """Return the agent steps until an episode is truncated, or `most`."""
    for step in range(most):
        _, terminated, truncated = env.step(act(step))
        assert not terminated
        if truncated:
            return step + 1
    return most


@pytest.mark.parametrize("settings", [{}, {"max_pool": True}, {"frame_skip": 2}])
def test_episode_in_which_nothing_happens_is_truncated(settings: dict[str, int]) -> None:
    """Without FIRE, the paddle alone moves in Breakout."""
    env = AgentSteps("ALE/Breakout-v5", max_still_frames=400, **settings)  # type: ignore[arg-type]
    env.reset(seed=0)
    limit = 400 // env.frame_skip
    assert limit <= length_until_cut(env, lambda step: NOOP, 1000) <= limit + 4
    env.reset()
    back_and_forth = length_until_cut(env, lambda step: RIGHT if step % 10 < 5 else LEFT, 3000)
    assert limit <= back_and_forth < 3000


def test_limit_of_an_environment_without_emulator_and_no_limit() -> None:
    """Action 0 earns nothing there."""
    env = AgentSteps("tests.fakes:Still-v0", max_still_frames=100)
    env.reset(seed=0)
    assert 100 <= length_until_cut(env, lambda step: 0, 1000) <= 104
    env.reset()
    assert length_until_cut(env, lambda step: 1, 1000) == 1000
    endless = AgentSteps("tests.fakes:Still-v0", max_still_frames=0)
    endless.reset(seed=0)
    assert length_until_cut(endless, lambda step: 0, 1000) == 1000


def test_games_that_go_on_are_not_truncated() -> None:
    env = AgentSteps("ALE/Pong-v5", max_still_frames=400)
    policy = policy_maker("scripted", env)(np.random.default_rng(0))
    env.reset(seed=0)
    policy.begin_episode()
    assert not any(env.step(policy.act(env.screen))[2] for _ in range(1000))


def test_collection_goes_on_with_a_new_episode(tmp_path: Path) -> None:
    origin = Origin(
        env_id="ALE/Breakout-v5", policy="tests.fakes:silent_paddle", max_still_frames=200
    )
    buffer = create_buffer(tmp_path / "buffer", origin, capacity=130)
    tally = collect_share(Share(buffer.path, 0, 130, seed=0), Signals(1))
    buffer.refresh()
    cut = np.flatnonzero(buffer.values_at("truncations", np.arange(130)))
    assert len(cut) == 3
    assert cut[-1] == 129
    assert all(50 <= length <= 60 for length in np.diff(cut[:2], prepend=-1))
    assert tally.num_episodes == 2


@pytest.mark.slow
def test_evaluated_episode_ends_where_nothing_happens_any_more() -> None:
    class Still:
        def predict(self, observations: np.ndarray, deterministic: bool) -> tuple[np.ndarray, None]:
            return np.zeros(len(observations), np.int64), None

    layout = layout_of_space(untrained_policy(4).observation_space)
    assert layout is not None
    config = EpisodeConfig("tests.fakes:Still-v0", 40_000)
    results = Episodes(Still(), layout, config, seed=0).play({"real": real}, 1)
    assert 8000 <= results.num_steps[0] <= 8004
