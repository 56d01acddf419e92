"""What ALE itself knows about its games: ids, screens, and the settings in which it starts them."""

import functools
from pathlib import Path
from typing import NamedTuple

SETTINGS = ("mode", "difficulty")  # of the console's switches; ALE numbers them for each game


def ale_id(rom: str) -> str:
    """Return the Gymnasium id of ALE's game with this ROM, such as "space_invaders"."""
    from ale_py.registration import rom_id_to_name

    return f"ALE/{rom_id_to_name(rom)}-v5"


def default_settings(game: str) -> dict[str, int]:
    """Return the mode and the difficulty in which ALE starts a game.

    Args:
        game: the name of the game, as `atarigan.data.provenance.game_of` returns it.

    Returns:
        The number of each setting by its name; empty for games that ALE does not have.
    """
    known = _known(game)
    return {} if known is None else dict(zip(SETTINGS, known.settings, strict=True))


def screen_size(game: str) -> tuple[int, int] | None:
    """Return the lines and columns of a game's screen; None for games that ALE does not have."""
    known = _known(game)
    return None if known is None else known.screen_size


class _Known(NamedTuple):
    settings: tuple[int, int]
    screen_size: tuple[int, int]


@functools.cache
def _known(game: str) -> _Known | None:
    """Ask ALE about a game."""
    from ale_py import ALEInterface, LoggerMode, roms

    paths = {rom.replace("_", ""): roms.get_rom_path(rom) for rom in roms.get_all_rom_ids()}
    path = paths.get(game)
    # ALE ends the process if it loads a ROM that it does not support
    if path is None or not ALEInterface.isSupportedROM(Path(path)):
        return None
    ALEInterface.setLoggerMode(LoggerMode.Error)
    ale = ALEInterface()
    ale.loadROM(path)
    state = ale.cloneState()
    lines, columns = ale.getScreenDims()
    return _Known((state.getCurrentMode(), state.getDifficulty()), (lines, columns))
