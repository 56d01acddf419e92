"""index.html: a page that shows a run. It holds its pictures and needs no network."""

import dataclasses
import math
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atarigan.config.run_config import RunConfig
from atarigan.files import typed_json
from atarigan.models.state.code_use import CodeUse
from atarigan.pictures.page import Page
from atarigan.training.observers.evaluations import read_lines
from atarigan.training.observers.history import draw_curves, read_rows
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

INTERVAL_S = 60.0


class RunPage(Observer):
    """Writes the page every minute and at the end."""

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        self._folder = folder
        self._last_s = trainer.elapsed_s

    def after_step(self, trainer: Trainer) -> None:
        if trainer.elapsed_s - self._last_s >= INTERVAL_S:
            self._last_s = trainer.elapsed_s
            draw_curves(self._folder)
            write_page(self._folder, trainer)

    def at_end(self, trainer: Trainer) -> None:
        write_page(self._folder, trainer)


def write_page(folder: RunFolder, trainer: Trainer) -> None:
    """Write the page of a run as it is now."""
    config = trainer.config
    page = Page(
        f"{folder.path.name}: {config.network} on {config.source}",
        f"{config.objective} with penalty {config.penalty}, samples of shape "
        f"{trainer.model.sample.shape}, {trainer.plan}",
    )
    page.figures(dict(_figures(folder, trainer)))
    for title, path in _pictures(folder):
        if path.exists():
            page.picture(title, path)
    page.heading("Settings")
    page.settings(_settings(config))
    page.heading("Go on")
    page.code("\n".join(_commands(folder, trainer)))
    page.write(folder.page)


def _figures(folder: RunFolder, trainer: Trainer) -> Iterator[tuple[str, str]]:
    """The run's figures by name."""
    elapsed_s = max(trainer.elapsed_s, 1e-9)
    unit = "images" if trainer.model.sample.frame_format is not None else "points"
    yield unit, f"{trainer.num_images:,}"
    yield "epochs", f"{trainer.num_images / trainer.source.num_samples:,.1f}"
    yield "generator updates", f"{trainer.num_steps * trainer.config.generator_steps:,}"
    yield "minutes", f"{elapsed_s / 60:,.1f}"
    yield f"{unit} per second", f"{trainer.num_images / elapsed_s:,.0f}"
    rows = read_rows(folder.history)
    if rows:
        yield "critic loss", f"{rows[-1]['critic_loss']:.3g}"
        yield "generator loss", f"{rows[-1]['generator_loss']:.3g}"
    if folder.codes.exists():
        use = typed_json.read_json(folder.codes, CodeUse)
        yield "bits of the code", f"{use.bits:.0f} of {use.bits_at_most:.0f}"
    for line in read_lines(folder)[-1:]:
        score = line["scores"][line["headline"]]
        yield line["headline"].replace("_", " "), f"{score['value']:.3g}"
        yield "floor (real samples)", f"{score['floor']:.3g}"
        yield "evaluated on", "its training data"


def _pictures(folder: RunFolder) -> Iterator[tuple[str, Path]]:
    samples = folder.all_samples()
    if samples:
        yield "Newest samples", samples[-1]
    yield "Real and generated", folder.real_beside_generated
    yield "What moves, and the bytes that move it", folder.positions_picture
    yield "Training", folder.animation(".mp4")
    yield "Losses and accuracy", folder.curves


def _settings(config: RunConfig) -> dict[str, list[tuple[str, Any]]]:
    """Settings that differ from the defaults, then the others."""
    values, defaults = dataclasses.asdict(config), dataclasses.asdict(RunConfig())
    return {
        "set for this run": [(k, v) for k, v in values.items() if v != defaults[k]],
        "defaults": [(k, v) for k, v in values.items() if v == defaults[k]],
    }


def _commands(folder: RunFolder, trainer: Trainer) -> Iterator[str]:
    run = shlex.quote(str(folder.path))
    minutes = max(1, math.ceil(2 * trainer.elapsed_s / 60))
    yield f"python -m atarigan.train --out {run} --resume --max-minutes {minutes}"
    yield f"python -m atarigan.evaluate --run {run}"
    yield f"python -m atarigan.sample --run {run} --out samples.png"
    if trainer.model.sample.frame_format is not None:
        yield f"python -m atarigan.sample --run {run} --out walk.mp4 --num 150"
