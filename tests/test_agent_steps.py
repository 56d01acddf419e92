"""Environments as an agent meets them."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.errors import InputError


def test_action_is_repeated_and_its_rewards_summed() -> None:
    env = AgentSteps("tests.fakes:Counting-v0", frame_skip=3, env_kwargs={"length": 7})
    env.reset(seed=0)
    first = int(env.screen.gray()[0, 0, 0])
    assert [env.step(2) for _ in range(3)] == [
        (6.0, False, False),
        (6.0, False, False),
        (2.0, True, False),
    ]
    env.reset(seed=0)
    env.step(0)
    assert env.screen.gray()[0, 0, 0] == first + 3


@pytest.mark.parametrize("max_pool", [False, True])
@pytest.mark.parametrize("env_id", ["ALE/Breakout-v5", "BreakoutNoFrameskip-v4"])
def test_frame_skip_counts_emulator_frames_whatever_the_id_says(
    env_id: str, max_pool: bool
) -> None:
    env = AgentSteps(env_id, frame_skip=5, max_pool=max_pool)
    env.reset(seed=0)
    for _ in range(10):
        env.step(0)
    ale = env.env.unwrapped.ale  # type: ignore[attr-defined]
    assert ale.getEpisodeFrameNumber() == 50


def test_default_frame_skip_is_that_of_the_kind_of_environment() -> None:
    assert AgentSteps("ALE/Pong-v5").frame_skip == 4
    assert AgentSteps("tests.fakes:Counting-v0").frame_skip == 1


LIMITED = [
    {},
    {"frame_skip": 3, "max_pool": True, "num_pooled": 6},
    {"max_pool": True},
    {"frame_skip": 2},
    {"frame_skip": 3, "max_pool": True},
]


@pytest.mark.parametrize(
    ("env_id", "settings"),
    [
        *(("tests.fakes:Endless-v0", settings) for settings in LIMITED),
        *(("ALE/Breakout-v5", settings) for settings in LIMITED[:2]),
        *(pytest.param("ALE/Breakout-v5", each, marks=pytest.mark.slow) for each in LIMITED[2:]),
    ],
)
def test_longest_episode_is_in_agent_steps_whatever_they_are(
    env_id: str, settings: dict[str, Any]
) -> None:
    env = AgentSteps(env_id, env_kwargs={"max_episode_steps": 40}, **settings)
    for seed in (0, None):  # two episodes
        env.reset(seed)
        ends = [env.step(0)[1:] for _ in range(40)]
        assert ends == [(False, False)] * 39 + [(False, True)]


@pytest.mark.parametrize("settings", [{}, {"max_pool": True}, {"frame_skip": 8}])
def test_limit_of_a_registration_of_ale_is_in_agent_steps_too(settings: dict[str, Any]) -> None:
    env = AgentSteps("tests.fakes:ShortPong-v0", **settings)
    env.reset(seed=0)
    assert [env.step(0)[2] for _ in range(30)] == [False] * 29 + [True]


def test_limit_of_a_registration_of_ale_can_be_lifted() -> None:
    endless = AgentSteps("tests.fakes:ShortPong-v0", env_kwargs={"max_episode_steps": -1})
    endless.reset(seed=0)
    assert not any(endless.step(0)[2] for _ in range(40))


@pytest.mark.parametrize("settings", [{}, {"max_pool": True}])
@pytest.mark.parametrize(
    "env_id", ["tests.fakes:InvertedBreakout-v0", "tests.fakes:FurtherWrappedBreakout-v0"]
)
def test_frames_are_those_of_the_outermost_wrapper(env_id: str, settings: dict[str, Any]) -> None:
    """All but a few pixels of Breakout are black."""
    env = AgentSteps(env_id, **settings)
    peer = gym.make(env_id.partition(":")[2])
    observation, _ = peer.reset(seed=0)
    env.reset(seed=0)
    assert env.frame_skip == 1
    for action in [1, 2, 3] * 5:
        assert env.screen.rgb().mean() > 200
        if not settings:
            assert np.array_equal(env.screen.rgb(), observation)
        observation, reward, *_ = peer.step(action)
        assert env.step(action)[0] == reward
    assert np.array_equal(env.screen.ram(), peer.unwrapped.ale.getRAM())  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="palette needs an ALE environment without wrappers"):
        env.screen.palette()


def test_generated_frames_are_shown_and_not_the_emulators() -> None:
    kwargs = {"env_id": "ALE/Pong-v5", "generator": "pong"}
    env = AgentSteps("atarigan:atarigan/Generated-v0", env_kwargs=kwargs)
    peer = gym.make("atarigan/Generated-v0", **kwargs)  # type: ignore[arg-type]
    observation, _ = peer.reset(seed=3)
    env.reset(seed=3)
    for _ in range(20):
        assert np.array_equal(env.screen.rgb(), observation)
        observation, *_ = peer.step(2)
        env.step(2)
    assert not np.array_equal(env.screen.rgb(), peer.unwrapped.ale.getScreenRGB())  # type: ignore[attr-defined]


def test_rendering_does_not_replace_images_without_a_word() -> None:
    with pytest.warns(UserWarning, match=r"not uint8 \(1200,\) .* what render\(\) returns is sto"):
        env = AgentSteps("tests.fakes:Flat-v0")
    assert (env.screen.height, env.screen.width) == (20, 30)


@pytest.mark.parametrize(
    ("env_id", "meanings"),
    [
        ("ALE/Breakout-v5", ("NOOP", "FIRE", "RIGHT", "LEFT")),
        ("tests.fakes:InvertedBreakout-v0", ("NOOP", "FIRE", "RIGHT", "LEFT")),
        ("tests.fakes:TwoActions-v0", ()),
        ("tests.fakes:Counting-v0", ()),
    ],
)
def test_actions_have_names_unless_a_wrapper_changes_them(
    env_id: str, meanings: tuple[str, ...]
) -> None:
    assert AgentSteps(env_id).action_meanings == meanings


@pytest.mark.parametrize(
    ("env_id", "settings", "message"),
    [
        ("ALE/Brekout-v5", {}, "no environment 'ALE/Brekout-v5': did you mean 'ALE/Breakout-v5'"),
        ("Breakout-v5", {}, "did you mean 'ALE/Breakout-v5'"),
        ("ale/pong-v5", {}, "did you mean 'ALE/Pong-v5'"),
        ("nowhere:Pong-v5", {}, "module of environment 'nowhere:Pong-v5' cannot load"),
        ("tests.fakes:Unseen-v0", {}, "Unseen-v0 must have image observations or render_mode"),
        ("ALE/Pong-v5", {"frame_skip": 0}, "frame_skip must be at least 1, not 0"),
        ("ALE/Pong-v5", {"env_kwargs": {"color": 1}}, "cannot be made: .*'color'"),
        ("ALE/Pong-v5", {"frame_skip": 10**9}, "frame_skip must be at most 108000, not 10+$"),
        ("ALE/Pong-v5", {"env_kwargs": {"mode": 99}}, "made: mode must be one of 0, 1, not 99"),
        ("ALE/Pong-v5", {"env_kwargs": {"mode": "1"}}, "mode must be one of 0, 1, not '1'"),
        (
            "PongNoFrameskip-v4",
            {"env_kwargs": {"mode": 1, "difficulty": 7}},
            "difficulty must be one of 0, 1, 2, 3, not 7",
        ),
        ("ALE/Pong-v5", {"max_pool": True, "num_pooled": 1}, "num_pooled must be from 2 to 100"),
        (
            "ALE/Pong-v5",
            {"env_kwargs": {"max_episode_steps": 0}},
            "max_episode_steps must be a whole number of at least 1 agent step, or -1 .*, not 0",
        ),
        ("ALE/Pong-v5", {"env_kwargs": {"obs_type": "rgb"}}, "must leave obs_type to"),
    ],
)
def test_impossible_environment_is_refused(
    env_id: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        AgentSteps(env_id, **settings)
