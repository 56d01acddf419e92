"""UnseenSteps: agent steps of a collection that a dream has not learned, frame by frame."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.collection.replayed_frames import replayed_games
from atarigan.data.provenance import Provenance
from atarigan.errors import InputError
from atarigan.models.dynamics.dream import DreamSettings
from atarigan.models.dynamics.game_transitions import transitions_of
from atarigan.models.dynamics.transitions import FrameTransitions

MOST_STEPS = 50_000  # 50 MB of states


@dataclass(frozen=True, eq=False)
class UnseenSteps:
    """S agent steps, episode by episode. The last episode may be cut off.

    Attributes:
        frames: the emulator frames of all steps, N transitions.
        begins: number of each step's first frame, and N at the end, int64 (S + 1,).
        episodes: the episode of each step, ascending from 0, int64 (S,).
    """

    frames: FrameTransitions
    begins: npt.NDArray[np.int64]
    episodes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def num_episodes(self) -> int:
        return int(self.episodes[-1]) + 1

    @property
    def episodes_of_frames(self) -> npt.NDArray[np.int64]:
        """The episode of each frame, int64 (N,)."""
        return self.episodes.repeat(np.diff(self.begins))

    @property
    def episode_begins(self) -> npt.NDArray[np.int64]:
        """Number of each episode's first step, and S at the end, int64 (episodes + 1,)."""
        return np.searchsorted(self.episodes, np.arange(self.num_episodes + 1))

    @classmethod
    def of(cls, games: list[FrameTransitions], frame_skip: int) -> "UnseenSteps":
        """Divide the frames of one or more games into agent steps.

        Args:
            games: consecutive frames of a game each.
            frame_skip: frames of a step; the last step of a game may have fewer.
        """
        begins, episodes, start = [], [], 0
        for number, game in enumerate(games):
            begins.append(np.arange(start, start + len(game), frame_skip))
            episodes.append(np.full(len(begins[-1]), number))
            start += len(game)
        return cls(
            FrameTransitions.concatenate(games),
            np.append(np.concatenate(begins), start),
            np.concatenate(episodes),
        )


def replayed_steps(
    buffer: FrameBuffer,
    settings: DreamSettings,
    most_steps: int = MOST_STEPS,
    progress: Callable[[int], None] = lambda _: None,
) -> UnseenSteps:
    """Play the games of a collection again, as many as `most_steps` agent steps take.

    Args:
        buffer: the collection.
        settings: of the dream.
        most_steps: further games are left out.
        progress: called with the number of agent steps of each game.

    Raises:
        InputError: the collection is damaged or of another game, or cannot be played again.
    """
    _check_game(buffer, settings)
    games: list[FrameTransitions] = []
    num_steps = 0
    for game in replayed_games(buffer):
        games.append(transitions_of(game, settings.action_meanings))
        num_steps += -(-len(game) // settings.frame_skip)
        progress(-(-len(game) // settings.frame_skip))
        if num_steps >= most_steps:
            break
    if not games:
        raise InputError(f"{buffer.path} must hold a game from its begin on")
    return UnseenSteps.of(games, settings.frame_skip)


def _check_game(buffer: FrameBuffer, settings: DreamSettings) -> None:
    """Raise InputError unless the buffer is of the dream's game, with its actions."""
    learned, found = settings.provenance, Provenance.of(buffer.meta)
    if found.game != learned.game:
        raise InputError(f"{buffer.path} must be of {learned.title}, not of {found.title}")
    for difference in found.differences(learned):
        raise InputError(f"{buffer.path} must be of the dream's game, but has {difference}")
    meanings = buffer.meta.origin.action_meanings
    if meanings != settings.action_meanings:
        raise InputError(
            f"{buffer.path} must have the dream's actions, {', '.join(settings.action_meanings)}, "
            f"not {', '.join(meanings) or 'unnamed ones'}"
        )
