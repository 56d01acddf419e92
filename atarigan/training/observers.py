"""What keeps and shows a run's progress: checkpoints, and a bar."""

import time

from atarigan.progress import ProgressDisplay
from atarigan.training.checkpoint import save_checkpoint
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer


class Checkpointer(Observer):
    """Saves a checkpoint every so many seconds, and one at the end."""

    def __init__(self, folder: RunFolder, every_s: float) -> None:
        self._folder = folder
        self._every_s = every_s
        self._last_s = time.monotonic()

    def after_step(self, trainer: Trainer) -> None:
        if self._every_s and time.monotonic() - self._last_s >= self._every_s:
            self.save(trainer)

    def at_end(self, trainer: Trainer) -> None:
        self.save(trainer)

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
