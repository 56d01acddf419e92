"""The games that scripted players know."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.policy import Policy
from atarigan.data.collection.scripted.paddle_games import (
    BREAKOUT,
    PONG,
    PaddlePlayer,
    PaddleTeacher,
)
from atarigan.data.collection.scripted.teacher import Teacher
from atarigan.errors import InputError

Meanings = tuple[str, ...]


@dataclass(frozen=True)
class Script:
    """How a game is played.

    Attributes:
        title: what messages call the game.
        player: makes the player from the name of each action and a random generator.
        teacher: makes the teacher from the name of each action.
    """

    title: str
    player: Callable[[Meanings, np.random.Generator], Policy]
    teacher: Callable[[Meanings], Teacher]


SCRIPTS = {
    "pong": Script("Pong", partial(PaddlePlayer, PONG), partial(PaddleTeacher, PONG)),
    "breakout": Script(
        "Breakout", partial(PaddlePlayer, BREAKOUT), partial(PaddleTeacher, BREAKOUT)
    ),
}


def known_titles() -> str:
    """Return the titles of all games, as a list in a sentence."""
    *others, last = (script.title for script in SCRIPTS.values())
    return f"{', '.join(others)} and {last}"


def script_of(env: AgentSteps) -> Script:
    """Return how an environment is played.

    Raises:
        InputError: no scripted player can play it.
    """
    if env.game not in SCRIPTS or not env.action_meanings:
        raise InputError(
            f"policy scripted plays {known_titles()} with discrete actions, "
            f"not {env.game or 'an environment that is not ALE'}"
        )
    return SCRIPTS[env.game]
