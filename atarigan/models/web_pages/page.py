"""Writes a page that draws a generator's frames, and plays its dream if there is one."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atarigan.errors import InputError
from atarigan.models import shipped
from atarigan.models.dream_frames import fixed_latent, generator_of
from atarigan.models.dynamics.dream import Dream
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.web_pages.dream_tables import dream_model
from atarigan.models.web_pages.generator_tables import Tables, WebModel, generator_model
from atarigan.models.web_pages.shown_bytes import shown_bytes
from atarigan.pictures.play_page import write_play_page


def write_page(source: str | Path, out: Path) -> None:
    """Write the page of a run, a checkpoint, a dream, or the name of a shipped generator, with the
    dream that comes with it; a reader never sees a part of it.

    Raises:
        InputError: it is missing or damaged, or no page can run it.
    """
    generator, dream = loaded(source)
    title = _title(generator, source)
    model = _with_dream(generator_model(generator), dream)
    settings = model.settings | {"title": title} | _state_settings(generator)
    write_play_page(out, title, settings, model.tables | _latent_tables(generator))


def loaded(source: str | Path) -> tuple[FrameGenerator, Dream | None]:
    """Load a generator, and the dream that it draws.

    Raises:
        InputError: it is missing or damaged, or the dream has no generator.
    """
    if not shipped.has_dream(source):
        return FrameGenerator.load(source, "cpu"), None
    dream = Dream.load(source)
    return generator_of(dream, "cpu"), dream


def _with_dream(model: WebModel, dream: Dream | None) -> WebModel:
    if dream is None:
        return WebModel(model.settings | {"dream": None}, model.tables)
    played = dream_model(dream)
    num_bytes = dream.dynamics.num_bytes
    if num_bytes != model.settings["numBytes"]:
        raise InputError(
            f"the generator must read {num_bytes} bytes, not {model.settings['numBytes']}"
        )
    return WebModel(model.settings | played.settings, model.tables | played.tables)


def _state_settings(generator: FrameGenerator) -> dict[str, Any]:
    bytes_of_page = shown_bytes(generator) if generator.reads_ram else []
    return {"bytes": [asdict(each) for each in bytes_of_page]}


def _latent_tables(generator: FrameGenerator) -> Tables:
    """The latent that a page begins with, which is that of a dream's frames."""
    return {"latent": fixed_latent(generator)[0]}


def _title(generator: FrameGenerator, source: str | Path) -> str:
    """The id of the game without its namespace and version, or else the name of the source."""
    env_id = generator.provenance.env_id
    return Path(source).name if env_id is None else re.sub(r"^.*/|-v\d+$", "", env_id)
