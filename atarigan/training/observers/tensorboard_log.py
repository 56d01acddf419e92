"""A run's numbers and pictures for TensorBoard."""

import imageio.v3 as iio
import numpy as np

from atarigan.evaluation.metrics.score import Score
from atarigan.training.measurements import measurements
from atarigan.training.observers.run_log import RunLog
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Trainer


class TensorboardLog(RunLog):
    """Measurements every second, and the newest sample picture; counted in images.

    On `--resume` what was logged after the checkpoint is dropped: it will come again.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes two seconds to import

        super().__init__(folder, trainer)
        self._writer = SummaryWriter(folder.tensorboard, purge_step=trainer.num_images + 1)

    def write(self, trainer: Trainer) -> None:
        images_per_s = trainer.num_images / max(trainer.elapsed_s, 1e-9)
        for name, value in (measurements(trainer) | {"images_per_s": images_per_s}).items():
            # One that ends in _loss, _output or _accuracy stands with its like.
            group = name.rpartition("_")[2]
            self._writer.add_scalar(f"{group}/{name}", value, trainer.num_images)
        if path := self.new_picture():
            picture = np.asarray(iio.imread(path))
            self._writer.add_image("samples", picture, trainer.num_images, dataformats="HWC")

    def after_evaluation(self, trainer: Trainer, scores: dict[str, Score]) -> None:
        for name, score in scores.items():
            self._writer.add_scalar(f"score/{name}", score["value"], trainer.num_images)
            self._writer.add_scalar(f"floor/{name}", score["floor"], trainer.num_images)

    def close(self) -> None:
        self._writer.close()
