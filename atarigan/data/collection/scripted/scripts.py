"""The games that scripted players know."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.policy import Policy
from atarigan.data.collection.scripted.bowling import BowlingTeacher
from atarigan.data.collection.scripted.boxing import BoxingTeacher
from atarigan.data.collection.scripted.cart_pole import CartPoleTeacher
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
        teacher: makes the teacher from the name of each action.
        drawn: makes a player that draws at random as well, from the name of each action and a
            random generator; None if the teacher plays.
        swapped_share: share of blocks of pixels that come from other games while a policy learns
            from the teacher. It makes the policy tolerate wrong pixels, and less exact.
    """

    title: str
    teacher: Callable[[Meanings], Teacher]
    drawn: Callable[[Meanings, np.random.Generator], Policy] | None = None
    swapped_share: float = 0.01

    def player(self, meanings: Meanings, rng: np.random.Generator) -> Policy:
        """Make the player."""
        return self.teacher(meanings) if self.drawn is None else self.drawn(meanings, rng)


SCRIPTS = {
    "pong": Script("Pong", partial(PaddleTeacher, PONG), partial(PaddlePlayer, PONG)),
    "breakout": Script(
        "Breakout", partial(PaddleTeacher, BREAKOUT), partial(PaddlePlayer, BREAKOUT)
    ),
    "boxing": Script("Boxing", BoxingTeacher),
    "bowling": Script("Bowling", BowlingTeacher),
    # its velocities show in tenths of pixels
    "CartPole-v1": Script("CartPole-v1", CartPoleTeacher, swapped_share=0),
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
    spec = env.env.spec
    name = env.game or (spec.id if spec else "this environment")
    if name not in SCRIPTS or (env.is_ale and not env.action_meanings):
        raise InputError(
            f"policy scripted plays {known_titles()} with discrete actions, not {name}"
        )
    return SCRIPTS[name]
