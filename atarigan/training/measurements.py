"""What a trainer can tell of itself in numbers: for the history, for logs, for pictures."""

from atarigan.training.trainer import Trainer


def measurements(trainer: Trainer) -> dict[str, float]:
    """The newest losses, outputs and accuracies by name. Waits for the device.

    Returns:
        critic_loss, generator_loss and, where there is one, penalty; real_output and fake_output,
        the critic's mean outputs; and those of `critic_accuracy`.
    """
    values = {name: loss.item() for name, loss in trainer.losses.items()}
    if trainer.outputs is not None:
        real, fake = trainer.outputs
        values |= {"real_output": real.mean().item(), "fake_output": fake.mean().item()}
    return values | critic_accuracy(trainer)


def critic_accuracy(trainer: Trainer) -> dict[str, float]:
    """How the critic sorted its last batch, real samples being the positives; nothing before its
    first.

    Returns:
        true_positives, false_negatives, false_positives and true_negatives, which are counts;
        real_accuracy, fake_accuracy and accuracy, which are shares.
    """
    if trainer.outputs is None:
        return {}
    real, fake = trainer.outputs
    looks_real = trainer.objective.looks_real
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
