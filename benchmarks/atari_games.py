"""Lists of Atari games, by the names that Gymnasium's ids have."""

import re
from collections.abc import Sequence

from atarigan.errors import InputError, did_you_mean

_NAMES = """
Alien Amidar Assault Asterix Asteroids Atlantis BankHeist BattleZone BeamRider Berzerk Bowling
Boxing Breakout Centipede ChopperCommand CrazyClimber Defender DemonAttack DoubleDunk Enduro
FishingDerby Freeway Frostbite Gopher Gravitar Hero IceHockey Jamesbond Kangaroo Krull
KungFuMaster MontezumaRevenge MsPacman NameThisGame Phoenix Pitfall Pong PrivateEye Qbert
Riverraid RoadRunner Robotank Seaquest Skiing Solaris SpaceInvaders StarGunner Surround Tennis
TimePilot Tutankham UpNDown Venture VideoPinball WizardOfWor YarsRevenge Zaxxon
"""
ATARI57 = tuple(_NAMES.split())
"""The usual benchmark (Wang et al. 2016, arXiv:1511.06581)."""


def game_of(env_id: str) -> str:
    """Return the name of the game that an id such as ALE/Pong-v5 makes."""
    return env_id.removeprefix("ALE/").removesuffix("-v5")


def games_named(words: Sequence[str]) -> list[str]:
    """Return the games for words that are each a game, `atari57`, or `all`.

    Raises:
        InputError: a word is none of these.
    """
    known = _all_games()
    games: list[str] = []
    for word in words:
        if word == "atari57":
            games += ATARI57
        elif word == "all":
            games += known
        elif word in known:
            games.append(word)
        else:
            choices = (*known, "atari57", "all")
            raise InputError(f"unknown game {word!r}: {did_you_mean(word, choices)}")
    return list(dict.fromkeys(games))


def _all_games() -> list[str]:
    """Every game of which ALE has a version 5."""
    import ale_py
    import gymnasium

    gymnasium.register_envs(ale_py)
    found = (re.fullmatch(r"ALE/(\w+)-v5", name) for name in gymnasium.registry)
    return sorted(match.group(1) for match in found if match)
