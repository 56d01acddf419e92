"""Every objective is held to its formula in float64, and pulls both networks the right way."""

import pytest
import torch
from torch import Tensor

from atarigan.objectives import OBJECTIVES


def log_sigmoid(x: Tensor) -> Tensor:
    return torch.log(1 / (1 + torch.exp(-x)))


# name: (critic loss, generator loss) as the papers write them, of D(real) and D(fake)
FORMULAS = {
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    "sigmoid_wasserstein": (
        lambda r, f: torch.sigmoid(f).mean() - torch.sigmoid(r).mean(),
        lambda r, f: -torch.sigmoid(f).mean(),
    ),
    "minimax": (
        lambda r, f: -log_sigmoid(r).mean() - torch.log(1 - torch.sigmoid(f)).mean(),
        lambda r, f: torch.log(1 - torch.sigmoid(f)).mean(),
    ),
    "least_squares": (
        lambda r, f: 0.5 * ((r - 1) ** 2).mean() + 0.5 * (f**2).mean(),
        lambda r, f: 0.5 * ((f - 1) ** 2).mean(),
    ),
    "non_saturating": (
        lambda r, f: -log_sigmoid(r).mean() - torch.log(1 - torch.sigmoid(f)).mean(),
        lambda r, f: -log_sigmoid(f).mean(),
    ),
    "hinge": (
        lambda r, f: (1 - r).clamp(min=0).mean() + (1 + f).clamp(min=0).mean(),
        lambda r, f: -f.mean(),
    ),
    "relativistic": (
        lambda r, f: -log_sigmoid(r - f).mean(),
        lambda r, f: -log_sigmoid(f - r).mean(),
    ),
}


@pytest.fixture
def logits() -> tuple[Tensor, Tensor]:
    return torch.randn(2, 16, dtype=torch.float64).unbind()


def test_every_objective_has_a_formula_here():
    assert set(FORMULAS) == set(OBJECTIVES)


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_losses_equal_the_formula(name, logits):
    real, fake = logits
    objective = OBJECTIVES[name]()
    critic_formula, generator_formula = FORMULAS[name]
    torch.testing.assert_close(objective.critic_loss(real, fake), critic_formula(real, fake))
    torch.testing.assert_close(objective.generator_loss(fake, real), generator_formula(real, fake))


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_gradients_equal_finite_differences(name, logits):
    real, fake = (part.clone().requires_grad_() for part in logits)
    objective = OBJECTIVES[name]()
    assert torch.autograd.gradcheck(objective.critic_loss, (real, fake))
    assert torch.autograd.gradcheck(lambda f: objective.generator_loss(f, real.detach()), (fake,))


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_the_two_networks_pull_apart(name):
    real = torch.full((4,), 0.5, dtype=torch.float64, requires_grad=True)
    fake = torch.full((4,), 0.5, dtype=torch.float64, requires_grad=True)
    objective = OBJECTIVES[name]()
    by_real, by_fake = torch.autograd.grad(objective.critic_loss(real, fake), (real, fake))
    assert (by_real < 0).all()
    assert (by_fake > 0).all()
    (by_fake,) = torch.autograd.grad(objective.generator_loss(fake, real), (fake,))
    assert (by_fake < 0).all()
