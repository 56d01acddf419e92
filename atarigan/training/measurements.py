"""Measurements of a trainer for history, logs and pictures."""

from atarigan.training.trainer import Trainer


def measurements(trainer: Trainer) -> dict[str, float]:
    """Return the newest losses, outputs and accuracies by name. Waits for the device.

    Returns:
        critic_loss, generator_loss, penalty and reconstruction_loss as far as the run has them;
        real_output and fake_output, the critic's mean outputs; and those of `critic_accuracy`.
    """
    values = {name: loss.item() for name, loss in trainer.updates.losses.items()}
    if trainer.updates.outputs is not None:
        real, fake = trainer.updates.outputs
        values |= {"real_output": real.mean().item(), "fake_output": fake.mean().item()}
    return values | critic_accuracy(trainer)


def critic_accuracy(trainer: Trainer) -> dict[str, float]:
    """Return how the critic classified its last batch, real samples being the positives; nothing
    before its first batch.

    Returns:
        true_positives, false_negatives, false_positives and true_negatives, which are counts;
        real_accuracy, fake_accuracy and accuracy, which are shares of 1.
    """
    updates = trainer.updates
    if updates.outputs is None:
        return {}
    real, fake = updates.outputs
    looks_real = updates.objective.looks_real
    true_positives = int(looks_real(real, real, fake).sum())
    false_positives = int(looks_real(fake, real, fake).sum())
    true_negatives = len(fake) - false_positives
    return {
        "true_positives": true_positives,
        "false_negatives": len(real) - true_positives,
        "false_positives": false_positives,
        "true_negatives": true_negatives,
        "real_accuracy": true_positives / len(real),
        "fake_accuracy": true_negatives / len(fake),
        "accuracy": (true_positives + true_negatives) / (len(real) + len(fake)),
    }
