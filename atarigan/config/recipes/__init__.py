"""Recipes: named configurations in TOML files. The first line of each is its summary."""

import dataclasses
import tomllib
from importlib.resources import files

from atarigan.config.run_config import RunConfig
from atarigan.errors import InputError, did_you_mean
from atarigan.files import typed_json

_SUFFIX = ".toml"
_FRAMES, _IMAGES, _POINTS = "atari", "images", "points"
DEFAULT_RECIPES = {
    "frames": _FRAMES,
    "mnist": _IMAGES,
    "fashion-mnist": _IMAGES,
    "cifar10": _IMAGES,
    "folder": _IMAGES,
    "sine": "sine",
    "ring": _POINTS,
    "grid": _POINTS,
    "spiral": _POINTS,
}


def load_recipe(name: str) -> RunConfig:
    """Load a recipe by name.

    Raises:
        InputError: there is no such recipe.
    """
    texts = _texts()
    if name not in texts:
        raise InputError(f"unknown recipe {name!r}: {did_you_mean(name, texts)}")
    return parse_recipe(texts[name], f"recipe {name}")


def parse_recipe(text: str, where: str) -> RunConfig:
    """Parse the text of a recipe.

    Args:
        text: TOML.
        where: what the text is, to begin messages with.

    Raises:
        InputError: the text is not TOML, or not a configuration.
    """
    try:
        settings = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not valid TOML: {error}") from None
    return typed_json.from_dict(RunConfig, settings, where)


def default_config(source: str) -> RunConfig:
    """Return the default configuration of a source."""
    recipe = DEFAULT_RECIPES.get(source, _FRAMES)  # the source is checked when it is opened
    return dataclasses.replace(load_recipe(recipe), source=source)


def recipe_summaries() -> dict[str, str]:
    """Return the summary of each recipe by name, in alphabetical order."""
    return {name: text.partition("\n")[0].strip("# ") for name, text in _texts().items()}


def _texts() -> dict[str, str]:
    found = [file for file in files(__name__).iterdir() if file.name.endswith(_SUFFIX)]
    return {
        file.name.removesuffix(_SUFFIX): file.read_text(encoding="utf-8")
        for file in sorted(found, key=lambda file: file.name)
    }
