"""Trained generators that come with the package, a folder each: weights, configuration, and a card.

Nothing here is loaded before it is asked for.
"""

from pathlib import Path

from gymnasium.envs.registration import EnvSpec

from atarigan.errors import InputError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Of all of them, in order: games as ALE calls them."""
    return sorted(path.parent.name for path in FOLDER.glob("*/generator.safetensors"))


def resolved(source: str | Path) -> Path:
    """The folder that is meant by a path, or else by the name of a shipped generator."""
    path = Path(source)
    if isinstance(source, str) and source in names() and not path.exists():
        return FOLDER / source
    return path


def for_environment(spec: EnvSpec) -> str:
    """The name of the generator for an environment of ALE's.

    Raises:
        InputError: none is shipped for it.
    """
    game = spec.kwargs.get("game")
    if game not in names():
        raise InputError(
            f"generator must be named for {spec.id}: those that come with atarigan know "
            f"{' and '.join(names())}"
        )
    return str(game)
