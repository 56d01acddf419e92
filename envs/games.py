"""Games: what all games of dreams share, whatever predicts them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded

from atarigan.errors import InputError, shown
from atarigan.images.pixels import Frames
from atarigan.models.dynamics.dream_batch import EVERYONE, Outcomes, Rows

from .dream_observations import DreamObservations
from .vector_api import Indices, new_seeds

Infos = dict[str, npt.NDArray[Any]]
_NOBODY = np.zeros(0, np.intp)
_NUM_SEEDS = 2**64
StateT = TypeVar("StateT")


class Games(ABC, Generic[StateT]):
    """N games, their random streams and their observations.

    A game depends only on its own seed. A `StateT` holds one of them at one moment. Observations
    are drawn apart from playing, so that one call of the generator draws those of all games.

    Args:
        seen: the observations.
        num: N.

    Attributes:
        dream: what predicts the games.
        seen: as given.
        is_over: whether the episode of each game has ended, bool (N,).
    """

    dream: Any

    def __init__(self, seen: DreamObservations, num: int) -> None:
        self.seen = seen
        self.is_over = np.zeros(num, np.bool_)
        self._is_seeded = np.zeros(num, np.bool_)
        self._has_begun = False

    @property
    @abstractmethod
    def states(self) -> Any:
        """All that determines how the games go on, which changes in place."""

    @property
    @abstractmethod
    def shown_states(self) -> Any:
        """What is shown of all games, (N, ...), which changes in place."""

    @abstractmethod
    def _seed(self, rows: Indices, numbers: npt.NDArray[np.uint64]) -> None:
        """Begin the random streams of some games (n,)."""

    @abstractmethod
    def checked_actions(self, actions: Any) -> npt.NDArray[Any]:
        """Return actions, an array, a tensor or a list, as an array (N, ...).

        Raises:
            InputError: they are not one action of the space for each game.
        """

    @abstractmethod
    def begin(self, rows: Indices) -> None:
        """Begin episodes in some games (n,), without showing them."""

    @abstractmethod
    def play(self, actions: npt.NDArray[Any], rows: Rows = EVERYONE) -> Outcomes:
        """Play an agent step in some games (n,) with actions (n, ...), without showing it."""

    @abstractmethod
    def infos(self) -> Infos:
        """Return what is told of each game besides, as copies, (N, ...) each."""

    @abstractmethod
    def clone(self, row: int, *, include_rng: bool) -> StateT:
        """Return a copy of a game. Raises ResetNeeded before the first reset."""

    @abstractmethod
    def restore(self, rows: Indices, state: StateT) -> None:
        """Continue some games (n,) from a state.

        Raises:
            InputError: the state is of another dream, or its observations are of another kind.
            ResetNeeded: before the first reset.
        """

    def check_begun(self) -> None:
        """Raise ResetNeeded before the first reset."""
        if not self._has_begun:
            raise ResetNeeded("the environment must be reset first")

    def reset(
        self, rows: Indices, seeds: Sequence[int | None], rng: np.random.Generator
    ) -> Indices:
        """Begin episodes in some games (n,), and show them; return those whose random streams
        begin.

        Args:
            rows: the games; the first time, all of them.
            seeds: of their random streams, at least 0; None continues a stream.
            rng: draws the seeds of streams that never had one.

        Raises:
            InputError: it is the first time, and not of all games.
        """
        if not self._has_begun and len(rows) < len(self.is_over):
            raise InputError("the first reset must be of all sub-environments, without reset_mask")
        given = new_seeds(rows.tolist(), seeds, self._is_seeded, rng)
        seeded = np.array(list(given), np.intp)
        numbers = [seed % _NUM_SEEDS for seed in given.values()]
        self._seed(seeded, np.array(numbers, np.uint64))
        self._is_seeded[seeded] = True
        self.begin(rows)
        self._has_begun = True
        self.seen.begin(rows, self.shown_states[rows])
        return seeded

    def restart(self, rows: Indices) -> Any:
        """Begin episodes in some games (n,), show all, and return the last observations of the
        episodes before, (n, ...).
        """
        finals = self.shown_states[rows]
        self.begin(rows)
        return self.seen.push_with_finals(self.shown_states, rows, finals)

    def show(self, begun: Indices = _NOBODY) -> None:
        """Show the next state of every game; those in `begun` (n,) begin an episode with it."""
        self.seen.push(self.shown_states, begun)

    def observations(self) -> Any:
        """Return a copy of the observations of all games."""
        return self.seen.observations(self.shown_states)

    def pictures(self) -> Frames:
        """Return the newest frames, RGB uint8 (N, H, W, 3). Raises ResetNeeded before the first
        reset.
        """
        self.check_begun()
        return self.seen.pictures(self.shown_states)

    def _check_same_dream(self, state: Any, kind: type[Any]) -> None:
        """Raise InputError unless a state is of a kind and of this dream, and ResetNeeded before
        the first reset.
        """
        self.check_begun()
        if not isinstance(state, kind):
            raise InputError(f"state must be one that clone_state returned, not {shown(state)}")
        if state.settings != self.dream.settings:
            raise InputError(
                f"state must be of this dream of {self.dream.settings.env_id}, "
                f"not of another one of {state.settings.env_id}"
            )

    def _continue_from(self, rows: Indices, state: Any) -> None:
        """Continue some games (n,) from a checked state."""
        game = state.game
        if not state.includes_rng:
            before = self.states[rows]
            game = replace(game, keys=before.keys, num_drawn=before.num_drawn)
        self.states[rows] = game
        self.is_over[rows] = state.is_over
        self.seen.set_stack(rows, state.stack)
