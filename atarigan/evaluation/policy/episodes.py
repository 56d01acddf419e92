"""Whole episodes of a policy, several in parallel, that sees the game through a view."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.model_policy import Predictor
from atarigan.data.collection.policies import RandomPolicy
from atarigan.data.collection.preprocessing import PREPROCESSINGS, LifeStarts, Preprocessing
from atarigan.data.provenance import Provenance
from atarigan.data.states import State, StateSpec
from atarigan.errors import InputError
from atarigan.evaluation.metrics.score import Progress
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.layout import ImageLayout
from atarigan.images.pixels import Frames

View = Callable[[Sequence[int], Sequence[bool], Frames, State | None], Frames]
"""Maps real frames to the frames that the policy sees, both uint8 (M, H, W, C). The arguments are
the numbers of the episodes, whether each frame begins its episode, the frames, and the states (M,
size): those that are asked for, or else RAM if the game has any. What a view draws at random
depends on the number of the episode alone. Numbers of one call differ by less than `MAX_PARALLEL`.
"""
QUERY_EVERY = 4
MAX_PARALLEL = 32


@dataclass(frozen=True)
class EpisodeConfig:
    """Game, length and preprocessing of episodes.

    Attributes:
        env_id: the game.
        max_frames: emulator frames after which an episode is truncated, at least 4.
        preprocessing: how frames are pooled for the policy, and how episodes and lives begin.
        frame_skip: as in `AgentSteps`.
        env_kwargs: further arguments of `gymnasium.make`.
    """

    env_id: str
    max_frames: int
    preprocessing: Preprocessing = PREPROCESSINGS["clone"]
    frame_skip: int | None = None
    env_kwargs: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_frames < 4:
            raise InputError(f"max_frames must be at least 4, not {self.max_frames}")

    def make_env(self) -> AgentSteps:
        """Make the environment."""
        return AgentSteps(self.env_id, self.frame_skip, env_kwargs=self.env_kwargs)

    def provenance(self, env: AgentSteps) -> Provenance:
        """Return the provenance of the frames that the policy sees."""
        pools = self.preprocessing.pools and env.frame_skip > 1
        return Provenance(self.env_id, self.env_kwargs, env.frame_skip, 2 if pools else 1)

    def max_steps(self, env: AgentSteps) -> int:
        """Return the same limit in agent steps."""
        return max(1, self.max_frames // env.frame_skip)


@dataclass
class EpisodeResults:
    """The results of N episodes.

    Attributes:
        returns: sum of rewards of each episode.
        num_steps: agent steps of each episode.
        num_queried: states of each episode, every fourth, in which the policy was also queried with
            the other views.
        num_agreed: by view, in how many of these states of each episode the policy chose the same
            action.
        film: by view, frames of the first episode.
    """

    returns: list[float] = field(default_factory=list)
    num_steps: list[int] = field(default_factory=list)
    num_queried: list[int] = field(default_factory=list)
    num_agreed: dict[str, list[int]] = field(default_factory=dict)
    film: dict[str, list[Frames]] = field(default_factory=dict)

    def extend(self, later: "EpisodeResults") -> None:
        """Append the results of episodes that follow these, with the same views."""
        self.returns += later.returns
        self.num_steps += later.num_steps
        self.num_queried += later.num_queried
        for name, counts in later.num_agreed.items():
            self.num_agreed.setdefault(name, []).extend(counts)
        for name, frames in later.film.items():
            self.film.setdefault(name, []).extend(frames)


class Episodes:
    """Plays episodes of a stable-baselines3 model, which always takes its most probable action.

    Episodes and lives begin as in `ModelPolicy`. The environments are kept from one call to the
    next, since making one takes as long as a hundred steps; close them with `close`.

    Args:
        model: the model.
        layout: layout of its observations.
        config: game and length of all episodes.
        seed: seed of the games; episode i has the same seed with every view.
        progress: called with numbers of agent steps; an episode that ends early counts as one of
            full length.
        should_stop: asked at each agent step; if it returns true, episodes end early.
        state: the states that views read; None gives them RAM, if the game has any.

    Attributes:
        is_stopped: whether `should_stop` returned true. Results then hold finished episodes only.
    """

    def __init__(
        self,
        model: Any,
        layout: ImageLayout,
        config: EpisodeConfig,
        seed: int,
        progress: Progress = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
        state: StateSpec | None = None,
    ) -> None:
        self._state = state
        self.is_stopped = False
        self._should_stop = should_stop
        self._model = model
        self._layout = layout
        self._config = config
        self._seed = seed
        self.progress = progress
        self._games: list[_Game] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the environments, `progress` and `should_stop` to this process."""
        given = (self._model, self._layout, self._config, self._seed)
        return partial(type(self), *given, state=self._state), ()

    def play(
        self, views: Mapping[str, View], num_episodes: int, *, first: int = 0, film_steps: int = 0
    ) -> EpisodeResults:
        """Play episodes in which the policy acts on the first view. Every fourth state it is also
        queried with the other views.

        Args:
            views: at least one view, by name.
            num_episodes: at least 1.
            first: number of the first episode; the seed of episode i is `seed` + i.
            film_steps: agent steps of the first episode to film with every view; 0 for no film.
        """
        results = EpisodeResults(num_agreed={name: [] for name in list(views)[1:]})
        results.film = {name: [] for name in views} if film_steps else {}
        for begin in range(first, first + num_episodes, MAX_PARALLEL):
            numbers = range(begin, min(first + num_episodes, begin + MAX_PARALLEL))
            games = self._begin(numbers)
            parallel = _ParallelGames(
                self._model,
                self._layout,
                self._config.preprocessing,
                views,
                games,
                begin,
                self._state,
            )
            while parallel.running and not self.must_stop():
                parallel.step(results.film if begin == first else {}, film_steps)
                self.progress(len(parallel.running))
            self._finish(games, results)
            if self.is_stopped:
                break
        return results

    def play_at_random(self, num_episodes: int, *, first: int = 0) -> EpisodeResults:
        """Play episodes of random actions. `first` is as in `play`."""
        results = EpisodeResults()
        for number in range(first, first + num_episodes):
            (game,) = self._begin([number])
            rng = np.random.default_rng([self._seed, number])
            policy = RandomPolicy(game.env.action_space, rng)
            while not game.is_over and not self.must_stop():
                game.step(policy.act(game.env.screen))
                self.progress(1)
            self._finish([game], results)
            if self.is_stopped:
                break
        return results

    def close(self) -> None:
        """Close the environments."""
        for game in self._games:
            game.env.close()
        self._games.clear()

    def _begin(self, numbers: Sequence[int]) -> list["_Game"]:
        """Begin the episodes of these numbers, one in each game."""
        while len(self._games) < len(numbers):
            self._games.append(_Game(self._config))
        games = self._games[: len(numbers)]
        for game, number in zip(games, numbers, strict=True):
            game.begin_episode(self._seed + number)
        return games

    def must_stop(self) -> bool:
        """Return whether episodes have to end early."""
        self.is_stopped = self.is_stopped or self._should_stop()
        return self.is_stopped

    def _finish(self, games: Sequence["_Game"], results: EpisodeResults) -> None:
        for game in games:
            if not game.is_over:
                continue
            self.progress(game.max_steps - game.num_steps)
            results.returns.append(game.total_reward)
            results.num_steps.append(game.num_steps)
            results.num_queried.append(game.num_queried)
            for name, counts in results.num_agreed.items():
                counts.append(game.num_agreed.get(name, 0))


class _Game:
    """An environment, and its running episode."""

    def __init__(self, config: EpisodeConfig) -> None:
        self.env = config.make_env()
        self.screen = self.env.policy_screen(config.preprocessing)
        self.starts = LifeStarts(config.preprocessing, self.env.action_meanings)
        self.max_steps = config.max_steps(self.env)

    def begin_episode(self, seed: int) -> None:
        self.env.reset(seed)
        self.starts.begin_episode()
        self.total_reward = 0.0
        self.num_steps = 0
        self.num_queried = 0
        self.num_agreed: dict[str, int] = {}
        self.is_over = False

    def step(self, action: Any) -> None:
        reward, terminated, truncated = self.env.step(action)
        self.total_reward += reward
        self.num_steps += 1
        self.is_over = terminated or truncated or self.num_steps >= self.max_steps

    @property
    def is_starting(self) -> bool:
        """Whether the preprocessing begins a life, and does not ask the policy."""
        return self.starts.start is not None

    @property
    def forced(self) -> int | None:
        """Action that is taken in place of the policy's."""
        return self.starts.fire if self.starts.start is None else self.starts.start


class _ParallelGames:
    """Games that are stepped together, with the frame stacks of each view."""

    def __init__(
        self,
        model: Any,
        layout: ImageLayout,
        preprocessing: Preprocessing,
        views: Mapping[str, View],
        games: list[_Game],
        first: int,
        state: StateSpec | None,
    ) -> None:
        self._first = first
        self._state = state
        self._views = views
        self._games = games
        self._layout = layout
        self._preprocessing = preprocessing
        self._stacks = {name: FrameStacks(layout, len(games)) for name in views}
        self._predictors = {
            name: Predictor(model, len(games), deterministic=True) for name in views
        }

    @property
    def running(self) -> list[int]:
        """Indices of the games that are not over."""
        return [number for number, game in enumerate(self._games) if not game.is_over]

    def step(self, film: Mapping[str, list[Frames]], film_steps: int) -> None:
        """Take one agent step in all running games."""
        numbers = self.running
        for number in numbers:
            game = self._games[number]
            game.starts.observe(game.screen)
        shown = self._show(numbers, film, film_steps)
        asked = [row for row, number in enumerate(numbers) if not self._games[number].is_starting]
        actions = self._ask(
            [numbers[row] for row in asked], {name: frames[asked] for name, frames in shown.items()}
        )
        for number in numbers:
            game = self._games[number]
            game.step(game.forced if game.forced is not None else actions[number])

    def _show(
        self, numbers: list[int], film: Mapping[str, list[Frames]], film_steps: int
    ) -> dict[str, Frames]:
        """Return the frames of the games with each view, uint8 (M, H, W, C)."""
        games = [self._games[number] for number in numbers]
        frames = np.stack([self._preprocessing.frame(game.screen, self._layout) for game in games])
        is_first = [game.num_steps == 0 for game in games]
        each = [self._state_of(game) for game in games]
        found = [state for state in each if state is not None]
        states = np.stack(found) if len(found) == len(games) else None
        episodes = [self._first + number for number in numbers]
        shown = {}
        for name, view in self._views.items():
            shown[name] = view(episodes, is_first, frames, states)
            if numbers[0] == 0 and name in film and len(film[name]) < film_steps:
                film[name].append(shown[name][0].copy())
        return shown

    def _state_of(self, game: _Game) -> State | None:
        """Return what views read of a game: the given state, or else its RAM; None without."""
        return game.screen.ram() if self._state is None else game.env.state(self._state)

    def _ask(self, numbers: list[int], shown: Mapping[str, Frames]) -> dict[int, Any]:
        """Return the policy's action in each game, and count where it agrees with other views."""
        if not numbers:
            return {}
        games = [self._games[number] for number in numbers]
        is_first = [game.starts.is_first for game in games]
        actions: list[Any] = []
        queried = [row for row, game in enumerate(games) if game.num_steps % QUERY_EVERY == 0]
        for row in queried:
            games[row].num_queried += 1
        for name, frames in shown.items():
            stacks, predictor = self._stacks[name], self._predictors[name]
            for number, frame, first in zip(
                numbers, self._layout.from_frames(frames), is_first, strict=True
            ):
                self._preprocessing.push(stacks, number, frame, first)
            if not actions:
                actions = predictor.actions(stacks.observations, numbers, is_first)
                # a recurrent policy has to see every step of a view
                rows = [*range(len(games))] if predictor.is_recurrent else queried
                continue
            found = predictor.actions(
                stacks.observations, [numbers[row] for row in rows], [is_first[row] for row in rows]
            )
            others = dict(zip(rows, found, strict=True))
            for row in queried:
                agreed = games[row].num_agreed
                agreed[name] = agreed.get(name, 0) + int(np.array_equal(others[row], actions[row]))
        return dict(zip(numbers, actions, strict=True))
