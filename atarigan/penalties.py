"""Gradient penalties: what keeps a critic smooth, as pure functions.

A penalty takes the critic as a function of samples (B, …) to logits (B,), a batch of real and one
of generated samples, and for each pair a number alpha in [0, 1], (B,). It returns a scalar that can
be differentiated by the critic's weights. Gradient norms run over all dimensions but the batch's.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from atarigan.registry import Registry

Samples = Float[Tensor, "batch *sample"]
CriticFunction = Callable[[Tensor], Tensor]


class Penalty(Protocol):
    """One term of the critic's loss, before its weight."""

    def __call__(
        self,
        critic: CriticFunction,
        real: Samples,
        fake: Samples,
        alpha: Float[Tensor, " batch"],
    ) -> Float[Tensor, ""]: ...


PENALTIES: Registry[Penalty] = Registry("penalty")


@PENALTIES.register("none")
def no_penalty(critic: CriticFunction, real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """No penalty."""
    return real.new_zeros(())


@PENALTIES.register("gradient")
def gradient_penalty(critic: CriticFunction, real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """E (|grad D(x)| - 1)^2 at points x between a real and a fake sample (Gulrajani et al. 2017,
    arXiv:1704.00028, eq. 3).
    """
    alpha = alpha.view(-1, *[1] * (real.ndim - 1))
    return (_gradient_norms(critic, torch.lerp(real, fake, alpha)) - 1).square().mean()


@PENALTIES.register("r1")
def r1_penalty(critic: CriticFunction, real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """½ E |grad D|^2 at real samples (Mescheder et al. 2018, arXiv:1801.04406, eq. 9)."""
    return _gradient_norms(critic, real).square().mean() / 2


@PENALTIES.register("r1r2")
def r1r2_penalty(critic: CriticFunction, real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """½ E |grad D|^2 at real and at fake samples, added (Huang et al. 2025, arXiv:2501.05441, sec.
    2.1).
    """
    norms = _gradient_norms(critic, torch.cat([real, fake]))
    return norms.square().mean()


def _gradient_norms(critic: CriticFunction, samples: Tensor) -> Tensor:
    """Euclidean norm of each sample's gradient, (B,); finite derivative where a gradient is all
    zeros.
    """

    def total(points: Tensor) -> Tensor:
        return critic(points).sum()

    gradients: Tensor = torch.func.grad(total)(samples)
    return (gradients.flatten(1).square().sum(1) + 1e-12).sqrt()
