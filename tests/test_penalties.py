"""Every penalty is held to its formula in float64 on a critic whose gradient is known."""

import pytest
import torch
from torch import nn

from atarigan.training.penalties import PENALTIES, gradient_norms


class Quadratic(nn.Module):
    """D(x) = ½ a |x|^2, so that grad D(x) = a x."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.7, dtype=torch.float64))

    def forward(self, samples):
        return self.a * samples.flatten(1).square().sum(1) / 2


def norms(x):
    return x.flatten(1).square().sum(1).sqrt()


def seeded():
    return torch.Generator().manual_seed(3)


def formula(name, a, real, fake):
    """As the papers write it, with the random numbers of a generator seeded like the penalty's."""
    rng, shape = seeded(), (len(real), 1, 1, 1)
    if name == "gradient":
        alpha = torch.rand(shape, generator=rng, dtype=torch.float64)
        return ((a * norms((1 - alpha) * real + alpha * fake) - 1) ** 2).mean()
    if name == "dragan":
        u = torch.rand(real.shape, generator=rng, dtype=torch.float64)
        alpha = torch.rand(shape, generator=rng, dtype=torch.float64)
        return ((a * norms(real + alpha * 0.5 * real.std() * u) - 1) ** 2).mean()
    of_real, of_fake = (((a * norms(batch)) ** 2).mean() / 2 for batch in (real, fake))
    return {"r1": of_real, "r1r2": of_real + of_fake}[name]


def penalty_of(name, critic, batch):
    penalty = PENALTIES[name]()
    return penalty.cost(gradient_norms(critic, penalty.points(*batch, seeded())))


GRADIENT_PENALTIES = [name for name in PENALTIES if PENALTIES[name].has_gradient_term]


@pytest.fixture
def batch():
    return torch.randn(2, 5, 3, 4, 2, dtype=torch.float64).unbind()


@pytest.mark.parametrize("name", GRADIENT_PENALTIES)
def test_value_and_derivative_equal_the_formula(name, batch):
    critic = Quadratic()
    value = penalty_of(name, critic, batch)
    a = critic.a.detach().clone().requires_grad_()
    expected = formula(name, a, *batch)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(critic.a.grad, a.grad)


@pytest.mark.parametrize("name", GRADIENT_PENALTIES)
def test_weights_get_the_gradient_that_finite_differences_give(name, batch):
    critic = nn.Sequential(nn.Flatten(), nn.Linear(24, 2), nn.Tanh(), nn.Linear(2, 1)).double()
    weight = critic[1].weight

    def value_at(weights):
        def run(samples):
            parameters = dict(critic.named_parameters()) | {"1.weight": weights}
            return torch.func.functional_call(critic, parameters, samples)[:, 0]

        return penalty_of(name, run, batch)

    assert torch.autograd.gradcheck(value_at, weight.detach().clone().requires_grad_())


@pytest.mark.parametrize("name", GRADIENT_PENALTIES)
def test_a_flat_critic_has_finite_derivatives(name, batch):
    critic = nn.Sequential(nn.Flatten(), nn.Linear(24, 1)).double()
    nn.init.zeros_(critic[1].weight)
    penalty_of(name, lambda x: critic(x)[:, 0], batch).backward()
    assert critic[1].weight.grad.isfinite().all()


def test_clipping_bounds_every_weight():
    critic = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(4, 2))
    PENALTIES["clip"]().constrain(critic)
    assert all(weight.abs().max() <= 0.01 for weight in critic.parameters())
    assert max(weight.abs().max().item() for weight in critic.parameters()) == pytest.approx(0.01)


def test_spectral_normalization_makes_the_largest_singular_value_one():
    critic = PENALTIES["spectral"]().prepare(
        nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    )
    for _ in range(200):  # one power iteration a forward pass
        critic(torch.randn(2, 6))
    for layer in (critic[0], critic[2]):
        assert torch.linalg.svdvals(layer.weight)[0].item() == pytest.approx(1, abs=1e-3)
