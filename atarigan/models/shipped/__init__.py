"""Trained generators that come with the package, one folder each: weights, configuration, card."""

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
    path = Path(source)
    if path.exists():
        return path
    if isinstance(source, str) and source in names():
        return FOLDER / source
    expected = "expected a folder that atarigan.train wrote"
    if path.name == str(source):
        expected += f", or a shipped generator: {did_you_mean(path.name, names())}"
    raise InputError(f"{path} does not exist: {expected}")


def names_of_dreams() -> list[str]:
    """Return the names of the shipped dreams, sorted; they are games as ALE names them."""
    return sorted(path.parents[1].name for path in FOLDER.glob(f"*/{_DREAM}/{DREAM_SETTINGS}"))


def resolved_dream(source: str | Path) -> Path:
    """Return the folder of a path or of a shipped dream's name; an existing path takes precedence.

    Raises:
        InputError: nothing is there, and no dream of that name is shipped.
    """
    path = Path(source)
    if path.exists():
        return path
    if isinstance(source, str) and source.removesuffix(f"/{_DREAM}") in names_of_dreams():
        return FOLDER / source.removesuffix(f"/{_DREAM}") / _DREAM
    expected = "expected a folder that atarigan.train --recipe dream wrote"
    if path.name == str(source) and names_of_dreams():
        expected += f", or a shipped dream: {did_you_mean(path.name, names_of_dreams())}"
    raise InputError(f"{path} does not exist: {expected}")


def is_dream(source: str | Path) -> bool:
    """Return whether a path or a name is that of a dream, where it may also be a generator's.

    The name of a game that has both means its generator, and NAME/dream its dream.
    """
    path = Path(source)
    if path.exists():
        return (path / DREAM_SETTINGS).is_file()
    name = str(source).removesuffix(f"/{_DREAM}")
    return name in names_of_dreams() and (name != str(source) or name not in names())


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
