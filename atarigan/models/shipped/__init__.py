"""Trained generators that come with the package, one folder each: weights, configuration, card."""

from pathlib import Path

from gymnasium.envs.registration import EnvSpec

from atarigan.errors import InputError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of the shipped generators, sorted; they are games as ALE names them."""
    return sorted(path.parent.name for path in FOLDER.glob("*/generator.safetensors"))


def resolved(source: str | Path) -> Path:
    """Return the folder of a path or of a shipped name; an existing path takes precedence."""
    path = Path(source)
    if isinstance(source, str) and source in names() and not path.exists():
        return FOLDER / source
    return path


def for_environment(spec: EnvSpec) -> str:
    """Return the name of the shipped generator for an ALE environment.

    Raises:
        InputError: none is shipped for its game.
    """
    game = spec.kwargs.get("game")
    if game not in names():
        raise InputError(
            f"generator must be named for {spec.id}: those that come with atarigan know "
            f"{' and '.join(names())}"
        )
    return str(game)
