"""Games that are not loaded again play as those that are."""

from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

from tests.loaded_games import load_game, loaded_once

gym.register_envs(ale_py)
SEED = 5


def played(env: Any, num_steps: int, seed: int | None) -> list[Any]:
    """All that resets and steps return, a reset with a seed first, and the emulator's memory."""
    actions = np.random.default_rng(0).integers(env.action_space.n, size=num_steps)
    returned: list[Any] = [env.reset(seed=seed)]
    for action in actions.tolist():
        returned.append((*env.step(action), env.unwrapped.ale.getRAM()))
        if returned[-1][2] or returned[-1][3]:
            returned.append(env.reset())
    return returned


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The games that are loaded."""
    games: list[str] = []

    def counted(env: ale_py.AtariEnv) -> None:
        games.append(env._game)
        load_game(env)

    monkeypatch.setattr("tests.loaded_games.load_game", counted)
    return games


@pytest.mark.parametrize(
    ("game", "kwargs"),
    [
        ("Breakout", {}),
        ("Seaquest", {"frameskip": (2, 5), "mode": 0, "difficulty": 0}),  # resets keep its RAM
        *(
            pytest.param(game, kwargs, marks=pytest.mark.slow)
            for game in ("Pong", "SpaceInvaders", "Freeway", "MsPacman", "Pitfall", "AirRaid")
            for kwargs in ({}, {"frameskip": 1, "repeat_action_probability": 0.0})
        ),
    ],
)
def test_a_game_that_is_not_loaded_again_plays_alike(
    game: str, kwargs: dict[str, Any], loads: list[str]
) -> None:
    with loaded_once():
        envs = [gym.make(f"ALE/{game}-v5", **kwargs) for _ in range(2)]
        expected = played(envs[0], 120, SEED)
        played(envs[1], 30, None)
        assert len(loads) == 3
        for env in envs:
            assert data_equivalence(played(env, 120, SEED), expected, exact=True)
        del envs, env
        again = gym.make(f"ALE/{game}-v5", **kwargs)
        assert data_equivalence(played(again, 120, SEED), expected, exact=True)
        assert len(loads) == 3
        other = played(again, 120, SEED + 1)
        assert len(loads) == 4
        assert not data_equivalence(other, expected, exact=True)


def test_an_emulator_in_use_is_left_alone(loads: list[str]) -> None:
    with loaded_once():
        env: Any = gym.make("ALE/Breakout-v5")
        ale = env.unwrapped.ale
        del env
        again: Any = gym.make("ALE/Breakout-v5")
        assert again.unwrapped.ale is not ale
        del again
        assert len(loads) == 2
        ale = None
        gym.make("ALE/Breakout-v5", repeat_action_probability=0.0)
        assert len(loads) == 3
        gym.make("ALE/Breakout-v5")
        assert len(loads) == 3


def test_unseeded_games_differ() -> None:
    with loaded_once():
        histories = []
        for _ in range(4):
            env = gym.make("ALE/Breakout-v5", repeat_action_probability=0.5)
            histories.append(played(env, 60, None))
    differ = [not data_equivalence(histories[0], each, exact=True) for each in histories[1:]]
    assert all(differ)
