"""NetworkGames: the episodes that the environments of a dream of vectors play."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError, did_you_mean, shown
from atarigan.images.pixels import Frames
from atarigan.models.dynamics.dream_batch import EVERYONE, Outcomes, Rows
from atarigan.models.dynamics.game_arrays import GameArrays
from atarigan.models.dynamics.random_streams import keys_of, uniforms
from atarigan.models.network_dreams.network_dream import NetworkDream, NetworkDreamSettings

from .dream_observations import DreamObservations, ShownStates
from .dream_options import check_whole
from .games import Games, Infos
from .vector_api import Indices, Output, check_render_mode

if TYPE_CHECKING:
    from atarigan.models.frame_generator import FrameGenerator

ObsType = Literal["pixels", "state", "both"]


class NetworkDreamKwargs(TypedDict, total=False):
    """The keyword arguments that both environments have; `NetworkDreamOptions` describes them."""

    obs_type: ObsType | None
    stack_num: int
    end_if_unseen: bool
    render_mode: str | None
    device: str
    allow_other_game: bool


@dataclass(frozen=True)
class NetworkDreamOptions:
    """How a dream of vectors is played and shown.

    Attributes:
        obs_type: "pixels" for drawn frames, "state" for the vector, "both" for a Dict of both with
            these names; None for pixels where there is a generator, else the vector.
        stack_num: frames in an observation of pixels, at least 1: those of the last agent steps,
            oldest first, and zeros before an episode's first one.
        end_if_unseen: whether an episode is truncated at a state with a number outside of the range
            that was seen, which `info["is_unseen"]` tells.
        render_mode: None or "rgb_array", which needs a generator.
        device: where a generator given by name is loaded: "auto", "cpu" or "cuda".
        allow_other_game: whether the generator may have learned another environment.

    Raises:
        InputError: a value is unknown or out of range.
    """

    obs_type: ObsType | None = None
    stack_num: int = 4
    end_if_unseen: bool = False
    render_mode: str | None = None
    device: str = "auto"
    allow_other_game: bool = False

    def __post_init__(self) -> None:
        known = get_args(ObsType)
        if self.obs_type is not None and self.obs_type not in known:
            hint = did_you_mean(str(self.obs_type), known)
            raise InputError(f"obs_type must be a known name, not {self.obs_type!r}: {hint}")
        for name in ("end_if_unseen", "allow_other_game"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise InputError(f"{name} must be True or False, not {shown(getattr(self, name))}")
        check_whole("stack_num", self.stack_num, 1)
        check_render_mode(self.render_mode)

    @classmethod
    def of(cls, options: NetworkDreamKwargs) -> "NetworkDreamOptions":
        """Raises InputError if an option is unknown, such as one of Atari games alone."""
        known = [each.name for each in fields(cls)]
        for name in options:
            if name not in known:
                raise InputError(
                    f"{name} is no option of a dream of vectors: {did_you_mean(name, known)}"
                )
        return cls(**options)


@dataclass(eq=False)
class NetworkGameStates(GameArrays):
    """All that determines how N episodes go on.

    Attributes:
        states: float32 (N, size).
        num_steps: agent steps since the episode's begin, int64 (N,).
        keys: of each random stream, uint64 (N,).
        num_drawn: how many numbers were drawn from it, uint64 (N,).
    """

    states: npt.NDArray[np.float32]
    num_steps: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    num_drawn: npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class NetworkDreamState:
    """An episode of a dream at one moment; `clone_state` of an environment makes it.

    Attributes:
        game: what determines how it goes on, of one game.
        is_over: whether the episode has ended.
        stack: the pixels of its observation; None without pixels.
        includes_rng: whether the random stream is restored too.
        settings: of the dream.
    """

    game: NetworkGameStates
    is_over: bool
    stack: Frames | None
    includes_rng: bool
    settings: NetworkDreamSettings


class NetworkGames(Games[NetworkDreamState]):
    """N episodes of a dream of vectors. The seed of one chooses the state that it begins with.

    Args:
        model: a NetworkDream, or what `NetworkDream.load` takes.
        generator: a FrameGenerator, or what `FrameGenerator.load` takes; None for the dream's own.
        num: N.
        options: how to play and show.
        output: kind of the observations.

    Attributes:
        dream: the learned environment.
        seen: the observations.
        is_drawn: whether a generator draws the states.
        is_over: whether each episode has ended, bool (N,).

    Raises:
        InputError: the dream cannot be loaded, or as for `DreamObservations`.
    """

    dream: NetworkDream

    def __init__(
        self,
        model: NetworkDream | str | Path,
        generator: "FrameGenerator | str | Path | None",
        num: int,
        options: NetworkDreamOptions,
        output: Output = "numpy",
    ) -> None:
        self.dream = model if isinstance(model, NetworkDream) else NetworkDream.load(model)
        settings, ranges = self.dream.settings, self.dream.ranges
        source = self.dream.generator_source if generator is None else generator
        self.is_drawn = source is not None
        states = ShownStates(
            "state",
            settings.state,
            gym.spaces.Box(ranges.space_low, ranges.space_high, dtype=np.float32),
            settings.provenance,
            source,
        )
        super().__init__(DreamObservations(states, num, options, output), num)
        self._options = options
        self._max_steps = settings.max_steps or np.iinfo(np.int64).max
        self._games = NetworkGameStates(
            states=np.zeros((num, settings.state.size), np.float32),
            num_steps=np.zeros(num, np.int64),
            keys=np.zeros(num, np.uint64),
            num_drawn=np.zeros(num, np.uint64),
        )

    @property
    def states(self) -> NetworkGameStates:
        return self._games

    @property
    def shown_states(self) -> npt.NDArray[np.float32]:
        return self._games.states

    def _seed(self, rows: Indices, numbers: npt.NDArray[np.uint64]) -> None:
        self._games.keys[rows], self._games.num_drawn[rows] = keys_of(numbers), 0

    def checked_actions(self, actions: Any) -> npt.NDArray[Any]:
        """Return actions, an array, a tensor or a list, as an array (N, ...).

        Raises:
            InputError: they are not one action of the space for each game. Finite numbers beyond
                the bounds of continuous actions are allowed, because they are clipped.
        """
        return self.dream.actions.checked(actions, len(self.is_over))

    def begin(self, rows: Indices) -> None:
        """Begin episodes in some games (n,), without showing them."""
        games, starts = self._games, self.dream.ranges.starts
        drawn = uniforms(games.keys[rows], games.num_drawn[rows])
        games.num_drawn[rows] += np.uint64(1)
        games.states[rows] = starts[(drawn * len(starts)).astype(np.intp)]
        games.num_steps[rows] = 0
        self.is_over[rows] = False

    def play(self, actions: npt.NDArray[Any], rows: Rows = EVERYONE) -> Outcomes:
        """Play an agent step in some games (n,) with actions (n, ...), without showing it."""
        games, dream = self._games, self.dream
        found = dream.dynamics.step(games.states[rows], dream.actions.of(actions))
        games.states[rows] = found.states
        games.num_steps[rows] += 1
        truncations = games.num_steps[rows] >= self._max_steps
        if self._options.end_if_unseen:
            truncations |= dream.ranges.is_unseen(found.states)
        self.is_over[rows] = found.ends | truncations
        return Outcomes(found.rewards, found.ends, truncations)

    def infos(self) -> Infos:
        """Return whether a number of each state is outside of the range that was seen, and the
        states, as copies, (N, ...) each; states are a tensor where observations are.
        """
        states = self._games.states
        return {
            "is_unseen": self.dream.ranges.is_unseen(states),
            "state": self.seen.as_output(states.copy()),
        }

    def clone(self, row: int, *, include_rng: bool) -> NetworkDreamState:
        self.check_begun()
        return NetworkDreamState(
            game=self._games[[row]],
            is_over=bool(self.is_over[row]),
            stack=self.seen.stack(row),
            includes_rng=include_rng,
            settings=self.dream.settings,
        )

    def restore(self, rows: Indices, state: NetworkDreamState) -> None:
        self._check_same_dream(state, NetworkDreamState)
        found = None if state.stack is None else state.stack.shape
        if found != self.seen.stack_shape:
            raise InputError(f"state must be of pixels {self.seen.stack_shape}, not {found}")
        self._continue_from(rows, state)

    def set_state(self, rows: Indices, state: Any) -> None:
        """Change the state of some games (n,), and show it as at an episode's begin.

        Args:
            rows: the games.
            state: finite numbers (size,).

        Raises:
            InputError: it has another shape, or other numbers.
            ResetNeeded: before the first reset.
        """
        self.check_begun()
        vector = self.dream.settings.state.vector(state)
        self._games.states[rows] = vector
        self._games.num_steps[rows] = 0
        self.is_over[rows] = False
        self.seen.begin(rows, self._games.states[rows])
