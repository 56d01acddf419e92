"""Numbers of states between the knots that are found in data, and distributions over them."""

import copy

import numpy as np
import pytest
import torch

from atarigan.models.state.vector_bins import VectorBins
from atarigan.models.state.vector_encoder import VectorEncoder
from atarigan.models.state.vector_prior import VectorPrior


def states(num: int = 4000) -> torch.Tensor:
    """A skewed number, an angle, a flag, and a constant."""
    rng = np.random.default_rng(0)
    columns = [rng.exponential(2.0, num), rng.uniform(-3, 3, num), rng.integers(2, size=num)]
    return torch.from_numpy(np.stack([*columns, np.full(num, 7.0)], axis=1).astype(np.float32))


def test_hats_interpolate_between_the_two_knots_around_a_number() -> None:
    bins = VectorBins(4, 16)
    bins.fit(states())
    hats = bins.hats(states(50))
    assert hats.shape == (50, 3, 16)
    torch.testing.assert_close(hats.sum(2), torch.ones(50, 3))
    assert int((hats > 1e-6).sum(2).max()) <= 2
    found = (hats * bins.knots.float()).sum(2)
    torch.testing.assert_close(found, states(50)[:, :3], atol=1e-4, rtol=1e-4)


def test_numbers_outside_of_the_data_are_clipped() -> None:
    bins = VectorBins(4, 16)
    bins.fit(states())
    far = torch.tensor([[1e4, -9.0, 2.0, 7.0], [-5.0, 9.0, -1.0, 8.0]])
    ends = (bins.hats(far) * bins.knots.float()).sum(2)
    torch.testing.assert_close(ends[0], bins.knots[[0, 1, 2], [15, 0, 15]].float())
    assert bins.is_outside(far).tolist() == [[True, True, True, False], [True, True, True, True]]
    assert not bins.is_outside(states()).any()


def test_few_values_are_their_own_knots() -> None:
    bins = VectorBins(4, 16)
    bins.fit(states())
    flag = bins.hats(states(50))[:, 2]
    assert (flag.max(1).values == 1).all()  # no value lies between two knots
    assert bins.knots[2].unique().tolist() == [0, 1]


def test_states_that_never_vary_have_no_numbers() -> None:
    bins = VectorBins(2, 16)
    bins.fit(torch.ones(5, 2))
    assert len(bins) == 0
    assert bins.hats(torch.ones(3, 2)).shape == (3, 0, 16)
    assert bins.states(torch.zeros(3, 2, dtype=torch.uint8)).tolist() == [[1, 1]] * 3


def test_an_encoder_is_restored_and_clips() -> None:
    torch.manual_seed(0)
    encoder = VectorEncoder(4, 8)
    encoder.fit(states())
    for rows in encoder.rows:
        torch.nn.init.normal_(rows.table)
    restored = VectorEncoder(4, 8)
    restored.load_state_dict(copy.deepcopy(encoder.state_dict()))
    given = states(20)
    torch.testing.assert_close(restored(given), encoder(given))
    assert restored(given.clone().fill_(7.0)).isfinite().all()


@pytest.mark.parametrize("spoil", [lambda knots: knots * torch.nan, lambda knots: knots.flip(1)])
def test_damaged_knots_are_refused(spoil) -> None:
    bins = VectorBins(4, 16)
    bins.fit(states())
    stored = bins.state_dict()
    stored["knots"] = spoil(stored["knots"])
    with pytest.raises(ValueError, match="knots must be finite and ascending"):
        VectorBins(4, 16).load_state_dict(stored)


def test_drawn_states_are_like_those_of_the_data() -> None:
    torch.manual_seed(0)
    data = states()
    data[:, 1] = data[:, 0] * 0.5 - 1  # numbers that depend on each other
    prior = VectorPrior(4)
    prior.fit(data)
    drawn = prior.states(torch.rand(500, prior.num_quantiles))
    assert (drawn[:, 3] == 7).all()
    assert set(drawn[:, 2].tolist()) == {0, 1}
    assert float(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) > 0.9
    assert not VectorBins.is_outside(prior.bins, drawn).any()


def test_numbers_are_spread_over_their_range_and_beyond_it() -> None:
    bins = VectorBins(4, 16)
    bins.fit(states())
    bins.knots[1, 0], bins.knots[1, -1] = -3.0, 3.0
    bins.load_state_dict(bins.state_dict())
    numbers = torch.tensor([[1.0, -3.0, 0.0, 7.0], [1.0, 4.5, 1.0, 7.5], [1.0, 1e30, 1.0, 7.0]])
    assert bins.spread(numbers)[:, 1:].tolist() == [[-2, -2, 0], [3, 2, 0], [4, 2, 0]]
