"""The health of a run: how a lost one is recognized, and how it is taken back to a checkpoint."""

import math
import time
from statistics import median

import torch
from torch import Tensor, nn

from atarigan.cli.terminal import print_note
from atarigan.models.checkpoint import find_checkpoint, load_training_state, save_checkpoint
from atarigan.training.fixed_samples import FixedSamples
from atarigan.training.measurements import critic_accuracy
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Trainer

Norms = dict[str, float]
STEPS_BETWEEN_CHECKS = 50
NUM_SAMPLES = 64
EXPLODED = 100
VANISHED = 1e-4
COLLAPSED = 0.05
NUM_FIRST = 10
NUM_IN_A_ROW = 10


class HealthGuard:
    """Saves checkpoints of a healthy run, and takes a lost run back to the last one.

    A checkpoint is written every `checkpoint_every_s` seconds and at the end. A lost run goes on
    from its last checkpoint with half the learning rates. After `max_rollbacks` rollbacks, and at
    its end, it stops there and `stop_reason` says why.

    Args:
        folder: of the run.
        trainer: the one to guard.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        self._folder = folder
        self._every_s = trainer.config.checkpoint_every_s
        self._last_s = time.monotonic()
        self._monitor = HealthMonitor(trainer) if trainer.config.max_rollbacks else None

    def check(self, trainer: Trainer, *, is_end: bool) -> bool:
        """Look at the run every few steps, and before every checkpoint.

        Returns:
            Whether it was rolled back.
        """
        is_due = self._every_s > 0 and time.monotonic() - self._last_s >= self._every_s
        if not (is_due or is_end or trainer.num_steps % STEPS_BETWEEN_CHECKS == 0):
            return False
        problem = self._monitor.problem(trainer) if self._monitor else None
        if problem is not None:
            self._roll_back(trainer, problem, is_end=is_end)
            return True
        if is_due or is_end:
            self.save(trainer)
        return False

    def save(self, trainer: Trainer) -> None:
        """Write a checkpoint."""
        weights = trainer.averaged_generator.state_dict()
        save_checkpoint(self._folder.path, trainer.model, weights, trainer.state_dict())
        self._last_s = time.monotonic()

    def _roll_back(self, trainer: Trainer, problem: str, *, is_end: bool) -> None:
        most = trainer.config.max_rollbacks
        gives_up = is_end or trainer.num_rollbacks >= most
        lost = f"{trainer.num_images:,} images, {trainer.elapsed_s / 60:.1f} minutes: {problem}"
        checkpoint = find_checkpoint(self._folder.path)
        trainer.roll_back(load_training_state(checkpoint))
        trainer.stop_reason = problem if gives_up else None
        halved = f"continued with half the learning rates ({trainer.num_rollbacks} of {most})"
        outcome = "given up" if gives_up else halved
        self._report(f"{lost}; back to {checkpoint.name}, {outcome}")

    def _report(self, line: str) -> None:
        with self._folder.events.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        print_note(f"\n{line}")


class HealthMonitor:
    """Checks losses, weights, gradients and samples for four ways in which a GAN is lost.

    - A loss or a weight is not finite.
    - A gradient's norm is `EXPLODED` times its first value (the median of `NUM_FIRST` checks) and
      greater than the norm of the weights.
    - The critic has won: in `NUM_IN_A_ROW` checks it classified its whole batch correctly, and the
      norm of the generator's gradient was below `VANISHED` times the norm of its weights.
    - The generator has collapsed: in `NUM_IN_A_ROW` checks the spread of its samples of the same
      latents was below `COLLAPSED` times the spread of real samples, and it was greater before.

    Args:
        trainer: the one to monitor; real samples are taken from its source.
    """

    def __init__(self, trainer: Trainer) -> None:
        seed = trainer.config.seed + 2
        self._fixed_samples = FixedSamples(trainer, NUM_SAMPLES, seed)
        real = next(trainer.source.batches(NUM_SAMPLES, seed)).samples
        self._real_spread = spread(trainer.plan.samples(real))
        self._reset()

    def _reset(self) -> None:
        """Forget earlier checks, as after a rollback."""
        self._first_norms: dict[str, list[float]] = {"critic": [], "generator": []}
        self._has_spread = False
        self._num_won = 0
        self._num_collapsed = 0

    def problem(self, trainer: Trainer) -> str | None:
        """What is wrong, in words; None for a healthy run. Waits for the device."""
        networks = {"critic": trainer.updates.critic, "generator": trainer.updates.generator}
        weights = {name: norm(list(each.parameters())) for name, each in networks.items()}
        gradients = {name: gradient_norm(each) for name, each in networks.items()}
        problem = (
            self._not_finite(trainer, weights, gradients)
            or self._exploded(weights, gradients)
            or self._critic_won(trainer, weights, gradients)
            or self._collapsed(trainer)
        )
        if problem:
            self._reset()
        return problem

    def _not_finite(self, trainer: Trainer, weights: Norms, gradients: Norms) -> str | None:
        for name, loss in trainer.updates.losses.items():
            if not math.isfinite(loss.item()):
                return f"{name.replace('_', ' ')} is {loss.item()}"
        for kind, norms in (("weight", weights), ("gradient", gradients)):
            for name, size in norms.items():
                if not math.isfinite(size):
                    return f"a {kind} of the {name} is not finite"
        return None

    def _exploded(self, weights: Norms, gradients: Norms) -> str | None:
        for name, size in gradients.items():
            first = self._first_norms[name]
            if len(first) < NUM_FIRST:
                first.append(size)
            elif size > max(EXPLODED * median(first), weights[name]):
                growth = f"{size / median(first):,.0f} times its first value"
                return f"the gradient of the {name} has exploded: its norm is {size:.3g}, {growth}"
        return None

    def _critic_won(self, trainer: Trainer, weights: Norms, gradients: Norms) -> str | None:
        has_vanished = gradients["generator"] < VANISHED * weights["generator"]
        is_perfect = critic_accuracy(trainer).get("accuracy") == 1
        self._num_won = self._num_won + 1 if has_vanished and is_perfect else 0
        if self._num_won < NUM_IN_A_ROW:
            return None
        return "the critic has won: it is always right, and the generator's gradient has vanished"

    def _collapsed(self, trainer: Trainer) -> str | None:
        fake_spread = spread(self._fixed_samples.draw(trainer))
        share = fake_spread / self._real_spread if self._real_spread else 1.0
        self._has_spread |= share >= COLLAPSED
        self._num_collapsed = self._num_collapsed + 1 if share < COLLAPSED else 0
        if not self._has_spread or self._num_collapsed < NUM_IN_A_ROW:
            return None
        return f"the generator has collapsed: its samples spread {share:.1%} as far as real ones"


def spread(samples: Tensor) -> float:
    """Root of the summed variances of samples (N, …): how much they differ."""
    return samples.float().flatten(1).var(0).sum().sqrt().item()


def gradient_norm(network: nn.Module) -> float:
    """Euclidean norm of the gradient of a network's newest update."""
    return norm([each.grad for each in network.parameters() if each.grad is not None])


def norm(tensors: list[Tensor]) -> float:
    """Euclidean norm of tensors taken together."""
    return torch.stack(torch._foreach_norm(tensors)).norm().item() if tensors else 0.0
