"""A prior over states is learned, and quantiles determine the states drawn from it."""

import itertools

import numpy as np
import pytest
import torch

from atarigan.models.state.state_prior import StatePrior

FIRST, SECOND = [3, 9, *range(100, 120)], [7, 11, 12, 20]  # together too many to be one group


def played(num):
    """RAM in which byte 1 is drawn, byte 3 depends on it, and the others are constant."""
    rng = np.random.default_rng(0)
    first = rng.choice(FIRST, size=num, p=[0.4, 0.2, *[0.02] * 20])
    shares = np.where(first == 9, 0.7, np.where(first % 2, 0.2, 0.1))
    second = np.where(rng.random(num) < shares, 7, rng.choice([11, 12, 20], size=num))
    ram = np.zeros((num, 5), np.uint8)
    ram[:, 0], ram[:, 1], ram[:, 3] = 77, first, second
    return torch.from_numpy(ram)


@pytest.fixture(scope="module")
def prior():
    torch.manual_seed(0)
    ram, prior = played(4000), StatePrior(5, width=16)
    prior.fit(ram)
    optimizer = torch.optim.Adam(prior.parameters(), 1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        prior.negative_log_likelihood(ram[torch.randint(len(ram), (256,))]).backward()
        optimizer.step()
    return prior.requires_grad_(False)


def every_state(prior):
    """All combinations of values that occur, and their probabilities."""
    pairs = list(itertools.product(FIRST, SECOND))
    ram = torch.tensor([[77, first, 0, second, 0] for first, second in pairs], dtype=torch.uint8)
    return ram, torch.stack([-prior.negative_log_likelihood(each[None]) for each in ram]).exp()


def test_probabilities_of_all_states_sum_to_one(prior):
    _, probabilities = every_state(prior)
    assert probabilities.sum().item() == pytest.approx(1, rel=1e-5)


def test_probabilities_are_the_frequencies_of_combinations(prior):
    ram, probabilities = every_state(prior)
    real = played(4000)
    for state, probability in zip(ram, probabilities, strict=True):
        frequency = (real == state).all(1).float().mean().item()
        assert probability.item() == pytest.approx(frequency, abs=0.02)


def test_evenly_spaced_quantiles_give_states_as_often_as_their_probability(prior):
    steps = (torch.arange(100) + 0.5) / 100
    quantiles = torch.cartesian_prod(steps, steps)
    drawn = prior.states(quantiles)
    ram, probabilities = every_state(prior)
    for state, probability in zip(ram, probabilities, strict=True):
        share = (drawn == state).all(1).float().mean().item()
        assert share == pytest.approx(probability.item(), abs=0.012)
    assert (drawn[:, 0] == 77).all()
    assert (drawn[:, [2, 4]] == 0).all()


def test_larger_quantiles_give_larger_values(prior):
    quantiles = torch.stack([torch.linspace(0, 1 - 1e-6, 50), torch.full((50,), 0.5)], dim=1)
    assert (prior.states(quantiles)[:, 1].int().diff() >= 0).all()


def test_the_negative_log_likelihood_is_the_mean_over_states(prior):
    ram = played(20)
    each = torch.stack([prior.negative_log_likelihood(state[None]) for state in ram])
    torch.testing.assert_close(prior.negative_log_likelihood(ram), each.mean())


def test_an_unknown_value_counts_as_the_next_lower_one(prior):
    unseen = torch.tensor([[77, 50, 0, 7, 0], [77, 1, 0, 255, 0]], dtype=torch.uint8)
    known = torch.tensor([[77, 9, 0, 7, 0], [77, 3, 0, 20, 0]], dtype=torch.uint8)
    torch.testing.assert_close(
        prior.negative_log_likelihood(unseen), prior.negative_log_likelihood(known)
    )


def test_constant_ram_needs_no_quantiles():
    prior = StatePrior(3)
    prior.fit(torch.full((8, 3), 5, dtype=torch.uint8))
    assert prior.num_quantiles == 0
    assert prior.negative_log_likelihood(torch.full((2, 3), 5, dtype=torch.uint8)) == 0
    assert (prior.states(torch.zeros(2, 0)) == 5).all()


def test_a_loaded_prior_draws_the_same_states(prior):
    again = StatePrior(5, width=16)
    again.load_state_dict(prior.state_dict())
    quantiles = torch.rand(50, 2)
    assert torch.equal(again.states(quantiles), prior.states(quantiles))
