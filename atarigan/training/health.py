"""Tells whether a training run is lost."""

import math
from statistics import median

import torch
from torch import Tensor, nn

from atarigan.training.fixed_samples import FixedSamples
from atarigan.training.measurements import critic_accuracy
from atarigan.training.trainer import Trainer

Norms = dict[str, float]
NUM_SAMPLES = 64
EXPLODED = 100
VANISHED = 1e-4
COLLAPSED = 0.05
NUM_FIRST = 10
NUM_IN_A_ROW = 10


class HealthMonitor:
    """Looks at losses, weights, gradients and samples for the four ways in which a GAN is lost.

    - A loss or a weight is not finite.
    - A gradient is `EXPLODED` times what it was at the beginning (the median of `NUM_FIRST` looks)
      and greater than the weights (norms).
    - The critic has won: for `NUM_IN_A_ROW` looks it sorted all of its batch right, and the
      generator's gradient was less than `VANISHED` of the generator's weights (norms).
    - The generator has collapsed: for as many looks the samples of a fixed batch of latents spread
      less than `COLLAPSED` of what real samples do (root of the summed variances), having spread
      more before.

    Args:
        trainer: the one to watch; real samples are taken from its source.
    """

    def __init__(self, trainer: Trainer) -> None:
        seed = trainer.config.seed + 2
        self._fixed_samples = FixedSamples(trainer, NUM_SAMPLES, seed)
        real = next(trainer.source.batches(NUM_SAMPLES, seed)).samples
        self._real_spread = spread(trainer.plan.samples(real))
        self._start_over()

    def _start_over(self) -> None:
        """Forget what was seen, as after a rollback."""
        self._first_norms: dict[str, list[float]] = {"critic": [], "generator": []}
        self._has_spread = False
        self._num_won = 0
        self._num_collapsed = 0

    def problem(self, trainer: Trainer) -> str | None:
        """What is wrong, in words; None where nothing is. Waits for the device."""
        networks = {"critic": trainer.critic, "generator": trainer.generator}
        weights = {name: norm(list(each.parameters())) for name, each in networks.items()}
        gradients = {name: gradient_norm(each) for name, each in networks.items()}
        problem = (
            self._not_finite(trainer, weights, gradients)
            or self._exploded(weights, gradients)
            or self._critic_won(trainer, weights, gradients)
            or self._collapsed(trainer)
        )
        if problem:
            self._start_over()
        return problem

    def _not_finite(self, trainer: Trainer, weights: Norms, gradients: Norms) -> str | None:
        for name, loss in trainer.losses.items():
            if not math.isfinite(loss.item()):
                return f"{name.replace('_', ' ')} is {loss.item()}"
        for part, norms in (("weight", weights), ("gradient", gradients)):
            for name, size in norms.items():
                if not math.isfinite(size):
                    return f"a {part} of the {name} is not finite"
        return None

    def _exploded(self, weights: Norms, gradients: Norms) -> str | None:
        for name, size in gradients.items():
            first = self._first_norms[name]
            if len(first) < NUM_FIRST:
                first.append(size)
            elif size > max(EXPLODED * median(first), weights[name]):
                growth = f"{size / median(first):,.0f} times what it was at the beginning"
                return f"the gradient of the {name} has exploded: its norm is {size:.3g}, {growth}"
        return None

    def _critic_won(self, trainer: Trainer, weights: Norms, gradients: Norms) -> str | None:
        gone = gradients["generator"] < VANISHED * weights["generator"]
        is_right = critic_accuracy(trainer).get("accuracy") == 1
        self._num_won = self._num_won + 1 if gone and is_right else 0
        if self._num_won < NUM_IN_A_ROW:
            return None
        return "the critic has won: it is always right, and the generator's gradient is gone"

    def _collapsed(self, trainer: Trainer) -> str | None:
        fake_spread = spread(self._fixed_samples.draw(trainer))
        share = fake_spread / self._real_spread if self._real_spread else 1.0
        self._has_spread |= share >= COLLAPSED
        self._num_collapsed = self._num_collapsed + 1 if share < COLLAPSED else 0
        if not self._has_spread or self._num_collapsed < NUM_IN_A_ROW:
            return None
        return f"the generator has collapsed: its samples spread {share:.1%} of what real ones do"


def spread(samples: Tensor) -> float:
    """Root of the summed variances of samples (N, …): how far they are from all being alike."""
    return samples.float().flatten(1).var(0).sum().sqrt().item()


def gradient_norm(network: nn.Module) -> float:
    """Euclidean norm of the last update's gradient of a network."""
    return norm([each.grad for each in network.parameters() if each.grad is not None])


def norm(tensors: list[Tensor]) -> float:
    """Euclidean norm of tensors taken together."""
    return torch.stack(torch._foreach_norm(tensors)).norm().item() if tensors else 0.0
