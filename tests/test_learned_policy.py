"""Policies that learn in a dream, and then play the real game."""

from typing import Any

import numpy as np
import torch

from atarigan.data.collection.screen import RamScreen
from atarigan.training.dream.learned_policy import DreamGames, LearnedPolicy, learn_policy
from atarigan.training.dream.ppo import Policy
from tests.learned_games import ACTIONS, counting_dream

BUTTON = 1  # the action that the game of the tests rewards


def shares_of(network: Policy) -> Any:
    """How often each action is drawn at one state."""
    policy = LearnedPolicy(network, np.random.default_rng(0))
    policy.begin_episode()
    actions = [policy.act(RamScreen(np.array([9, 0], np.uint8))) for _ in range(300)]
    return np.bincount(actions, minlength=len(ACTIONS)) / len(actions)


def test_a_policy_learns_to_press_the_button_and_goes_on() -> None:
    seen: list[tuple[int, int]] = []
    first = learn_policy(counting_dream(), 30_000, 0, progress=lambda *each: seen.append(each))
    assert seen[0] == (0, 30_000)
    assert seen[-1] == (30_000, 30_000)
    before = shares_of(first)[BUTTON]
    assert before > 0.3
    after = shares_of(learn_policy(counting_dream(), 30_000, 1, first))[BUTTON]
    assert after > before


def test_a_policy_leaves_the_number_of_threads_as_it_was() -> None:
    torch.set_num_threads(2)
    try:
        learn_policy(counting_dream(), 1, 0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_a_new_episode_begins_in_the_step_that_ends_one() -> None:
    games = DreamGames(counting_dream(num_starts=3), 4)
    rams, _ = games.reset(seed=5)
    assert set(rams[:, 0]) <= {0, 1, 2}
    for _ in range(9):
        before, (rams, _, ends, _, _) = rams, games.step(np.zeros(4, np.int64))
        assert (rams[ends, 0] <= 2).all()
        assert (rams[~ends, 0] > before[~ends, 0]).all()


def test_the_change_of_ram_begins_anew_with_an_episode() -> None:
    network = Policy(num_bytes=2, num_actions=len(ACTIONS), hidden=4)
    features: list[Any] = []
    network.register_forward_hook(lambda _, inputs, __: features.append(inputs[0][0].tolist()))
    policy = LearnedPolicy(network, np.random.default_rng(0))
    for count in (3, 7):
        policy.act(RamScreen(np.array([count, 0], np.uint8)))
    policy.begin_episode()
    policy.act(RamScreen(np.array([8, 0], np.uint8)))
    assert features == [[3, 0, 0, 0], [7, 0, 4, 0], [8, 0, 0, 0]]
