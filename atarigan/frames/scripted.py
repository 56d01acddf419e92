"""Players of Pong and Breakout that read ball and paddle off the console's memory."""

from dataclasses import dataclass, replace

import numpy as np

from atarigan.errors import InputError
from atarigan.frames.agent_steps import AgentSteps
from atarigan.frames.screen import Screen

_UNHURRIED = 3  # agent steps
_COASTING = 0.5  # of what the paddle moved in the last agent step, what it still moves
NUM_READ = 3


@dataclass(frozen=True)
class PaddleGame:
    """Where a game of ball and paddle keeps its state, and how the paddle answers.

    The ball comes across the field to the line that the paddle moves along. Places are in the
    game's own units, one a pixel.

    Attributes:
        across: RAM byte of the ball's place on its way to the paddle's line; 0 means no ball.
        along: RAM byte of the ball's place in the paddle's direction; 0 means no ball.
        paddle: RAM byte of the paddle's place.
        line: `across` where the ball meets the paddle.
        walls: the values of `along` that the ball bounces off.
        middle: `along` less `paddle` where the ball meets the paddle's middle.
        drift: how far the paddle still moves after a press of 4 emulator frames, at once and an
            agent step later.
        home: `paddle` in the middle of the field.
        reach: `PaddlePlayer` draws how far from its middle the paddle may meet the ball from this
            range, anew each time; a whole paddle's half is about 9.
        least: where there is time, the paddle moves on until the ball meets it no nearer to its
            middle than this, for steeper shots; 0 where those do not pay.
        tracking_pays: whether `TrackingPlayer` scores well.
        back, forth: meanings of the actions that make `paddle` smaller and larger.
    """

    across: int
    along: int
    paddle: int
    line: float
    walls: tuple[float, float]
    middle: float
    drift: tuple[float, float]
    home: float
    reach: tuple[float, float]
    least: float
    tracking_pays: bool
    back: str
    forth: str


# Found by fitting every RAM byte to the places of ball and paddle on the screen, and by pressing
# single actions without sticky ones.
GAMES = {
    "breakout": PaddleGame(
        across=101,
        along=99,
        paddle=72,
        line=179,
        walls=(57, 200),
        middle=9,
        drift=(12.5, 1),
        home=119,
        reach=(7, 10),
        least=0,
        tracking_pays=True,
        back="LEFT",
        forth="RIGHT",
    ),
    "pong": PaddleGame(
        across=49,
        along=54,
        paddle=51,
        line=189.5,
        walls=(44, 207),
        middle=6.5,
        drift=(12, 3),
        home=118,
        reach=(10, 11),
        least=4,
        tracking_pays=False,
        back="RIGHT",
        forth="LEFT",
    ),
}


class PaddlePlayer:
    """Goes where the ball will come down, and lets the paddle's edge meet it now and then.

    One press moves the paddle further than half its width, so it presses only while the ball would
    miss the part of the paddle within reach. Serves with FIRE.

    Args:
        game: one of `GAMES`.
        meanings: name of each action.
        rng: draws the reach.
    """

    def __init__(
        self, game: PaddleGame, meanings: tuple[str, ...], rng: np.random.Generator
    ) -> None:
        self._game = game
        self._meanings = meanings
        self._rng = rng
        self._serve = meanings.index("FIRE")
        self._actions = {
            -1: meanings.index(game.back),
            0: meanings.index("NOOP"),
            1: meanings.index(game.forth),
        }

    @property
    def places(self) -> list[int]:
        """The RAM bytes that it reads, `NUM_READ` of them."""
        return [self._game.across, self._game.along, self._game.paddle]

    def begin_episode(self) -> None:
        self._ball: tuple[int, int] | None = None
        self._presses = (0, 0)  # of the last agent step and the one before
        self._reach = self._game.reach[1]

    def act(self, screen: Screen) -> int:
        ram = screen.ram()
        assert ram is not None
        before = self._ball
        self._ball = int(ram[self._game.across]), int(ram[self._game.along])
        if 0 in self._ball:
            self._ball = None
            self._presses = 0, self._presses[0]
            return self._serve
        press = 0
        if before is not None:
            speed = self._ball[0] - before[0], self._ball[1] - before[1]
            press = self._press(self._ball, speed, int(ram[self._game.paddle]))
        self._presses = press, self._presses[0]
        return self._actions[press]

    def did(self, action: int) -> None:
        """Take notice that this was done instead of the last answer."""
        meaning = self._meanings[action]
        press = 1 if meaning.startswith(self._game.forth) else 0
        press -= 1 if meaning.startswith(self._game.back) else 0
        self._presses = press, self._presses[1]

    def _press(self, ball: tuple[int, int], speed: tuple[int, int], paddle: int) -> int:
        """-1, 0 or 1: the way to go."""
        game = self._game
        rest = paddle + game.drift[0] * self._presses[0] + game.drift[1] * self._presses[1]
        if speed[0] > 0:
            time_left = (game.line - ball[0]) / speed[0]
            gap = self._folded(ball[1] + speed[1] * time_left) - game.middle - rest
            beyond = abs(abs(gap) - game.drift[0])
            if abs(gap) < game.least and time_left > _UNHURRIED and beyond <= self._reach:
                return 1 if gap > 0 else -1
        else:
            self._reach = self._rng.uniform(*game.reach)
            gap = game.home - rest
        return 0 if abs(gap) <= self._reach else 1 if gap > 0 else -1

    def _folded(self, along: float) -> float:
        """A place beyond the walls, as bouncing off them brings it back."""
        low, high = self._game.walls
        beyond = (along - low) % (2 * (high - low))
        return low + min(beyond, 2 * (high - low) - beyond)


class TrackingPlayer(PaddlePlayer):
    """Stays under the ball wherever it goes: weaker, but two frames show all it goes by."""

    def begin_episode(self) -> None:
        super().begin_episode()
        self._paddle: int | None = None

    def _press(self, ball: tuple[int, int], speed: tuple[int, int], paddle: int) -> int:
        moved = 0 if self._paddle is None else paddle - self._paddle
        self._paddle = paddle
        place = self._folded(ball[1] + speed[1]) - self._game.middle
        gap = place - (paddle + _COASTING * moved)
        return 0 if abs(gap) <= self._reach else 1 if gap > 0 else -1


def scripted_game(env: AgentSteps) -> PaddleGame:
    """What the scripted player must know to play in an environment.

    Raises:
        InputError: there is no script for it.
    """
    if env.game not in GAMES or not env.action_meanings:
        raise InputError(
            "policy scripted plays Pong and Breakout with discrete actions, "
            f"not {env.game or 'an environment that is not ALE'}"
        )
    return GAMES[env.game]


def teacher(env: AgentSteps, rng: np.random.Generator) -> PaddlePlayer:
    """The scripted player to learn from: nothing is left to chance, so that a state has one answer.

    Raises:
        InputError: there is no script for the environment.
    """
    game = scripted_game(env)
    reach = sum(game.reach) / 2
    player = TrackingPlayer if game.tracking_pays else PaddlePlayer
    return player(replace(game, reach=(reach, reach)), env.action_meanings, rng)
