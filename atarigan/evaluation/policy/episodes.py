"""Whole episodes of a policy, several in parallel, that sees the game through a view."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.policies import RandomPolicy
from atarigan.data.collection.screen import read_frame
from atarigan.data.collection.standstill import FireAtNewLife
from atarigan.errors import InputError
from atarigan.evaluation.metrics.score import Progress
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.layout import ImageLayout
from atarigan.images.pixels import Frames

Ram = npt.NDArray[np.uint8]
View = Callable[[Sequence[int], Sequence[bool], Frames, Ram | None], Frames]
"""Maps real frames to the frames that the policy sees, both uint8 (M, H, W, C). The arguments are
the indices of the games, whether each frame begins an episode, the frames, and the RAM (M, bytes)
if the game has any.
"""
QUERY_EVERY = 4
MAX_PARALLEL = 32


@dataclass(frozen=True)
class EpisodeConfig:
    """Game and length of episodes.

    Attributes:
        env_id: the game.
        max_frames: emulator frames after which an episode is truncated, at least 4.
    """

    env_id: str
    max_frames: int

    def __post_init__(self) -> None:
        if self.max_frames < 4:
            raise InputError(f"max_frames must be at least 4, not {self.max_frames}")

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


class Episodes:
    """Plays episodes of a stable-baselines3 model, which always takes its most probable action.

    In games with FIRE, each life begins with it, as in `ModelPolicy`.

    Args:
        model: the model.
        layout: layout of its observations.
        config: game and length of all episodes.
        seed: seed of the games; episode i has the same seed with every view.
        progress: called with numbers of agent steps; an episode that ends early counts as one of
            full length.
    """

    def __init__(
        self,
        model: Any,
        layout: ImageLayout,
        config: EpisodeConfig,
        seed: int,
        progress: Progress = lambda _: None,
    ) -> None:
        self._model = model
        self._layout = layout
        self._config = config
        self._seed = seed
        self._progress = progress

    def play(
        self, views: Mapping[str, View], num_episodes: int, *, film_steps: int = 0
    ) -> EpisodeResults:
        """Play episodes in which the policy acts on the first view. Every fourth state it is also
        queried with the other views.

        Args:
            views: at least one view, by name.
            num_episodes: at least 1.
            film_steps: agent steps of the first episode to film with every view; 0 for no film.
        """
        results = EpisodeResults(num_agreed={name: [] for name in list(views)[1:]})
        results.film = {name: [] for name in views} if film_steps else {}
        for first in range(0, num_episodes, MAX_PARALLEL):
            numbers = range(first, min(num_episodes, first + MAX_PARALLEL))
            games = [_Game(self._config, self._seed + number) for number in numbers]
            parallel = _ParallelGames(self._model, self._layout, views, games)
            while parallel.running:
                parallel.step(results.film if first == 0 else {}, film_steps)
                self._progress(len(parallel.running))
            self._finish(games, results)
        return results

    def play_at_random(self, num_episodes: int) -> EpisodeResults:
        """Play episodes of random actions."""
        results = EpisodeResults()
        for number in range(num_episodes):
            game = _Game(self._config, self._seed + number)
            rng = np.random.default_rng([self._seed, number])
            policy = RandomPolicy(game.env.action_space, rng)
            while not game.is_over:
                game.step(policy.act(game.env.screen))
                self._progress(1)
            self._finish([game], results)
        return results

    def _finish(self, games: Sequence["_Game"], results: EpisodeResults) -> None:
        for game in games:
            self._progress(game.max_steps - game.num_steps)
            results.returns.append(game.total_reward)
            results.num_steps.append(game.num_steps)
            results.num_queried.append(game.num_queried)
            for name, counts in results.num_agreed.items():
                counts.append(game.num_agreed.get(name, 0))
            game.env.close()


class _Game:
    """A running episode."""

    def __init__(self, config: EpisodeConfig, seed: int) -> None:
        self.env = AgentSteps(config.env_id)
        self.env.reset(seed)
        self.max_steps = config.max_steps(self.env)
        self.total_reward = 0.0
        self.num_steps = 0
        self.num_queried = 0
        self.num_agreed: dict[str, int] = {}
        self.is_over = False
        self._fire = FireAtNewLife(self.env.action_meanings)

    def act(self, action: Any) -> None:
        """Step by the policy's action, or by FIRE at the beginning of a life."""
        fire = self._fire.action(self.env.screen)
        self.step(action if fire is None else fire)

    def step(self, action: Any) -> None:
        reward, terminated, truncated = self.env.step(action)
        self.total_reward += reward
        self.num_steps += 1
        self.is_over = terminated or truncated or self.num_steps >= self.max_steps


class _ParallelGames:
    """Games that are stepped together, with the frame stacks of each view."""

    def __init__(
        self, model: Any, layout: ImageLayout, views: Mapping[str, View], games: list[_Game]
    ) -> None:
        self._model = model
        self._views = views
        self._games = games
        self._layout = layout
        self._stacks = {name: FrameStacks(layout, len(games)) for name in views}

    @property
    def running(self) -> list[int]:
        """Indices of the games that are not over."""
        return [number for number, game in enumerate(self._games) if not game.is_over]

    def step(self, film: Mapping[str, list[Frames]], film_steps: int) -> None:
        """Take one agent step in all running games."""
        numbers = self.running
        games = [self._games[number] for number in numbers]
        observations = self._observe(numbers, film, film_steps)
        (_, acting), *others = observations.items()
        actions = self._predict(acting)
        queried = np.flatnonzero([game.num_steps % QUERY_EVERY == 0 for game in games])
        for name, other in others if len(queried) else ():
            for row, action in zip(queried, self._predict(other[queried]), strict=True):
                agreed = games[row].num_agreed
                agreed[name] = agreed.get(name, 0) + int(action == actions[row])
        for row in queried:
            games[row].num_queried += 1
        for game, action in zip(games, actions, strict=True):
            game.act(action)

    def _observe(
        self, numbers: list[int], film: Mapping[str, list[Frames]], film_steps: int
    ) -> dict[str, npt.NDArray[Any]]:
        """Return the policy's observations of the games with each view."""
        games = [self._games[number] for number in numbers]
        screens = [game.env.screen for game in games]
        frames = np.stack([read_frame(screen, self._layout.frame_format) for screen in screens])
        rams = [ram for screen in screens if (ram := screen.ram()) is not None]
        is_first = [game.num_steps == 0 for game in games]
        observations = {}
        for name, view in self._views.items():
            shown = view(numbers, is_first, frames, np.stack(rams) if rams else None)
            seen = self._layout.from_frames(shown)
            observations[name] = self._stacks[name].push_each(numbers, seen, is_first)
            if numbers[0] == 0 and name in film and len(film[name]) < film_steps:
                film[name].append(shown[0].copy())
        return observations

    def _predict(self, observations: npt.NDArray[Any]) -> npt.NDArray[Any]:
        actions: npt.NDArray[Any] = self._model.predict(observations, deterministic=True)[0]
        return actions
