"""Adversarial objectives: the losses of critic and generator, as functions of critic outputs.

`real_logits` and `fake_logits`, float (B,), are the critic's raw outputs for a batch of real and of
generated samples. Every loss is a scalar.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize, relu, softplus

from atarigan.config.registry import Registry

Logits = Float[Tensor, " batch"]
Loss = Float[Tensor, ""]
Verdicts = Bool[Tensor, " samples"]


class Objective:
    """A loss for the critic and one for the generator. Each run has its own instance.

    Attributes:
        generator_needs_real: whether the generator's loss compares fake with real outputs.
        needs_energy: whether the critic must output reconstruction errors instead of free logits.
        pull_away: weight of the pull-away term on the critic's codes of fakes; 0 means none.
        boundary: the output above which a sample counts as real. None means the middle between the
            mean outputs of real and fake samples, for objectives that only compare outputs.
    """

    generator_needs_real = False
    needs_energy = False
    pull_away = 0.0
    boundary: float | None = None

    def looks_real(
        self, logits: Float[Tensor, " samples"], real_logits: Logits, fake_logits: Logits
    ) -> Verdicts:
        """Whether the critic classifies each sample as real, given its outputs for a batch of real
        and one of fake samples. Real samples have high logits but low energies.
        """
        boundary = self.boundary_between(real_logits, fake_logits)
        return logits < boundary if self.needs_energy else logits >= boundary

    def boundary_between(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        """The output that separates what counts as real from what counts as fake."""
        if self.boundary is None:
            return (real_logits.mean() + fake_logits.mean()) / 2
        return real_logits.new_tensor(self.boundary)

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        """Return the critic's loss."""
        raise NotImplementedError

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        """Return the generator's loss; `real_logits` is None unless `generator_needs_real`."""
        raise NotImplementedError

    def after_critic_step(self, real_logits: Logits, fake_logits: Logits) -> None:
        """Adapt to the outputs of the batch that the critic was just updated on."""

    def state_dict(self) -> dict[str, Any]:
        """The objective's own state, for checkpoints."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""


OBJECTIVES: Registry[type[Objective]] = Registry("objective")


@OBJECTIVES.register("wasserstein")
class Wasserstein(Objective):
    """Earth mover's distance, E D(fake) - E D(real) (Arjovsky et al. 2017).

    arXiv:1701.07875, eq. 2 and 3.
    """

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return fake_logits.mean() - real_logits.mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return -fake_logits.mean()


@OBJECTIVES.register("sigmoid_wasserstein")
class SigmoidWasserstein(Objective):
    """Wasserstein losses of a critic with a sigmoid at its end: published, but no distance.

    E sigmoid(D(fake)) - E sigmoid(D(real)).
    """

    boundary = 0.0

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return fake_logits.sigmoid().mean() - real_logits.sigmoid().mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return -fake_logits.sigmoid().mean()


class CrossEntropy(Objective):
    """The critic's loss of the objectives below: cross-entropy of real against fake.

    With D = sigmoid(logit), -log D = softplus(-logit) and -log(1 - D) = softplus(logit).
    """

    boundary = 0.0

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return softplus(-real_logits).mean() + softplus(fake_logits).mean()


@OBJECTIVES.register("minimax")
class Minimax(CrossEntropy):
    """Cross-entropy; the generator minimizes log(1 - D(fake)) (Goodfellow et al. 2014, eq. 1).

    arXiv:1406.2661.
    """

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return -softplus(fake_logits).mean()


@OBJECTIVES.register("non_saturating")
class NonSaturating(CrossEntropy):
    """Cross-entropy; the generator maximizes log D(fake) (Goodfellow et al. 2014, section 3).

    arXiv:1406.2661.
    """

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return softplus(-fake_logits).mean()


@OBJECTIVES.register("least_squares")
class LeastSquares(Objective):
    """½ E (D(real) - 1)^2 + ½ E D(fake)^2 (Mao et al. 2017, arXiv:1611.04076, eq. 9)."""

    boundary = 0.5

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return (real_logits - 1).square().mean() / 2 + fake_logits.square().mean() / 2

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return (fake_logits - 1).square().mean() / 2


@OBJECTIVES.register("hinge")
class Hinge(Objective):
    """E relu(1 - D(real)) + E relu(1 + D(fake)) (Lim and Ye 2017, arXiv:1705.02894, eq. 3, 4)."""

    boundary = 0.0

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return -fake_logits.mean()


@OBJECTIVES.register("relativistic")
class Relativistic(Objective):
    """E softplus(-(D(real) - D(fake))), pairs of one real and one fake (Jolicoeur-Martineau 2018).

    arXiv:1807.00734; in this form Huang et al. 2025, arXiv:2501.05441, eq. 2.
    """

    generator_needs_real = True

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return softplus(fake_logits - real_logits).mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        assert real_logits is not None
        return softplus(real_logits - fake_logits).mean()


@OBJECTIVES.register("energy")
class Energy(Objective):
    """Low energy for real samples, up to a margin for fakes (Zhao et al. 2016, arXiv:1609.03126).

    E E(real) + E relu(m - E(fake)), eq. 1 and 2, with m = max(1, B / 64), and a pull-away term of
    weight 0.1 for the generator, section 2.4.
    """

    needs_energy = True
    pull_away = 0.1

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        margin = max(1.0, len(fake_logits) / 64)
        return real_logits.mean() + relu(margin - fake_logits).mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return fake_logits.mean()


@OBJECTIVES.register("began")
class Began(Objective):
    """E E(real) - k E E(fake), with k kept so that both stay in proportion (Berthelot et al. 2017).

    arXiv:1703.10717, section 3.4: k, in [0, 1] and 0 at first, grows by 0.001 (0.5 E E(real) - E
    E(fake)) per critic update.
    """

    needs_energy = True
    diversity_ratio = 0.5
    balance_rate = 0.001

    def __init__(self) -> None:
        self.balance = torch.zeros(())

    def critic_loss(self, real_logits: Logits, fake_logits: Logits) -> Loss:
        return real_logits.mean() - self.balance.to(fake_logits) * fake_logits.mean()

    def generator_loss(self, fake_logits: Logits, real_logits: Logits | None) -> Loss:
        return fake_logits.mean()

    @torch.no_grad()
    def after_critic_step(self, real_logits: Logits, fake_logits: Logits) -> None:
        lead = self.diversity_ratio * real_logits.mean() - fake_logits.mean()
        self.balance = self.balance.to(lead)  # changed in place, as a captured update needs
        self.balance.add_(self.balance_rate * lead).clamp_(0, 1)

    def state_dict(self) -> dict[str, Any]:
        return {"balance": self.balance}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.balance = state["balance"]


def pull_away(codes: Float[Tensor, "batch size"]) -> Loss:
    """Mean squared cosine between the codes of different samples (Zhao et al. 2016, eq. 4); 0 for a
    single one.
    """
    directions = normalize(codes)
    num = len(codes)
    squared_cosines = (directions @ directions.T).square()
    return (squared_cosines.sum() - squared_cosines.diagonal().sum()) / max(1, num * (num - 1))
