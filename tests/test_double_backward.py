"""Layers with a cheap second derivative equal torch.nn's in value and every derivative."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from atarigan.training.double_backward import Conv2d, LeakyReLU, use_double_backward_layers
from atarigan.training.penalties import PENALTIES, gradient_norms

GEOMETRIES = {
    "strided": (2, 4, 3, 2, 1),
    "unequal sides": (2, 4, (3, 5), (1, 2), (0, 2)),
    "what stride leaves over": (1, 2, 6, 4, 0),
    "dilated": (2, 2, 3, 1, 2, 2),
    "in groups": (2, 4, 3, 1, 1, 1, 2),
}


@pytest.mark.parametrize(
    ("name", "bias"), [*((name, True) for name in GEOMETRIES), ("strided", False)]
)
def test_first_and_second_derivatives_of_convolutions_by_finite_differences(name, bias):
    geometry: Any = GEOMETRIES[name]
    layer = Conv2d(*geometry, bias=bias).double()
    samples = torch.randn(1, geometry[0], 6, 7, dtype=torch.float64, requires_grad=True)
    theirs = nn.Conv2d(*geometry, bias=bias).double()
    theirs.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(samples), theirs(samples))
    parameters = dict(layer.named_parameters())

    def function(samples, *values):
        named = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(layer, named, (samples,))

    assert torch.autograd.gradcheck(function, (samples, *parameters.values()))
    assert torch.autograd.gradgradcheck(function, (samples, *parameters.values()))


def test_first_and_second_derivatives_of_leaky_relu_by_finite_differences():
    features = torch.randn(3, 7, dtype=torch.float64, requires_grad=True)
    layer = LeakyReLU(0.2)
    torch.testing.assert_close(layer(features), nn.functional.leaky_relu(features, 0.2))
    assert torch.autograd.gradcheck(layer, (features,))
    assert torch.autograd.gradgradcheck(layer, (features,))


def small_critic(padding_mode="zeros"):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1, padding_mode=padding_mode),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4, 8, 3, padding="same"),
        nn.LeakyReLU(0.1),
        nn.Flatten(),
        nn.Linear(8 * 5 * 6, 1),
    ).double()


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
def test_a_penalty_is_what_it_is_with_torchs_own_layers(padding_mode):
    theirs = small_critic(padding_mode)
    ours = copy.deepcopy(theirs)
    use_double_backward_layers(ours)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    points = torch.randn(3, 1, 10, 12, dtype=torch.float64)
    found = []
    for critic in (ours, theirs):
        cost = PENALTIES["gradient"]().cost(gradient_norms(critic, points))
        logits = critic(points).square().sum()
        parameters = list(critic.parameters())
        found.append(torch.autograd.grad(cost + logits, parameters, materialize_grads=True))
    torch.testing.assert_close(*found)


def test_autocast_takes_convolutions_to_bfloat16():
    critic = small_critic().float()
    use_double_backward_layers(critic)
    points = torch.randn(3, 1, 10, 12)
    with torch.autocast("cpu", torch.bfloat16):
        halves = critic(points)
    assert halves.dtype == torch.bfloat16
    halves.float().sum().backward()
    torch.testing.assert_close(halves.float(), critic(points), rtol=0.05, atol=0.05)
    assert all(weight.grad.dtype == torch.float32 for weight in critic.parameters())
