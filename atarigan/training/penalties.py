"""Gradient penalties of the critic, and constraints on its weights.

A gradient penalty chooses points and gives the norm of the critic's gradient there a cost. Norms
are Euclidean, over all dimensions but the batch. A constraint changes the critic itself, once at
the beginning or after each update.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from atarigan.config.registry import Registry

Samples = Float[Tensor, "batch *sample"]
Points = Float[Tensor, "points *sample"]
Norms = Float[Tensor, " points"]
Scalar = Float[Tensor, ""]
CriticFunction = Callable[[Tensor], Tensor]
CLIP = 0.01


class Penalty:
    """No penalty and no constraint."""

    has_gradient_term = False

    def prepare(self, critic: nn.Module) -> nn.Module:
        """Return the critic to train, made from a fresh one; called once."""
        return critic

    def constrain(self, critic: nn.Module) -> None:
        """Limit the critic's weights; called after each of its updates."""

    def points(self, real: Samples, fake: Samples, rng: torch.Generator) -> Points:
        """Return the points, made from a batch of real and one of fake samples."""
        return real

    def cost(self, norms: Norms) -> Scalar:
        """Return the cost of gradients with these norms, before the penalty's weight."""
        return norms.new_zeros(())


PENALTIES: Registry[type[Penalty]] = Registry("penalty")
PENALTIES.register("none")(Penalty)


@PENALTIES.register("gradient")
class GradientPenalty(Penalty):
    """E (|grad D(x)| - 1)^2 at x between real and fake (Gulrajani et al. 2017).

    arXiv:1704.00028, eq. 3.
    Each x lies between a real and a fake sample, at a position drawn from U[0, 1).
    """

    has_gradient_term = True

    def points(self, real: Samples, fake: Samples, rng: torch.Generator) -> Points:
        return torch.lerp(real, fake, _one_each(real, rng))

    def cost(self, norms: Norms) -> Scalar:
        return (norms - 1).square().mean()


@PENALTIES.register("dragan")
class Dragan(GradientPenalty):
    """The same cost around the data (Kodali et al. 2017, arXiv:1705.07215, algorithm 1).

    x = real + a · ½ std(real) · u with a from U[0, 1) for each sample and u from U[0, 1) for each
    number, as in the authors' code; std is that of the whole batch.
    """

    def points(self, real: Samples, fake: Samples, rng: torch.Generator) -> Points:
        spread = torch.rand(real.shape, generator=rng, device=real.device, dtype=real.dtype)
        return real + _one_each(real, rng) * 0.5 * real.std() * spread


@PENALTIES.register("r1")
class R1(Penalty):
    """½ E |grad D(x)|^2 at real samples (Mescheder et al. 2018, arXiv:1801.04406, eq. 9)."""

    has_gradient_term = True

    def cost(self, norms: Norms) -> Scalar:
        return norms.square().mean() / 2


@PENALTIES.register("r1r2")
class R1R2(R1):
    """½ E |grad D(x)|^2 at real plus the same at fake samples (Huang et al. 2025).

    arXiv:2501.05441, section 2.1; the two means are taken as one over both batches, twice.
    """

    def points(self, real: Samples, fake: Samples, rng: torch.Generator) -> Points:
        return torch.cat([real, fake])

    def cost(self, norms: Norms) -> Scalar:
        return norms.square().mean()


@PENALTIES.register("clip")
class WeightClipping(Penalty):
    """Every weight kept within ±0.01 (Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1)."""

    @torch.no_grad()
    def constrain(self, critic: nn.Module) -> None:
        for weight in critic.parameters():
            weight.clamp_(-CLIP, CLIP)


@PENALTIES.register("spectral")
class SpectralNormalization(Penalty):
    """Every layer divided by its largest singular value (Miyato et al. 2018).

    arXiv:1802.05957, eq. 8.
    """

    def prepare(self, critic: nn.Module) -> nn.Module:
        for module in list(critic.modules()):
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                spectral_norm(module)
        return critic


def gradient_norms(critic: CriticFunction, points: Points) -> Norms:
    """Norm of the critic's gradient at each point, (N,). Its derivative is finite at zero too."""

    def total(samples: Tensor) -> Tensor:
        return critic(samples).sum()

    gradients: Tensor = torch.func.grad(total)(points)
    return (gradients.flatten(1).square().sum(1) + 1e-12).sqrt()


def _one_each(samples: Samples, rng: torch.Generator) -> Tensor:
    """A number from U[0, 1) for each sample, in a shape that broadcasts over it."""
    shape = (len(samples), *[1] * (samples.ndim - 1))
    return torch.rand(shape, generator=rng, device=samples.device, dtype=samples.dtype)
