"""Every penalty is held to its formula in float64 on a critic whose gradient is known."""

import pytest
import torch
from torch import nn

from atarigan.penalties import PENALTIES


class Quadratic(nn.Module):
    """D(x) = ½ a |x|^2, so that grad D(x) = a x."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.7, dtype=torch.float64))

    def forward(self, samples):
        return self.a * samples.flatten(1).square().sum(1) / 2


def norms(x):
    return x.flatten(1).square().sum(1).sqrt()


def formula(name, a, real, fake, alpha):
    between = real + alpha.view(-1, 1, 1, 1) * (fake - real)
    return {
        "none": 0 * a,
        "gradient": ((a * norms(between) - 1) ** 2).mean(),
        "r1": ((a * norms(real)) ** 2).mean() / 2,
        "r1r2": ((a * norms(real)) ** 2).mean() / 2 + ((a * norms(fake)) ** 2).mean() / 2,
    }[name]


@pytest.fixture
def batch():
    real, fake = torch.randn(2, 5, 3, 4, 2, dtype=torch.float64)
    return real, fake, torch.rand(5, dtype=torch.float64)


@pytest.mark.parametrize("name", list(PENALTIES))
def test_value_and_derivative_equal_the_formula(name, batch):
    critic = Quadratic()
    value = PENALTIES[name](critic, *batch)
    a = critic.a.detach().clone().requires_grad_()
    expected = formula(name, a, *batch)
    torch.testing.assert_close(value, expected)
    if name == "none":
        return
    value.backward()
    expected.backward()
    torch.testing.assert_close(critic.a.grad, a.grad)


@pytest.mark.parametrize("name", ["gradient", "r1", "r1r2"])
def test_weights_get_the_gradient_that_finite_differences_give(name, batch):
    critic = nn.Sequential(nn.Flatten(), nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    weight = critic[1].weight

    def value_at(weights):
        def run(samples):
            parameters = dict(critic.named_parameters()) | {"1.weight": weights}
            return torch.func.functional_call(critic, parameters, samples)[:, 0]

        return PENALTIES[name](run, *batch)

    assert torch.autograd.gradcheck(value_at, weight.detach().clone().requires_grad_())


@pytest.mark.parametrize("name", ["gradient", "r1", "r1r2"])
def test_a_flat_critic_has_finite_derivatives(name, batch):
    critic = nn.Sequential(nn.Flatten(), nn.Linear(24, 1)).double()
    nn.init.zeros_(critic[1].weight)
    PENALTIES[name](lambda x: critic(x)[:, 0], *batch).backward()
    assert critic[1].weight.grad.isfinite().all()
