"""Environments as an agent meets them."""

from typing import Any

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
        ("ALE/Pong-v5", {"env_kwargs": {"mode": 99}}, "cannot be made: Invalid game mode"),
        ("ALE/Pong-v5", {"env_kwargs": {"obs_type": "rgb"}}, "must leave obs_type to"),
    ],
)
def test_impossible_environment_is_refused(
    env_id: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        AgentSteps(env_id, **settings)
