"""Every objective is held to its formula in float64, and pulls both networks the right way."""

from typing import Any

import pytest
import torch
from torch import Tensor

from atarigan.training.objectives import OBJECTIVES, pull_away


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
    "energy": (
        lambda r, f: r.mean() + (1 - f).clamp(min=0).mean(),
        lambda r, f: f.mean(),
    ),
    "began": (lambda r, f: r.mean() - 0.3 * f.mean(), lambda r, f: f.mean()),
    "relativistic": (
        lambda r, f: -log_sigmoid(r - f).mean(),
        lambda r, f: -log_sigmoid(f - r).mean(),
    ),
}


def objective_named(name):
    objective = OBJECTIVES[name]()
    if name == "began":
        objective.load_state_dict({"balance": torch.tensor(0.3, dtype=torch.float64)})
    return objective


@pytest.fixture
def logits() -> tuple[Tensor, ...]:
    return torch.randn(2, 16, dtype=torch.float64).unbind()


def test_every_objective_has_a_formula_here():
    assert set(FORMULAS) == set(OBJECTIVES)


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_losses_equal_the_formula(name, logits):
    real, fake = logits
    objective = objective_named(name)
    critic_formula, generator_formula = FORMULAS[name]
    torch.testing.assert_close(objective.critic_loss(real, fake), critic_formula(real, fake))
    torch.testing.assert_close(objective.generator_loss(fake, real), generator_formula(real, fake))


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_gradients_equal_finite_differences(name, logits):
    real, fake = (part.clone().requires_grad_() for part in logits)
    objective = objective_named(name)
    assert torch.autograd.gradcheck(objective.critic_loss, (real, fake))
    assert torch.autograd.gradcheck(lambda f: objective.generator_loss(f, real.detach()), (fake,))


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_the_two_networks_pull_apart(name):
    real = torch.full((4,), 0.5, dtype=torch.float64, requires_grad=True)
    fake = torch.full((4,), 0.5, dtype=torch.float64, requires_grad=True)
    objective = objective_named(name)
    sign = -1 if objective.needs_energy else 1  # real samples have low energy, but high logits
    by_real, by_fake = torch.autograd.grad(objective.critic_loss(real, fake), (real, fake))
    assert (sign * by_real < 0).all()
    assert (sign * by_fake > 0).all()
    (by_fake,) = torch.autograd.grad(objective.generator_loss(fake, real), (fake,))
    assert (sign * by_fake < 0).all()


def test_energy_margin_grows_with_the_batch():
    fake = torch.zeros(256)
    assert OBJECTIVES["energy"]().critic_loss(fake, fake).item() == 4


def test_began_balance_follows_the_paper():
    objective: Any = OBJECTIVES["began"]()
    balance = 0.0
    for real, fake in [(4.0, 1.0), (5.0, 0.5), (1.0, 9.0), (3.0, 0.25)]:
        objective.after_critic_step(torch.tensor([real]), torch.tensor([fake]))
        balance = min(max(balance + 0.001 * (0.5 * real - fake), 0.0), 1.0)
        assert objective.balance.item() == pytest.approx(balance, abs=1e-7)
    again: Any = OBJECTIVES["began"]()
    again.load_state_dict(objective.state_dict())
    assert again.balance == objective.balance


def test_pull_away_is_the_mean_squared_cosine_of_pairs():
    codes = torch.randn(5, 7, dtype=torch.float64)
    unit = codes / codes.norm(dim=1, keepdim=True)
    cosines = [(unit[i] @ unit[j]) ** 2 for i in range(5) for j in range(5) if i != j]
    torch.testing.assert_close(pull_away(codes), torch.stack(cosines).mean())
    assert pull_away(codes[:1]) == 0
    assert torch.autograd.gradcheck(pull_away, codes.requires_grad_())
