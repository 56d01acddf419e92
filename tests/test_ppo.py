"""PPO on RAM: its formulas, and that it learns."""

import math

import numpy as np
import pytest
import torch

from atarigan.envs import DreamVectorEnv
from atarigan.training.dream.ppo import (
    Normalizer,
    Policy,
    Ppo,
    PpoSettings,
    Rollout,
    Samples,
    advantages_of,
    drawn,
    loss_of,
)
from tests.learned_games import ACTIONS, counting_dream


def rollout_of(steps: int, games: int) -> Rollout:
    """Random numbers, in float64."""
    random = np.random.default_rng(0)
    values, rewards = torch.from_numpy(random.normal(size=(2, steps, games)))
    ends = torch.from_numpy(random.random((steps, games)) < 0.2)
    unused = torch.zeros(0)
    last_values = torch.from_numpy(random.normal(size=games))
    return Rollout(unused, unused, unused, values, rewards, ends, last_values)


def test_advantages_are_the_sum_of_the_paper() -> None:
    rollout, gamma, gae_lambda = rollout_of(steps=12, games=5), 0.9, 0.7
    found = advantages_of(rollout, gamma, gae_lambda)
    values = torch.cat([rollout.values, rollout.last_values[None]])
    assert rollout.ends.any(0).all()
    assert not rollout.ends[-1].all()  # last values count in some games
    for game in range(5):
        for step in range(12):
            total = 0.0
            for later in range(step, 12):  # equation 16: sum of (gamma * lambda)^l * delta
                is_end = bool(rollout.ends[later, game])
                following = 0.0 if is_end else float(values[later + 1, game])
                delta = rollout.rewards[later, game] + gamma * following - values[later, game]
                total += (gamma * gae_lambda) ** (later - step) * float(delta)
                if is_end:
                    break
            assert float(found[step, game]) == pytest.approx(total, rel=1e-12)


def test_actions_are_drawn_by_their_probabilities() -> None:
    torch.manual_seed(0)
    actions = drawn(torch.tensor([1.0, 2.0, 5.0]).log().expand(40_000, 3))
    shares = actions.bincount() / len(actions)
    torch.testing.assert_close(shares, torch.tensor([0.125, 0.25, 0.625]), rtol=0, atol=0.01)


def test_features_come_to_mean_0_and_variance_1() -> None:
    random = torch.Generator().manual_seed(0)
    features = 7 + 3 * torch.randn(999, 4, generator=random)
    features[:, 2] = 5  # a byte that never changes
    normalizer = Normalizer(4)
    for part in features.split([100, 600, 299]):
        normalizer.observe(part)
    torch.testing.assert_close(normalizer.mean, features.mean(0))
    torch.testing.assert_close(normalizer.variance, features.var(0, correction=0))
    assert (normalizer(features)[:, 2].abs() < 1e-3).all()
    assert float(normalizer(torch.full((1, 4), 1e3)).max()) == 5  # clamped


def test_a_ratio_beyond_the_clip_has_no_gradient() -> None:
    policy = Policy(num_bytes=2, num_actions=3, hidden=4)
    features = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    actions = torch.arange(8) % 3
    with torch.no_grad():
        log_probs = policy(features)[0].log_softmax(1)[torch.arange(8), actions]
    settings = PpoSettings(value_weight=0.0, entropy_weight=0.0, clip=0.2)
    for ratio, objective, has_gradient in ((1.1, 1.1, True), (1.3, 1.2, False)):
        old = log_probs - math.log(ratio)
        samples = Samples(features, actions, old, torch.ones(8), torch.zeros(8))
        loss = loss_of(policy, samples, settings)
        [gradient] = torch.autograd.grad(loss, [policy.heads.weight])
        assert loss.item() == pytest.approx(-objective)
        assert bool(gradient.any()) is has_gradient


def test_the_fast_loop_learns_to_press_the_button() -> None:
    torch.manual_seed(0)
    envs = DreamVectorEnv(
        counting_dream(),
        16,
        obs_type="ram",
        output="torch",
        device="cpu",
        autoreset_mode="SameStep",
    )
    settings = PpoSettings(horizon=16, num_minibatches=4)
    ppo = Ppo(envs, len(ACTIONS), settings, torch.device("cpu"), seed=0)
    shares = []
    for _ in range(14):
        rollout = ppo.collect()
        shares.append(float((rollout.actions == 1).float().mean()))
        ppo.update(rollout)
    assert shares[0] < 0.35
    assert shares[-1] > 0.8
    assert set(rollout.rewards.unique().tolist()) <= {-1.0, 0.0, 1.0}


def test_the_change_of_ram_is_none_where_an_episode_begins() -> None:
    envs = DreamVectorEnv(
        counting_dream(),
        2,
        obs_type="ram",
        output="torch",
        device="cpu",
        autoreset_mode="SameStep",
    )
    ppo = Ppo(envs, len(ACTIONS), PpoSettings(horizon=9), torch.device("cpu"), seed=0)
    features = ppo.collect().features
    assert features[:, 0, 0].tolist() == [0, 4, 8, 12, 16, 20, 24, 28, 0]
    assert features[:, 0, 2].tolist() == [0, 4, 4, 4, 4, 4, 4, 4, 0]
