"""Players of Pong and Breakout that read ball and paddle off the console's memory."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.screen import Screen
from atarigan.errors import InputError

Places = tuple[int, int]
NUM_JUDGED = 7
_LARGEST_GAP = 100
# Further ahead, a small error of a student's eyes would make a large one of where to go.
_TAUGHT_LEAD, _TAUGHT_REACH = 2, 8


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
        momentum: how far it still moves for each unit that it moved in the last agent step, without
            knowing what was pressed.
        home: `paddle` in the middle of the field.
        reach: `PaddlePlayer` draws how far from its middle the paddle may meet the ball from this
            range, anew each time; a whole paddle's half is about 9.
        outward: how much further from the field's middle than the paddle's own the ball should meet
            it, by `PaddleTeacher`: steep balls end a rally that would go on for ever.
        back, forth: meanings of the actions that make `paddle` smaller and larger.
    """

    across: int
    along: int
    paddle: int
    line: float
    walls: tuple[float, float]
    middle: float
    drift: tuple[float, float]
    momentum: float
    home: float
    reach: tuple[float, float]
    outward: float
    back: str
    forth: str

    def coming(self, ball: Places, speed: Places, most_steps: float = math.inf) -> float:
        """Where along the paddle's line a ball that comes towards it is when it meets the line, or
        after so many agent steps; bouncing off the walls brings a place beyond them back.
        """
        time_left = min(most_steps, (self.line - ball[0]) / speed[0])
        low, high = self.walls
        beyond = (ball[1] + speed[1] * time_left - low) % (2 * (high - low))
        return low + min(beyond, 2 * (high - low) - beyond)

    def actions(self, meanings: tuple[str, ...]) -> dict[int, int]:
        """The action that goes back (-1), stays (0), and goes forth (1)."""
        names = {-1: self.back, 0: "NOOP", 1: self.forth}
        return {way: meanings.index(name) for way, name in names.items()}


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
        momentum=0.4,
        home=119,
        reach=(7, 10),
        outward=0,
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
        momentum=0.4,
        home=118,
        reach=(9, 12),
        outward=3,
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
        self._rng = rng
        self._serve = meanings.index("FIRE")
        self._actions = game.actions(meanings)

    def begin_episode(self) -> None:
        self._ball: Places | None = None
        self._presses = (0, 0)  # of the last agent step and the one before
        self._reach = self._game.reach[1]

    def act(self, screen: Screen) -> int:
        ram = screen.ram()
        assert ram is not None
        before = self._ball
        self._ball = int(ram[self._game.across]), int(ram[self._game.along])
        if 0 in self._ball:
            self._ball = None
            return self._serve
        press = 0
        if before is not None:
            speed = self._ball[0] - before[0], self._ball[1] - before[1]
            press = self._press(self._ball, speed, int(ram[self._game.paddle]))
        self._presses = press, self._presses[0]
        return self._actions[press]

    def _press(self, ball: Places, speed: Places, paddle: int) -> int:
        """-1, 0 or 1: the way to go."""
        game = self._game
        rest = paddle + game.drift[0] * self._presses[0] + game.drift[1] * self._presses[1]
        if speed[0] > 0:
            gap = game.coming(ball, speed) - game.middle - rest
        else:
            self._reach = self._rng.uniform(*game.reach)
            gap = game.home - rest
        return _way(gap, self._reach)


class PaddleTeacher:
    """Says what to do to somebody who sees the last frames, neither memory nor what was pressed.

    It goes by places now and an agent step ago alone, and says the same of the same places.

    Args:
        game: one of `GAMES`.
        meanings: name of each action.

    Attributes:
        judged: what it last went by, float32 (7,): ball across and along and the paddle, now and
            before, and how far the paddle is from where it should be, all in about -2 … 2; not
            numbers where there was no ball.
    """

    judged: npt.NDArray[np.float32]

    def __init__(self, game: PaddleGame, meanings: tuple[str, ...]) -> None:
        self._game = game
        self._serve = meanings.index("FIRE")
        self._actions = game.actions(meanings)

    def begin_episode(self) -> None:
        self._before: tuple[int, int, int] | None = None

    def act(self, screen: Screen) -> int:
        game, ram = self._game, screen.ram()
        assert ram is not None
        before = self._before
        now = int(ram[game.across]), int(ram[game.along]), int(ram[game.paddle])
        self._before = now if 0 not in now[:2] else None
        self.judged = np.full(NUM_JUDGED, np.nan, np.float32)
        if self._before is None:
            return self._serve
        if before is None:
            return self._actions[0]
        gap = self._gap(before, now)
        places = np.array([*now, *before], np.float32) / 64 - 2
        self.judged = np.append(places, np.float32(np.clip(gap, -_LARGEST_GAP, _LARGEST_GAP) / 50))
        return self._actions[_way(gap, _TAUGHT_REACH)]

    def _gap(self, before: tuple[int, int, int], now: tuple[int, int, int]) -> float:
        """How far the paddle will be from where it should be."""
        game = self._game
        rest = now[2] + game.momentum * (now[2] - before[2])
        speed = now[0] - before[0], now[1] - before[1]
        if speed[0] > 0:
            place = game.coming(now[:2], speed, _TAUGHT_LEAD) - game.middle
            return place + math.copysign(game.outward, place - game.home) - rest
        return game.home - rest


def _way(gap: float, reach: float) -> int:
    """-1, 0 or 1: to close a gap that is out of reach."""
    return 0 if abs(gap) <= reach else 1 if gap > 0 else -1


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
