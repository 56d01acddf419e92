"""Logs of a run's numbers and pictures: TensorBoard, and Weights & Biases."""

import dataclasses
import importlib
import os
import secrets
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from atarigan.errors import InputError
from atarigan.evaluation.metrics.score import Score
from atarigan.training.measurements import measurements
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

INTERVAL_S = 1.0


class Log(Observer):
    """Writes every second and at the end, and shows each sample picture once."""

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        self._folder = folder
        self._shown: str | None = None
        self._last_s = trainer.elapsed_s

    def after_step(self, trainer: Trainer) -> None:
        if trainer.elapsed_s - self._last_s >= INTERVAL_S:
            self._last_s = trainer.elapsed_s
            self.write(trainer)

    def after_rollback(self, trainer: Trainer) -> None:
        self._last_s = trainer.elapsed_s

    def at_end(self, trainer: Trainer) -> None:
        self.write(trainer)
        self.close()

    def write(self, trainer: Trainer) -> None:
        """Log the newest numbers and picture."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish the log."""
        raise NotImplementedError

    def new_picture(self) -> Path | None:
        """The newest sample picture, unless it was shown before."""
        samples = self._folder.all_samples()
        if not samples or samples[-1].name == self._shown:
            return None
        self._shown = samples[-1].name
        return samples[-1]


class TensorboardLog(Log):
    """Measurements and sample pictures for TensorBoard, against images.

    What was logged after the state that a run goes on from, on `--resume` or after a rollback, is
    dropped.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        super().__init__(folder, trainer)
        self._open(trainer)

    def _open(self, trainer: Trainer) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes two seconds to import

        self._writer = SummaryWriter(self._folder.tensorboard, purge_step=trainer.num_images + 1)

    def write(self, trainer: Trainer) -> None:
        images_per_s = trainer.num_images / max(trainer.elapsed_s, 1e-9)
        for name, value in (measurements(trainer) | {"images_per_s": images_per_s}).items():
            # Names that end alike (_loss, _output, _accuracy) share a section.
            section = name.rpartition("_")[2]
            self._writer.add_scalar(f"{section}/{name}", value, trainer.num_images)
        if path := self.new_picture():
            picture = np.asarray(iio.imread(path))
            self._writer.add_image("samples", picture, trainer.num_images, dataformats="HWC")

    def after_evaluation(self, trainer: Trainer, scores: dict[str, Score]) -> None:
        for name, score in scores.items():
            self._writer.add_scalar(f"score/{name}", score["value"], trainer.num_images)
            self._writer.add_scalar(f"floor/{name}", score["floor"], trainer.num_images)

    def after_rollback(self, trainer: Trainer) -> None:
        super().after_rollback(trainer)
        self._writer.close()
        self._open(trainer)

    def close(self) -> None:
        self._writer.close()


class WandbLog(Log):
    """Measurements and sample pictures for Weights & Biases, against images.

    Without an API key and without WANDB_MODE it works offline; `wandb sync` uploads its files
    later. On `--resume` the same W&B run goes on. W&B keeps what was logged before a rollback.

    Raises:
        InputError: the package is not installed.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        super().__init__(folder, trainer)
        self._wandb = _wandb()
        folder.path.mkdir(parents=True, exist_ok=True)
        has_key = bool(os.environ.get("WANDB_API_KEY")) or self._wandb.api.api_key is not None
        self._run: Any = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "atarigan"),
            name=folder.path.name,
            id=_run_id(folder),
            resume="allow",
            dir=str(folder.path),
            config=dataclasses.asdict(trainer.model),
            mode=os.environ.get("WANDB_MODE") or ("online" if has_key else "offline"),
            settings=self._wandb.Settings(silent=True, console="off"),
        )
        self._run.define_metric("*", step_metric="images")

    def write(self, trainer: Trainer) -> None:
        values: dict[str, Any] = dict(measurements(trainer))
        values |= {"images": trainer.num_images, "elapsed_s": trainer.elapsed_s}
        if path := self.new_picture():
            values["samples"] = self._wandb.Image(str(path))
        self._run.log(values)

    def after_evaluation(self, trainer: Trainer, scores: dict[str, Score]) -> None:
        values = {f"score/{name}": score["value"] for name, score in scores.items()}
        self._run.log(values | {"images": trainer.num_images})

    def close(self) -> None:
        self._run.finish()


def open_logs(folder: RunFolder, trainer: Trainer) -> list[Observer]:
    """The log that the run's configuration names, if any."""
    logs: dict[str, type[Log]] = {"tensorboard": TensorboardLog, "wandb": WandbLog}
    name = trainer.config.log
    return [logs[name](folder, trainer)] if name in logs else []


def _run_id(folder: RunFolder) -> str:
    """The id of this folder's W&B run, drawn once."""
    if not folder.wandb_id.exists():
        folder.wandb_id.write_text(secrets.token_hex(4), encoding="utf-8")
    return folder.wandb_id.read_text(encoding="utf-8").strip()


def _wandb() -> Any:
    try:
        return importlib.import_module("wandb")
    except ImportError:
        raise InputError(
            "--log wandb needs the package wandb: pip install 'atarigan[wandb]'"
        ) from None
