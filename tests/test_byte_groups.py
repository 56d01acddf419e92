"""Bytes of memory that go together are told as one code."""

import numpy as np
import pytest
import torch

from atarigan.models.state.byte_groups import ByteGroups, groups_of
from atarigan.models.state.state_prior import StatePrior


def memory(num=2000):
    """A place in byte 6, its copy in 2, a half of it in 4 that now and then lags, two coins in 5
    and 7, another place in 1.
    """
    rng = np.random.default_rng(0)
    place = rng.integers(0, 100, num)
    ram = np.zeros((num, 9), np.uint8)
    ram[:, 6], ram[:, 2] = place, 200 - place
    ram[:, 4] = (place - (rng.random(num) < 0.1)).clip(0) // 2
    ram[:, 5], ram[:, 7] = rng.integers(0, 2, (2, num))
    ram[:, 1] = rng.integers(0, 80, num)
    ram[:, 3] = 9
    return torch.from_numpy(ram)


@pytest.fixture(scope="module")
def groups():
    found = ByteGroups(9)
    found.fit(memory())
    return found


def test_copies_are_one_group_and_few_values_are_another():
    assert groups_of(memory()) == [(2, 6), (1,), (4,), (5, 7)]


def test_bytes_whose_combinations_were_hardly_seen_stay_apart():
    rng = np.random.default_rng(0)
    ram = torch.from_numpy(rng.integers(0, 8, (150, 2)).astype(np.uint8))
    assert groups_of(ram) == [(0,), (1,)]
    assert groups_of(ram.repeat(10, 1)) == [(0, 1)]


def test_a_group_has_no_more_bytes_than_a_key_holds():
    ram = torch.arange(50, dtype=torch.uint8)[:, None].repeat(4, 20)
    lengths = [len(group) for group in groups_of(ram)]
    assert sum(lengths) == 20
    assert max(lengths) <= 7


@pytest.mark.parametrize("num", [1, 2])
def test_a_memory_at_rest_has_no_groups(num):
    ram, found = torch.full((num, 4), 3, dtype=torch.uint8), ByteGroups(4)
    found.fit(ram)
    assert len(found) == 0
    assert torch.equal(found.memory(found.codes(ram)), ram)


def test_codes_stand_for_the_memory_that_they_are_of(groups):
    ram = memory()
    codes = groups.codes(ram)
    assert torch.equal(groups.memory(codes), ram)
    assert codes.max(0).values.tolist() == [size - 1 for size in groups.sizes.tolist()]


def test_codes_ascend_with_the_values_of_a_place(groups):
    codes = torch.zeros(80, 4, dtype=torch.int64)
    codes[:, 1] = torch.arange(80)
    assert (groups.memory(codes)[:, 1].int().diff() > 0).all()


def test_a_combination_that_never_occurred_counts_as_the_next_lower_one(groups):
    ram = memory()[:1].repeat(2, 1)
    ram[:, 6] = torch.tensor([50, 0])
    ram[:, 2] = torch.tensor([255, 0])
    found = groups.memory(groups.codes(ram))
    assert found[:, 6].tolist() == [50, 0]
    assert found[:, 2].tolist() == [150, 200]


def test_the_most_frequent_codes_are_kept_where_there_are_too_many():
    low = torch.arange(256).repeat_interleave(40)
    high = torch.cat([torch.zeros(len(low) - 100), torch.ones(100)])
    ram = torch.stack([low, high], dim=1).to(torch.uint8)
    found = ByteGroups(2)
    found.fit(ram)
    assert max(found.sizes.tolist()) <= 256
    assert (found.memory(found.codes(ram)) == ram).all(1).float().mean() > 0.98


def test_drawn_states_do_not_contradict_themselves():
    torch.manual_seed(0)
    ram, prior = memory(), StatePrior(9, width=8)
    prior.fit(ram)
    with torch.no_grad():
        drawn = prior.states(torch.rand(500, prior.num_numbers)).int()
    assert torch.equal(drawn[:, 6], 200 - drawn[:, 2])
    lag = drawn[:, 6] // 2 - drawn[:, 4]
    assert ((lag == 0) | (lag == 1)).float().mean() > 0.9
    assert len(drawn[:, 6].unique()) > 50
