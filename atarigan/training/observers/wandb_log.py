"""A run's numbers and pictures for Weights & Biases."""

import dataclasses
import importlib
import os
import secrets
from typing import Any

from atarigan.errors import InputError
from atarigan.evaluation.metrics.score import Score
from atarigan.training.measurements import measurements
from atarigan.training.observers.run_log import RunLog
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Trainer


class WandbLog(RunLog):
    """Losses, accuracies, true and false positives and negatives every second, and each new sample
    picture; counted in images.

    Without an API key and without WANDB_MODE it works offline: `wandb sync` sends its files later.
    On `--resume` the same W&B run goes on.

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


def _run_id(folder: RunFolder) -> str:
    """The W&B run that belongs to this folder, drawn once."""
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
