"""Trained generators and dreams that come with the package, by game: weights, settings, cards."""

from collections.abc import Mapping
from pathlib import Path

from gymnasium.envs.registration import EnvSpec

from atarigan.errors import InputError, did_you_mean

FOLDER = Path(__file__).parent
DREAM_SETTINGS = "dream.json"  # the file that makes a folder that of a dream
_DREAM = "dream"


def names() -> list[str]:
    """Return the names of the shipped generators, sorted; they are games as ALE names them."""
    return sorted(path.parent.name for path in FOLDER.glob("*/generator.safetensors"))


def resolved(source: str | Path) -> Path:
    """Return the folder of a path or of a shipped name; an existing path takes precedence.

    Raises:
        InputError: nothing is there, and no generator of that name is shipped.
    """
    folders = {name: FOLDER / name for name in names()}
    return _resolved(source, folders, "generator", "atarigan.train")


def names_of_dreams() -> list[str]:
    """Return the names of the shipped dreams, sorted; they are games as ALE names them."""
    return sorted(path.parents[1].name for path in FOLDER.glob(f"*/{_DREAM}/{DREAM_SETTINGS}"))


def resolved_dream(source: str | Path) -> Path:
    """Return the folder of a path or of a shipped dream's name; an existing path takes precedence.

    Raises:
        InputError: nothing is there, and no dream of that name is shipped.
    """
    folders = {name: FOLDER / name / _DREAM for name in names_of_dreams()}
    name = str(source).removesuffix(f"/{_DREAM}")
    if name in folders and isinstance(source, str) and not Path(source).exists():
        source = name
    return _resolved(source, folders, "dream", "atarigan.train --recipe dream")


def is_dream(source: str | Path) -> bool:
    """Return whether a path or a name is that of a dream, where it may also be a generator's.

    The name of a game that has both means its generator, and NAME/dream its dream.
    """
    path = Path(source)
    if path.exists():
        return (path / DREAM_SETTINGS).is_file()
    name = str(source).removesuffix(f"/{_DREAM}")
    return name in names_of_dreams() and (name != str(source) or name not in names())


def has_dream(source: str | Path) -> bool:
    """Return whether a path or a name is that of a dream, or the name of a game that has one."""
    return is_dream(source) or (str(source) in names_of_dreams() and not Path(source).exists())


def for_environment(spec: EnvSpec) -> str:
    """Return the name of the shipped generator for an ALE environment.

    Raises:
        InputError: none is shipped for its game.
    """
    game = spec.kwargs.get("game")
    if game not in names():
        raise InputError(
            f"generator must be named for {spec.id}: those that come with atarigan know "
            f"{', '.join(names())}"
        )
    return str(game)


def _resolved(source: str | Path, folders: Mapping[str, Path], kind: str, command: str) -> Path:
    path = Path(source)
    if path.exists():
        return path
    if isinstance(source, str) and source in folders:
        return folders[source]
    expected = f"expected a folder that {command} wrote"
    if path.name == str(source) and folders:
        expected += f", or a shipped {kind}: {did_you_mean(path.name, folders)}"
    raise InputError(f"{path} does not exist: {expected}")
