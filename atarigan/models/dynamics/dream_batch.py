"""DreamBatch: plays many games of a dream at once, agent step by agent step."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.frame_player import NO_OP
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.game_arrays import GameArrays
from atarigan.models.dynamics.random_streams import keys_of, uniforms

Mask = npt.NDArray[np.bool_]
Rows = slice | npt.NDArray[np.intp]
EVERYONE = slice(None)


@dataclass(eq=False)
class GameStates(GameArrays):
    """All that determines how N games go on.

    Attributes:
        rams: RAM, uint8 (N, bytes).
        lives: lives left, uint8 (N,).
        resistances: of each paddle in ohms, int32 (N,); -1 without a paddle.
        last_actions: the last frame's action, int64 (N,); -1, ALE's no-op, after a reset.
        num_frames: frames since the episode's begin, int64 (N,).
        keys: of each game's random stream, uint64 (N,).
        num_drawn: how many numbers were drawn from it, uint64 (N,).
    """

    rams: npt.NDArray[np.uint8]
    lives: npt.NDArray[np.uint8]
    resistances: npt.NDArray[np.int32]
    last_actions: npt.NDArray[np.int64]
    num_frames: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    num_drawn: npt.NDArray[np.uint64]


class Outcomes(NamedTuple):
    """What an agent step of N games leads to.

    Attributes:
        rewards: sum over the step's frames, float32 (N,).
        ends: whether the game is over, bool (N,).
        truncations: whether the episode is as long as it may be, bool (N,).
    """

    rewards: npt.NDArray[np.float32]
    ends: Mask
    truncations: Mask


def chances_to_persist(sticky: float, frame_skip: int) -> npt.NDArray[np.float64]:
    """Return the probability that the action before persists into each frame of an agent step,
    float64 (frame_skip,).
    """
    return sticky ** np.arange(1, frame_skip + 1, dtype=np.float64)


class DreamBatch:
    """N games of a dream.

    An agent step repeats an action over several frames. With a probability each frame repeats the
    last frame's action instead ("sticky actions"; Machado et al. 2018, arXiv:1709.06009, section
    5.2), so the action before persists for the first frames of a step. A step stops at the frame
    that ends an episode.

    Args:
        dream: the learned game.
        num: number of games.
        frame_skip: frames of an agent step; None for the dream's own.
        sticky: the probability; None for the dream's own.
        max_frames: frames after which an episode is truncated; None for no limit.
        ends_with_life: whether a lost life ends an episode.

    Attributes:
        games: the games' states, which may be read, copied and set.
    """

    def __init__(
        self,
        dream: Dream,
        num: int,
        frame_skip: int | None = None,
        sticky: float | None = None,
        *,
        max_frames: int | None = None,
        ends_with_life: bool = False,
    ) -> None:
        self.dream = dream
        self.frame_skip = dream.settings.frame_skip if frame_skip is None else frame_skip
        self.sticky = dream.settings.sticky if sticky is None else sticky
        self.max_frames = np.iinfo(np.int64).max if max_frames is None else max_frames
        self.ends_with_life = ends_with_life
        self._controls = dream.controls
        self.games = GameStates(
            rams=np.zeros((num, dream.dynamics.num_bytes), np.uint8),
            lives=np.zeros(num, np.uint8),
            resistances=np.full(num, dream.controls.first_resistance, np.int32),
            last_actions=np.full(num, NO_OP, np.int64),
            num_frames=np.zeros(num, np.int64),
            keys=np.zeros(num, np.uint64),
            num_drawn=np.zeros(num, np.uint64),
        )

    def __len__(self) -> int:
        return len(self.games.rams)

    def seed(self, rows: npt.NDArray[np.intp], seeds: npt.NDArray[np.uint64]) -> None:
        """Begin the random streams of some games (n,) anew, with seeds uint64 (n,)."""
        self.games.keys[rows] = keys_of(seeds)
        self.games.num_drawn[rows] = 0

    def reset(self, rows: npt.NDArray[np.intp], most_noops: int = 0) -> None:
        """Begin an episode in some games (n,), after a random number of no-op frames.

        Args:
            rows: numbers of the games.
            most_noops: no-op frames are drawn uniformly from 0 to this.
        """
        starts = self.dream.starts
        chosen = (self._draw(rows) * len(starts.states)).astype(np.intp)
        games = self.games
        games.rams[rows], games.lives[rows] = starts.states[chosen], starts.lives[chosen]
        games.resistances[rows] = self._controls.first_resistance
        games.last_actions[rows] = NO_OP
        games.num_frames[rows] = 0
        if most_noops:
            waits = (self._draw(rows) * (most_noops + 1)).astype(np.int64)
            for frame in range(int(waits.max(initial=0))):
                waiting = rows[waits > frame]
                self._play(waiting, np.full((len(waiting), 1), NO_OP))

    def step(self, actions: npt.NDArray[np.int64], rows: Rows = EVERYONE) -> Outcomes:
        """Play an agent step in some games (n,), with actions int64 (n,); all other games wait."""
        played = np.where(
            self._persists(rows), self.games.last_actions[rows][:, None], actions[:, None]
        )
        return self._play(rows, played)

    def is_unseen(self, rows: Rows = EVERYONE) -> Mask:
        """Return which of some games (n,) are in states that no real play reaches, bool (n,)."""
        return self.dream.is_unseen(self.games.rams[rows])

    def _play(self, rows: Rows, actions: npt.NDArray[np.int64]) -> Outcomes:
        """Play frames in some games (n,), with actions int64 (n, frames)."""
        games, everyone = self.games, np.arange(len(actions))
        lives = games.lives[rows].copy()
        resistances, inputs = self._controls.frames(games.resistances[rows], actions)
        following = self.dream.dynamics.play(
            games.rams[rows],
            lives,
            inputs,
            self.max_frames - games.num_frames[rows],
            stops_with_life=self.ends_with_life,
        )
        games.rams[rows], games.lives[rows] = following.states, following.lives
        games.resistances[rows] = resistances[everyone, following.num_frames]
        games.last_actions[rows] = actions[everyone, following.num_frames - 1]
        games.num_frames[rows] += following.num_frames
        ends = following.ends
        if self.ends_with_life:
            ends = ends | (following.lives < lives)
        return Outcomes(following.rewards, ends, games.num_frames[rows] >= self.max_frames)

    def _persists(self, rows: Rows) -> Mask:
        """Draw for which frames the action before persists, bool (n, frame_skip): for the first k
        frames at least with probability sticky ** k.
        """
        if not 0 < self.sticky < 1:
            return np.full((len(self.games.keys[rows]), self.frame_skip), self.sticky > 0)
        return 1 - self._draw(rows)[:, None] <= chances_to_persist(self.sticky, self.frame_skip)

    def _draw(self, rows: Rows) -> npt.NDArray[np.float64]:
        numbers = uniforms(self.games.keys[rows], self.games.num_drawn[rows])
        self.games.num_drawn[rows] += np.uint64(1)
        return numbers
