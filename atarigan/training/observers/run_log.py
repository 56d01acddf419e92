"""What the logs of a run do alike."""

from pathlib import Path

from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

INTERVAL_S = 1.0


class RunLog(Observer):
    """Writes every second and at the end, and shows each sample picture once."""

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        self._folder = folder
        self._shown: str | None = None
        self._last_s = trainer.elapsed_s

    def after_step(self, trainer: Trainer) -> None:
        if trainer.elapsed_s - self._last_s >= INTERVAL_S:
            self._last_s = trainer.elapsed_s
            self.write(trainer)

    def at_end(self, trainer: Trainer) -> None:
        self.write(trainer)
        self.close()

    def write(self, trainer: Trainer) -> None:
        """Log the run as it stands."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish the log."""
        raise NotImplementedError

    def new_picture(self) -> Path | None:
        """The newest sample picture, where it has not been shown."""
        samples = self._folder.all_samples()
        if not samples or samples[-1].name == self._shown:
            return None
        self._shown = samples[-1].name
        return samples[-1]
