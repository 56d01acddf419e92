"""What names a model: a folder, what comes with the package by its name, or `hf://USER/NAME`."""

from collections.abc import Mapping
from pathlib import Path

from atarigan.errors import InputError, did_you_mean
from atarigan.files import typed_json
from atarigan.models import hub, shipped
from atarigan.models.shipped import DREAM_FOLDER, DREAM_SETTINGS

NETWORK = "network"  # the family of dreams that networks predict; trees predict all others


def resolved(source: str | Path) -> Path:
    """Return the folder of a generator: of a path, of a shipped name, or of a name on the Hub,
    which is downloaded. An existing path takes precedence.

    Raises:
        InputError: nothing is there, no generator of that name is shipped, or the Hub has none.
    """
    folders = {name: shipped.FOLDER / name for name in shipped.names()}
    return _resolved(source, folders, "generator", "atarigan.train")


def resolved_dream(source: str | Path) -> Path:
    """Return the folder of a dream, of what `resolved` takes, or of the name of a shipped dream.

    Raises:
        InputError: nothing is there, no dream of that name is shipped, or the Hub has none.
    """
    folders = {name: shipped.FOLDER / name / DREAM_FOLDER for name in shipped.names_of_dreams()}
    name = str(source).removesuffix(f"/{DREAM_FOLDER}")
    if name in folders and isinstance(source, str) and not Path(source).exists():
        source = name
    return _resolved(source, folders, "dream", "atarigan.train --recipe dream")


def is_dream(source: str | Path) -> bool:
    """Return whether a path or a name is that of a dream, where it may also be a generator's.

    The name of a game that has both means its generator, and NAME/dream its dream.

    Raises:
        InputError: it names a model on the Hub, which cannot be downloaded.
    """
    folder = _folder(source)
    if folder is not None:
        return (folder / DREAM_SETTINGS).is_file()
    name = str(source).removesuffix(f"/{DREAM_FOLDER}")
    return name in shipped.names_of_dreams() and (
        name != str(source) or name not in shipped.names()
    )


def family_of(folder: Path) -> str | None:
    """Return the family that a dream's settings name; None for trees.

    Raises:
        InputError: the settings are missing or damaged.
    """
    settings = typed_json.load_json(folder / DREAM_SETTINGS)
    return settings.get("family") if isinstance(settings, dict) else None


def is_network_dream(source: str | Path) -> bool:
    """Return whether a path or a name is that of a dream that networks predict.

    Raises:
        InputError: it names a model on the Hub, which cannot be downloaded, or is damaged.
    """
    folder = _folder(source)
    return (
        folder is not None and (folder / DREAM_SETTINGS).is_file() and family_of(folder) == NETWORK
    )


def has_dream(source: str | Path) -> bool:
    """Return whether a path or a name is that of a dream, or the name of a game that has one."""
    return is_dream(source) or (
        str(source) in shipped.names_of_dreams() and not Path(source).exists()
    )


def _resolved(source: str | Path, folders: Mapping[str, Path], kind: str, command: str) -> Path:
    folder = _folder(source)
    if folder is not None:
        return folder
    if isinstance(source, str) and source in folders:
        return folders[source]
    path = Path(source)
    expected = f"expected a folder that {command} wrote"
    if path.name == str(source) and folders:
        expected += f", or a shipped {kind}: {did_you_mean(path.name, folders)}"
    raise InputError(f"{path} does not exist: {expected}")


def _folder(source: str | Path) -> Path | None:
    """Return the folder of a path or of a name on the Hub; None for other names."""
    if Path(source).exists():
        return Path(source)
    return hub.downloaded(hub.parsed(str(source))) if hub.is_name(source) else None
