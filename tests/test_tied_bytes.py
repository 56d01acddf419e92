"""Which bytes of memory go together."""

import numpy as np
import pytest
import torch

from atarigan.networks.state_prior import StatePrior
from atarigan.networks.tied_bytes import TiedBytes


def memory(num=2000):
    """A place in byte 6, its copy in 2, a half of it in 4 that now and then lags, a coin in 5."""
    rng = np.random.default_rng(0)
    place = rng.integers(0, 100, num)
    ram = np.zeros((num, 8), np.uint8)
    ram[:, 6], ram[:, 2] = place, 200 - place
    ram[:, 4] = (place - (rng.random(num) < 0.1)).clip(0) // 2
    ram[:, 5] = rng.integers(0, 2, num)
    return torch.from_numpy(ram)


def test_copies_follow_and_the_rest_is_tied_to_what_says_most_about_it():
    tied = TiedBytes.of(memory())
    assert tied.free == [2, 4, 5]
    assert tied.leaders == {6: 2}
    assert tied.parents[:2] == [0, 0]


@pytest.mark.parametrize("num", [1, 2])
def test_a_memory_at_rest_has_no_ties(num):
    assert TiedBytes.of(torch.zeros(num, 4, dtype=torch.uint8)) == TiedBytes([], [], {})


def test_drawn_states_do_not_contradict_themselves():
    torch.manual_seed(0)
    ram, prior = memory(), StatePrior(8, width=8)
    prior.start_from(ram)
    with torch.no_grad():
        drawn = prior.states(torch.rand(500, prior.num_numbers)).int()
    assert torch.equal(drawn[:, 6], 200 - drawn[:, 2])
    lag = drawn[:, 6] // 2 - drawn[:, 4]
    assert ((lag == 0) | (lag == 1)).float().mean() > 0.9
    assert len(drawn[:, 6].unique()) > 50
