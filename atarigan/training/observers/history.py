"""history.csv: losses and accuracies over a run, and the curves drawn from it."""

import contextlib
import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atarigan.pictures import charts, grids
from atarigan.training.measurements import measurements
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

PROGRESS = ("steps", "images", "epochs", "elapsed_s")
LOSSES = ("critic_loss", "generator_loss", "penalty")
RECONSTRUCTION = ("reconstruction_loss",)
OUTPUTS = ("real_output", "fake_output")
ACCURACIES = ("real_accuracy", "fake_accuracy")
COLUMNS = (*PROGRESS, *LOSSES, *RECONSTRUCTION, *OUTPUTS, *ACCURACIES)
MAX_ROWS = 4000
_FIRST_INTERVAL_S = 0.25


class History(Observer):
    """Writes the history during a run, and draws its curves at the end.

    A row is written at most four times a second, and less often as the run goes on, so that a run
    of days has a few thousand rows. Rows after the state that a run goes on from, on `--resume` or
    after a rollback, are dropped.
    """

    end_phase = "drawing curves"

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        self._folder = folder
        self._drop_after(trainer.num_images)

    def _drop_after(self, num_images: int) -> None:
        folder = self._folder
        rows = [row for row in read_rows(folder.history) if row["images"] <= num_images]
        self._last_s = rows[-1]["elapsed_s"] if rows else 0.0
        self._last_images = rows[-1]["images"] if rows else 0.0
        folder.history.parent.mkdir(parents=True, exist_ok=True)
        with folder.history.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows({name: _cell(row[name]) for name in COLUMNS} for row in rows)

    def after_step(self, trainer: Trainer) -> None:
        interval_s = max(_FIRST_INTERVAL_S, trainer.elapsed_s / MAX_ROWS)
        if trainer.elapsed_s - self._last_s >= interval_s:
            self.write(trainer)

    def after_rollback(self, trainer: Trainer) -> None:
        self._drop_after(trainer.num_images)

    def at_end(self, trainer: Trainer) -> None:
        if trainer.num_images > self._last_images:
            self.write(trainer)
        draw_curves(self._folder)

    def write(self, trainer: Trainer) -> None:
        """Add a row."""
        self._last_s, self._last_images = trainer.elapsed_s, trainer.num_images
        row = measurements(trainer) | {
            "steps": trainer.num_steps,
            "images": trainer.num_images,
            "epochs": trainer.num_images / trainer.source.num_samples,
            "elapsed_s": trainer.elapsed_s,
        }
        with self._folder.history.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow(
                {name: _cell(row.get(name, float("nan"))) for name in COLUMNS}
            )


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of a history; none without a file. A row that a kill cut short is left out, and so
    is everything after the first line that is not CSV.
    """
    if not path.exists():
        return []
    rows = []
    with (
        path.open(newline="", encoding="utf-8", errors="replace") as file,
        contextlib.suppress(csv.Error),
    ):
        for row in csv.DictReader(file):
            with contextlib.suppress(KeyError, TypeError, ValueError):
                rows.append({name: float(row.get(name) or "nan") for name in COLUMNS})
    return rows


def draw_curves(folder: RunFolder) -> None:
    """Draw losses and accuracies against images; nothing for an empty history."""
    rows = read_rows(folder.history)
    if not rows:
        return

    def column(name: str) -> npt.NDArray[np.float64]:
        return np.array([row[name] for row in rows])

    panels = {
        title: {
            name.replace("_", " "): column(name)
            for name in names
            if np.isfinite(column(name)).any()
        }
        for title, names in (
            ("losses", LOSSES),
            ("reconstruction loss", RECONSTRUCTION),
            ("critic outputs, means", OUTPUTS),
            ("critic accuracy, share of a batch", ACCURACIES),
        )
    }
    panels = {title: lines for title, lines in panels.items() if lines}
    grids.save_picture(folder.curves, charts.curves(column("images"), panels))


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}" if value % 1 else f"{value:.0f}"
