"""Players of games with a ball and a paddle, which read both from RAM."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.screen import Screen
from atarigan.data.collection.scripted.direction import direction

Places = tuple[int, int]
_LARGEST_GAP = 100
# A clone estimates the ball's speed from pixels. Predicting further would amplify its errors.
_TAUGHT_LEAD, _TAUGHT_REACH = 2, 8


@dataclass(frozen=True)
class PaddleGame:
    """RAM addresses and dynamics of a game with a ball and a paddle.

    The paddle moves along a line. One coordinate of the ball is its position across the field,
    towards this line; the other is its position along the line. One unit is about a pixel.

    Attributes:
        across: RAM address of the ball's position across the field; the value 0 means no ball.
        along: RAM address of the ball's position along the line; the value 0 means no ball.
        paddle: RAM address of the paddle's position.
        line: position across the field where the ball meets the paddle.
        walls: positions along the line where the ball bounces.
        middle: the ball's position minus the paddle's when the ball meets the paddle's middle.
        drift: distance that the paddle still moves after a press of 4 emulator frames, in the same
            agent step and in the next.
        momentum: distance that the paddle still moves, as a fraction of its last movement.
        home: the paddle's position in the middle of the field.
        reach: range of the distance from the paddle's middle at which `PaddlePlayer` accepts to
            meet the ball, drawn for each approach. Half a paddle is about 9.
        outward: offset, away from the middle of the field, at which `PaddleTeacher` meets the ball.
            It makes steep returns, which end a rally.
        back, forth: meanings of the actions that decrease and increase the paddle's position.
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
        """Predict where along the line an approaching ball arrives, with reflections at the walls.

        Args:
            ball: position across and along.
            speed: movement in the last agent step, with the part across above 0.
            most_steps: agent steps to look ahead at most.
        """
        time_left = min(most_steps, (self.line - ball[0]) / speed[0])
        low, high = self.walls
        beyond = (ball[1] + speed[1] * time_left - low) % (2 * (high - low))
        return low + min(beyond, 2 * (high - low) - beyond)

    def actions(self, meanings: tuple[str, ...]) -> dict[int, int]:
        """Return the action that moves the paddle back (-1), not at all (0), and forth (1)."""
        names = {-1: self.back, 0: "NOOP", 1: self.forth}
        return {way: meanings.index(name) for way, name in names.items()}


# Measured: addresses by regression of RAM bytes on screen positions of ball and paddle, dynamics by
# single presses without sticky actions.
BREAKOUT = PaddleGame(
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
)
PONG = PaddleGame(
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
)


class PaddlePlayer:
    """Moves the paddle to where the ball will arrive, sometimes with its edge. Serves with FIRE.

    One press moves the paddle by more than half its width. So it presses only if the ball would
    arrive out of reach.

    Args:
        game: the game.
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
        self._presses = (0, 0)  # in the last two agent steps, newest first
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
        """Return the direction to press: -1, 0 or 1."""
        game = self._game
        rest = paddle + game.drift[0] * self._presses[0] + game.drift[1] * self._presses[1]
        if speed[0] > 0:
            gap = game.coming(ball, speed) - game.middle - rest
        else:
            self._reach = self._rng.uniform(*game.reach)
            gap = game.home - rest
        return direction(gap, self._reach)


class PaddleTeacher:
    """A player for a clone to imitate, which sees frames but neither RAM nor past actions.

    Its action is a function of the positions in this agent step and in the last.

    Args:
        game: the game.
        meanings: name of each action.

    Attributes:
        features: inputs of the last decision, float32 (7,), in about -2 … 2: the ball's positions
            across and along and the paddle's position, now and an agent step ago, and the distance
            from the paddle to its target. NaN without a ball.
    """

    num_features = 7
    features: npt.NDArray[np.float32]

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
        self.features = np.full(self.num_features, np.nan, np.float32)
        if self._before is None:
            return self._serve
        if before is None:
            return self._actions[0]
        gap = self._gap(before, now)
        places = np.array([*now, *before], np.float32) / 64 - 2
        clipped = np.float32(np.clip(gap, -_LARGEST_GAP, _LARGEST_GAP) / 50)
        self.features = np.append(places, clipped)
        return self._actions[direction(gap, _TAUGHT_REACH)]

    def _gap(self, before: tuple[int, int, int], now: tuple[int, int, int]) -> float:
        """Return the distance from where the paddle will come to rest to its target."""
        game = self._game
        rest = now[2] + game.momentum * (now[2] - before[2])
        speed = now[0] - before[0], now[1] - before[1]
        if speed[0] > 0:
            place = game.coming(now[:2], speed, _TAUGHT_LEAD) - game.middle
            return place + math.copysign(game.outward, place - game.home) - rest
        return game.home - rest
