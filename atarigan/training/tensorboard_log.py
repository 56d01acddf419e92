"""A run's numbers and pictures for TensorBoard."""

import imageio.v3 as iio
import numpy as np

from atarigan.training.measurements import measurements
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

INTERVAL_S = 1.0


class TensorboardLog(Observer):
    """Measurements every second, and the newest sample picture; counted in images.

    On `--resume` what was logged after the checkpoint is dropped: it will come again.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes two seconds to import

        self._folder = folder
        self._writer = SummaryWriter(folder.tensorboard, purge_step=trainer.num_images + 1)
        self._shown: str | None = None
        self._last_s = trainer.elapsed_s

    def after_step(self, trainer: Trainer) -> None:
        if trainer.elapsed_s - self._last_s >= INTERVAL_S:
            self.write(trainer)

    def at_end(self, trainer: Trainer) -> None:
        self.write(trainer)
        self._writer.close()

    def write(self, trainer: Trainer) -> None:
        self._last_s = trainer.elapsed_s
        images_per_s = trainer.num_images / max(trainer.elapsed_s, 1e-9)
        for name, value in (measurements(trainer) | {"images_per_s": images_per_s}).items():
            # One that ends in _loss, _output or _accuracy stands with its like.
            group = name.rpartition("_")[2]
            self._writer.add_scalar(f"{group}/{name}", value, trainer.num_images)
        samples = self._folder.all_samples()
        if samples and samples[-1].name != self._shown:
            self._shown = samples[-1].name
            picture = np.asarray(iio.imread(samples[-1]))
            self._writer.add_image("samples", picture, trainer.num_images, dataformats="HWC")
