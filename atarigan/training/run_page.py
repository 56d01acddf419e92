"""index.html: one page that shows a run, pictures included, without network or server."""

import base64
import dataclasses
import math
import shlex
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from atarigan.run_config import RunConfig
from atarigan.training.history import draw_curves, read_rows
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

INTERVAL_S = 60.0
_MIME = {".png": "image/png", ".gif": "image/gif", ".mp4": "video/mp4"}


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
    """Write the page of a run as it stands."""
    config = trainer.config
    template = files("atarigan.training").joinpath("run_page.html").read_text(encoding="utf-8")
    page = Template(template).substitute(
        title=escape(f"{folder.path.name}: {config.network} on {config.source}"),
        subtitle=escape(
            f"{config.objective} with penalty {config.penalty}, samples of shape "
            f"{trainer.model.sample.shape}, {trainer.plan}"
        ),
        figures="\n".join(_figures(folder, trainer)),
        pictures="\n".join(_pictures(folder)),
        settings="\n".join(_settings(config)),
        commands=escape("\n".join(_commands(folder, trainer))),
    )
    temporary = folder.page.with_name("new-index.html")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(folder.page)


def _figures(folder: RunFolder, trainer: Trainer) -> Iterator[str]:
    """What the run has come to, a box each."""
    elapsed_s = max(trainer.elapsed_s, 1e-9)
    unit = "images" if trainer.model.sample.frame_format is not None else "points"
    shown = {
        unit: f"{trainer.num_images:,}",
        "epochs": f"{trainer.num_images / trainer.source.num_samples:,.1f}",
        "generator updates": f"{trainer.num_steps * trainer.config.generator_steps:,}",
        "minutes": f"{elapsed_s / 60:,.1f}",
        f"{unit} per second": f"{trainer.num_images / elapsed_s:,.0f}",
    }
    rows = read_rows(folder.history)
    if rows:
        shown |= {
            "critic loss": f"{rows[-1]['critic_loss']:.3g}",
            "generator loss": f"{rows[-1]['generator_loss']:.3g}",
        }
    for name, value in shown.items():
        yield f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _pictures(folder: RunFolder) -> Iterator[str]:
    samples = folder.all_samples()
    shown: list[tuple[str, Path]] = [("Newest samples", samples[-1])] if samples else []
    shown += [
        ("Real beside generated", folder.real_beside_generated),
        ("Training", folder.animation(".mp4")),
        ("Losses and accuracy", folder.curves),
    ]
    for title, path in shown:
        if path.exists():
            data = base64.b64encode(path.read_bytes()).decode()
            source = f"data:{_MIME[path.suffix]};base64,{data}"
            element = (
                f'<video src="{source}" autoplay loop muted controls playsinline></video>'
                if path.suffix == ".mp4"
                else f'<img src="{source}" alt="{escape(title)}">'
            )
            yield f"<h2>{escape(title)}</h2>\n{element}"


def _settings(config: RunConfig) -> Iterator[str]:
    """What differs from the defaults, then the rest."""
    values, defaults = dataclasses.asdict(config), dataclasses.asdict(RunConfig())
    changed = {name: value for name, value in values.items() if value != defaults[name]}
    yield _table("set for this run", changed.items())
    yield _table("defaults", ((k, v) for k, v in values.items() if k not in changed))


def _table(caption: str, rows: Iterable[tuple[str, Any]]) -> str:
    cells = (f"<tr><td>{escape(k)}</td><td>{escape(str(v))}</td></tr>" for k, v in rows)
    return f"<table><caption>{escape(caption)}</caption>{''.join(cells)}</table>"


def _commands(folder: RunFolder, trainer: Trainer) -> Iterator[str]:
    run = shlex.quote(str(folder.path))
    minutes = max(1, math.ceil(2 * trainer.elapsed_s / 60))
    yield f"python -m atarigan.train --out {run} --resume --max-minutes {minutes}"
    yield f"python -m atarigan.sample --run {run} --out samples.png"
    if trainer.model.sample.frame_format is not None:
        yield f"python -m atarigan.sample --run {run} --out walk.mp4 --num 150"
