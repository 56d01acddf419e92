"""Writes a page that draws a generator's frames, and plays its dream if there is one."""

import re
from dataclasses import asdict
from pathlib import Path

from atarigan.config.condition import RAM
from atarigan.data.states import StateSpec
from atarigan.errors import InputError
from atarigan.models import model_source
from atarigan.models.dream_frames import fixed_latent, generator_of
from atarigan.models.dynamics.dream import Dream
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.web_pages.dream_tables import dream_model
from atarigan.models.web_pages.generator_tables import WebModel, generator_model
from atarigan.models.web_pages.shown_bytes import shown_bytes
from atarigan.pictures.play_page import write_play_page


def write_page(source: str | Path, out: Path) -> None:
    """Write the page of a run, a checkpoint, a dream, or the name of a shipped generator, with the
    dream that comes with it; a reader never sees a part of it.

    Raises:
        InputError: it is missing or damaged, no page can run it, or the page would be too large.
    """
    generator, dream = loaded(source)
    title = _title(generator, source)
    write_play_page(out, title, *web_model(generator, dream, title))


def loaded(source: str | Path) -> tuple[FrameGenerator, Dream | None]:
    """Load a generator, and the dream that it draws.

    Raises:
        InputError: it is missing or damaged, or the dream has no generator.
    """
    if not model_source.has_dream(source):
        return FrameGenerator.load(source, "cpu"), None
    dream = Dream.load(source)
    return generator_of(dream, "cpu"), dream


def web_model(generator: FrameGenerator, dream: Dream | None = None, title: str = "") -> WebModel:
    """Return what a page runs: a generator, and a dream of the RAM that it reads.

    The latent that a page begins with is that of a dream's frames.

    Raises:
        InputError: no page can run it.
    """
    drawn, played = generator_model(generator), _played(generator, dream)
    known = shown_bytes(generator) if generator.reads_ram else []
    settings = {"title": title, "bytes": [asdict(each) for each in known]}
    tables = drawn.tables | played.tables | {"latent": fixed_latent(generator)[0]}
    return WebModel(drawn.settings | played.settings | settings, tables)


def _played(generator: FrameGenerator, dream: Dream | None) -> WebModel:
    if dream is None:
        return WebModel({"dream": None}, {})
    ram, state = StateSpec.of(RAM, dream.dynamics.num_bytes), generator.state
    if not ram.suffices_for(state):
        raise InputError(f"the generator must read {ram}, not {state or 'nothing'}")
    return dream_model(dream, shows_action=state != ram)


def _title(generator: FrameGenerator, source: str | Path) -> str:
    """The id of the game without its namespace and version, or else the name of the source."""
    env_id = generator.provenance.env_id
    return Path(source).name if env_id is None else re.sub(r"^.*/|-v\d+$", "", env_id)
