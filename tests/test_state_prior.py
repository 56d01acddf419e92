"""A distribution over states of memory is learned, and numbers determine states of it."""

import itertools

import numpy as np
import pytest
import torch

from atarigan.models.state.state_prior import StatePrior

FIRST, SECOND = [3, 9, *range(100, 120)], [7, 11, 12, 20]  # together too many to be one group


def played(num):
    """Memory in which byte 1 is drawn, byte 3 follows from it, and the others rest."""
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
    """All combinations of occurring values."""
    pairs = list(itertools.product(FIRST, SECOND))
    ram = torch.tensor([[77, first, 0, second, 0] for first, second in pairs], dtype=torch.uint8)
    return ram, torch.stack([-prior.negative_log_likelihood(each[None]) for each in ram]).exp()


def test_probabilities_of_all_states_sum_to_one(prior):
    _, probabilities = every_state(prior)
    assert probabilities.sum().item() == pytest.approx(1, rel=1e-5)


def test_it_learns_which_bytes_go_together(prior):
    ram, probabilities = every_state(prior)
    real = played(4000)
    for state, probability in zip(ram, probabilities, strict=True):
        frequency = (real == state).all(1).float().mean().item()
        assert probability.item() == pytest.approx(frequency, abs=0.02)


def test_even_numbers_give_states_as_often_as_they_are_likely(prior):
    steps = (torch.arange(100) + 0.5) / 100
    numbers = torch.cartesian_prod(steps, steps)
    drawn = prior.states(numbers)
    ram, probabilities = every_state(prior)
    for state, probability in zip(ram, probabilities, strict=True):
        share = (drawn == state).all(1).float().mean().item()
        assert share == pytest.approx(probability.item(), abs=0.012)
    assert (drawn[:, 0] == 77).all()
    assert (drawn[:, [2, 4]] == 0).all()


def test_larger_numbers_give_larger_values(prior):
    numbers = torch.stack([torch.linspace(0, 1 - 1e-6, 50), torch.full((50,), 0.5)], dim=1)
    assert (prior.states(numbers)[:, 1].int().diff() >= 0).all()


def test_the_mean_surprise_is_that_of_each_state(prior):
    ram = played(20)
    each = torch.stack([prior.negative_log_likelihood(state[None]) for state in ram])
    torch.testing.assert_close(prior.negative_log_likelihood(ram), each.mean())


def test_a_value_that_never_occurred_counts_as_the_next_lower_one(prior):
    unseen = torch.tensor([[77, 50, 0, 7, 0], [77, 1, 0, 255, 0]], dtype=torch.uint8)
    known = torch.tensor([[77, 9, 0, 7, 0], [77, 3, 0, 20, 0]], dtype=torch.uint8)
    torch.testing.assert_close(
        prior.negative_log_likelihood(unseen), prior.negative_log_likelihood(known)
    )


def test_memory_that_stands_still_needs_no_numbers():
    prior = StatePrior(3)
    prior.fit(torch.full((8, 3), 5, dtype=torch.uint8))
    assert prior.num_numbers == 0
    assert prior.negative_log_likelihood(torch.full((2, 3), 5, dtype=torch.uint8)) == 0
    assert (prior.states(torch.zeros(2, 0)) == 5).all()


def test_a_loaded_state_draws_the_same(prior):
    again = StatePrior(5, width=16)
    again.load_state_dict(prior.state_dict())
    numbers = torch.rand(50, 2)
    assert torch.equal(again.states(numbers), prior.states(numbers))
