"""Trained generators and dreams that come with the package, by game: weights, settings, cards."""

from pathlib import Path

from gymnasium.envs.registration import EnvSpec

from atarigan.errors import InputError

FOLDER = Path(__file__).parent
DREAM_SETTINGS = "dream.json"  # the file that makes a folder that of a dream
DREAM_FOLDER = "dream"  # in the folder of a game


def names() -> list[str]:
    """Return the names of the shipped generators, sorted; they are games as ALE names them."""
    return sorted(path.parent.name for path in FOLDER.glob("*/generator.safetensors"))


def names_of_dreams() -> list[str]:
    """Return the names of the shipped dreams, sorted; they are games as ALE names them."""
    return sorted(
        path.parents[1].name for path in FOLDER.glob(f"*/{DREAM_FOLDER}/{DREAM_SETTINGS}")
    )


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
