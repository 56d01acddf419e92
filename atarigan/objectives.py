"""Adversarial objectives: pure functions of critic outputs.

Every objective is a pair of losses to be minimised, functions of `real_logits` and `fake_logits`,
float (B,), the critic's raw outputs for a batch of real and of generated samples; each returns a
scalar. A generator's loss sees the real outputs too, for objectives that compare the two.
"""

from typing import Protocol

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import relu, softplus

from atarigan.registry import Registry

Logits = Float[Tensor, " batch"]
Loss = Float[Tensor, ""]


class Objective(Protocol):
    """Two losses."""

    generator_needs_real: bool

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        """What the critic minimises."""

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        """What the generator minimises; `real_logits` is None unless `generator_needs_real`."""


OBJECTIVES: Registry[type[Objective]] = Registry("objective")


@OBJECTIVES.register("wasserstein")
class Wasserstein:
    """Earth mover's distance: E D(fake) - E D(real) (Arjovsky et al. 2017, arXiv:1701.07875, eq.
    2).
    """

    generator_needs_real = False

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return fake_logits.mean() - real_logits.mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return -fake_logits.mean()


@OBJECTIVES.register("sigmoid_wasserstein")
class SigmoidWasserstein:
    """Wasserstein's losses of sigmoid(logit), bounded by 0 and 1: a published variant, not a
    distance.

    E sigmoid(D(fake)) - E sigmoid(D(real)).
    """

    generator_needs_real = False

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return fake_logits.sigmoid().mean() - real_logits.sigmoid().mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return -fake_logits.sigmoid().mean()


@OBJECTIVES.register("minimax")
class Minimax:
    """Cross-entropy; the generator minimizes log(1 - D(fake)) (Goodfellow et al. 2014, eq. 1).

    arXiv:1406.2661. With D = sigmoid(logit), log(1 - D) = -softplus(logit).
    """

    generator_needs_real = False

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return softplus(-real_logits).mean() + softplus(fake_logits).mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return -softplus(fake_logits).mean()


@OBJECTIVES.register("least_squares")
class LeastSquares:
    """½ E (D(real) - 1)^2 + ½ E D(fake)^2 (Mao et al. 2017, arXiv:1611.04076, eq. 9)."""

    generator_needs_real = False

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return (real_logits - 1).square().mean() / 2 + fake_logits.square().mean() / 2

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return (fake_logits - 1).square().mean() / 2


@OBJECTIVES.register("non_saturating")
class NonSaturating:
    """Cross-entropy; the generator maximises log D(fake) (Goodfellow et al. 2014, arXiv:1406.2661,
    sec. 3).

    With D = sigmoid(logit), -log D = softplus(-logit) and -log(1 - D) = softplus(logit).
    """

    generator_needs_real = False

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return softplus(-real_logits).mean() + softplus(fake_logits).mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return softplus(-fake_logits).mean()


@OBJECTIVES.register("hinge")
class Hinge:
    """E relu(1 - D(real)) + E relu(1 + D(fake)) (Lim and Ye 2017, arXiv:1705.02894; Miyato et al.
    2018, eq. 16, 17).
    """

    generator_needs_real = False

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return -fake_logits.mean()


@OBJECTIVES.register("relativistic")
class Relativistic:
    """Each fake against a real: softplus(-(D(real) - D(fake))) (Jolicoeur-Martineau 2018,
    arXiv:1807.00734; Huang et al. 2025, arXiv:2501.05441, eq. 2).
    """

    generator_needs_real = True

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return softplus(fake_logits - real_logits).mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        assert real_logits is not None
        return softplus(real_logits - fake_logits).mean()
