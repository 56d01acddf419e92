"""Bytes of RAM that depend on each other have one code."""

import numpy as np
import pytest
import torch

from atarigan.models.packed_weights import dequantized, quantized
from atarigan.models.state.byte_groups import ByteGroups, groups_of
from atarigan.models.state.state_prior import StatePrior


def example_ram(num=2000):
    """RAM with a coordinate in byte 6, a copy of it in 2, half of it in 4, sometimes a step behind,
    coin flips in 5 and 7, and another coordinate in 1.
    """
    rng = np.random.default_rng(0)
    position = rng.integers(0, 100, num)
    ram = np.zeros((num, 9), np.uint8)
    ram[:, 6], ram[:, 2] = position, 200 - position
    ram[:, 4] = (position - (rng.random(num) < 0.1)).clip(0) // 2
    ram[:, 5], ram[:, 7] = rng.integers(0, 2, (2, num))
    ram[:, 1] = rng.integers(0, 80, num)
    ram[:, 3] = 9
    return torch.from_numpy(ram)


@pytest.fixture(scope="module")
def groups():
    found = ByteGroups(9)
    found.fit(example_ram())
    return found


def test_copies_form_a_group_and_so_do_bytes_of_few_values():
    assert groups_of(example_ram()) == [(2, 6), (1,), (4,), (5, 7)]


def test_bytes_with_many_unseen_combinations_are_not_joined():
    rng = np.random.default_rng(0)
    ram = torch.from_numpy(rng.integers(0, 8, (150, 2)).astype(np.uint8))
    assert groups_of(ram) == [(0,), (1,)]
    assert groups_of(ram.repeat(10, 1)) == [(0, 1)]


def test_a_group_has_at_most_7_bytes():
    ram = torch.arange(50, dtype=torch.uint8)[:, None].repeat(4, 20)
    lengths = [len(group) for group in groups_of(ram)]
    assert sum(lengths) == 20
    assert max(lengths) <= 7


@pytest.mark.parametrize("num", [1, 2])
def test_constant_ram_has_no_groups(num):
    ram, found = torch.full((num, 4), 3, dtype=torch.uint8), ByteGroups(4)
    found.fit(ram)
    assert len(found) == 0
    assert torch.equal(found.ram(found.codes(ram)), ram)


def test_decoded_codes_give_the_ram_back(groups):
    ram = example_ram()
    codes = groups.codes(ram)
    assert torch.equal(groups.ram(codes), ram)
    assert codes.max(0).values.tolist() == [size - 1 for size in groups.sizes.tolist()]


def test_codes_ascend_with_values(groups):
    codes = torch.zeros(80, 4, dtype=torch.int64)
    codes[:, 1] = torch.arange(80)
    assert (groups.ram(codes)[:, 1].int().diff() > 0).all()


def test_an_unknown_combination_has_the_code_of_the_next_lower_one(groups):
    ram = example_ram()[:1].repeat(2, 1)
    ram[:, 6] = torch.tensor([50, 0])
    ram[:, 2] = torch.tensor([255, 0])
    found = groups.ram(groups.codes(ram))
    assert found[:, 6].tolist() == [50, 0]
    assert found[:, 2].tolist() == [150, 200]


def test_the_most_frequent_of_too_many_combinations_are_kept():
    low = torch.arange(256).repeat_interleave(40)
    high = torch.cat([torch.zeros(len(low) - 100), torch.ones(100)])
    ram = torch.stack([low, high], dim=1).to(torch.uint8)
    found = ByteGroups(2)
    found.fit(ram)
    assert max(found.sizes.tolist()) <= 256
    assert (found.ram(found.codes(ram)) == ram).all(1).float().mean() > 0.98


def test_bytes_of_drawn_states_do_not_contradict_each_other():
    torch.manual_seed(0)
    ram, prior = example_ram(), StatePrior(9, width=8)
    prior.fit(ram)
    with torch.no_grad():
        drawn = prior.states(torch.rand(500, prior.num_quantiles)).int()
    assert torch.equal(drawn[:, 6], 200 - drawn[:, 2])
    lag = drawn[:, 6] // 2 - drawn[:, 4]
    assert ((lag == 0) | (lag == 1)).float().mean() > 0.9
    assert len(drawn[:, 6].unique()) > 50


def test_keys_that_fit_into_16_bits_are_read_back_from_a_packed_file():
    ram = torch.tensor([[value % 40, 7, value % 3] for value in range(100)], dtype=torch.uint8)
    groups, again = ByteGroups(3), ByteGroups(3)
    groups.fit(ram)
    packed = quantized(groups.state_dict())
    assert packed["keys"].dtype == torch.int16
    ByteGroups(3).load_state_dict(dequantized(packed), assign=True)  # loading tries this first
    again.load_state_dict(dequantized(packed))
    assert torch.equal(again.codes(ram), groups.codes(ram))
    assert torch.equal(again.ram(again.codes(ram)), ram)
