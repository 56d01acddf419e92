"""What keeps and shows a run's progress: checkpoints of it as long as it is healthy, and a bar."""

import sys
import time

from atarigan.cli.progress import ProgressDisplay
from atarigan.models.checkpoint import find_checkpoint, load_training_state, save_checkpoint
from atarigan.training.health import HealthMonitor
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

STEPS_BETWEEN_LOOKS = 50


class Checkpointer(Observer):
    """Saves a checkpoint every so many seconds, and one at the end, of a run that is healthy.

    One that is not goes back to the checkpoint before, and after `max_rollbacks` of that, or at its
    end, it gives up there.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        self._folder = folder
        self._every_s = trainer.config.checkpoint_every_s
        self._last_s = time.monotonic()
        self._watchdog = HealthMonitor(trainer) if trainer.config.max_rollbacks else None

    def after_step(self, trainer: Trainer) -> None:
        is_due = self._every_s > 0 and time.monotonic() - self._last_s >= self._every_s
        if not (is_due or trainer.num_steps % STEPS_BETWEEN_LOOKS == 0):
            return
        if problem := self._problem(trainer):
            gives_up = trainer.num_rollbacks >= trainer.config.max_rollbacks
            self._go_back(trainer, problem, gives_up=gives_up)
        elif is_due:
            self.save(trainer)

    def at_end(self, trainer: Trainer) -> None:
        if trainer.stop_reason:
            return
        if problem := self._problem(trainer):
            self._go_back(trainer, problem, gives_up=True)
        else:
            self.save(trainer)

    def _problem(self, trainer: Trainer) -> str | None:
        return self._watchdog.problem(trainer) if self._watchdog else None

    def _go_back(self, trainer: Trainer, problem: str, *, gives_up: bool) -> None:
        """Back to the last checkpoint, to go on from there or to end."""
        lost = f"{trainer.num_images:,} images, {trainer.elapsed_s / 60:.1f} minutes: {problem}"
        checkpoint = find_checkpoint(self._folder.path)
        trainer.roll_back(load_training_state(checkpoint))
        trainer.stop_reason = problem if gives_up else None
        count = f"{trainer.num_rollbacks} of {trainer.config.max_rollbacks}"
        outcome = "given up" if gives_up else f"on with half the step sizes ({count})"
        self._note(f"{lost}; back to {checkpoint.name}, {outcome}")

    def _note(self, line: str) -> None:
        print(f"\n{line}", file=sys.stderr, flush=True)
        with self._folder.events.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def save(self, trainer: Trainer) -> None:
        weights = trainer.average.averaged.state_dict()
        save_checkpoint(self._folder.path, trainer.model, weights, trainer.state_dict())
        self._last_s = time.monotonic()


class ProgressBar(Observer):
    """Shows images, their rate, and the time left."""

    def __init__(self, display: ProgressDisplay) -> None:
        self._display = display

    def after_step(self, trainer: Trainer) -> None:
        self._display.update(trainer.num_images)
