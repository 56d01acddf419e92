"""Whole episodes of a policy, several at once, that sees the game through one of several views."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.model_policy import FireAtNewLife
from atarigan.data.collection.policies import RandomPolicy
from atarigan.data.collection.screen import read_frame
from atarigan.errors import InputError
from atarigan.evaluation.metrics.score import Progress
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.layout import ImageLayout
from atarigan.images.pixels import Frames

Ram = npt.NDArray[np.uint8]
View = Callable[[Sequence[int], Sequence[bool], Frames, Ram | None], Frames]
"""What is shown in the place of real frames uint8 (M, H, W, C): of which games, whether each begins
an episode, the frames, and the console's memory (M, bytes), where there is any.
"""
ASK_EVERY = 4
MOST_AT_ONCE = 32


@dataclass(frozen=True)
class Rules:
    """What all episodes have in common.

    Attributes:
        env_id: the game.
        max_frames: emulator frames after which an episode is cut off, at least 4.
    """

    env_id: str
    max_frames: int

    def __post_init__(self) -> None:
        if self.max_frames < 4:
            raise InputError(f"max_frames must be at least 4, not {self.max_frames}")

    def max_steps(self, env: AgentSteps) -> int:
        """The same in agent steps."""
        return max(1, self.max_frames // env.frame_skip)


@dataclass
class Played:
    """What came of N episodes.

    Attributes:
        returns: sums of rewards, one an episode.
        num_steps: agent steps, likewise.
        asked: states, every fourth, in which the other views were asked about.
        agreed: by the name of a view, in how many of them the policy does the same as seeing it.
        film: by the name of a view, what it showed of the first episode.
    """

    returns: list[float] = field(default_factory=list)
    num_steps: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    agreed: dict[str, list[int]] = field(default_factory=dict)
    film: dict[str, list[Frames]] = field(default_factory=dict)


class Episodes:
    """Plays a stable-baselines3 model, which always takes its likeliest action.

    Where the game has FIRE it is pressed first in each life, as `ModelPolicy` has it.

    Args:
        model: the model.
        layout: how its observations show frames.
        rules: of all episodes.
        seed: of the games; episode i has the same seed whatever is seen.
        progress: told of agent steps; an episode that ends early counts as a full one.
    """

    def __init__(
        self,
        model: Any,
        layout: ImageLayout,
        rules: Rules,
        seed: int,
        progress: Progress = lambda _: None,
    ) -> None:
        self._model = model
        self._layout = layout
        self._rules = rules
        self._seed = seed
        self._progress = progress

    def play(self, views: Mapping[str, View], num_episodes: int, *, film_steps: int = 0) -> Played:
        """Episodes in which the policy sees the first of the views. What it would do seeing the
        others is asked in every fourth state.

        Args:
            views: by name, at least one.
            num_episodes: at least 1.
            film_steps: agent steps of the first episode to keep what all views show of; 0: none.
        """
        played = Played(agreed={name: [] for name in list(views)[1:]})
        played.film = {name: [] for name in views} if film_steps else {}
        for first in range(0, num_episodes, MOST_AT_ONCE):
            numbers = range(first, min(num_episodes, first + MOST_AT_ONCE))
            games = [_Game(self._rules, self._seed + number) for number in numbers]
            table = _Table(self._model, self._layout, views, games)
            while table.under_way:
                table.step(played.film if first == 0 else {}, film_steps)
                self._progress(len(table.under_way))
            self._finish(games, played)
        return played

    def play_at_random(self, num_episodes: int) -> Played:
        """Episodes of random actions."""
        played = Played()
        for number in range(num_episodes):
            game = _Game(self._rules, self._seed + number)
            rng = np.random.default_rng([self._seed, number])
            policy = RandomPolicy(game.env.action_space, rng)
            while not game.is_over:
                game.step(policy.act(game.env.screen))
                self._progress(1)
            self._finish([game], played)
        return played

    def _finish(self, games: Sequence["_Game"], played: Played) -> None:
        for game in games:
            self._progress(game.max_steps - game.num_steps)
            played.returns.append(game.total)
            played.num_steps.append(game.num_steps)
            played.asked.append(game.num_asked)
            for name, counts in played.agreed.items():
                counts.append(game.num_agreed.get(name, 0))
            game.env.close()


class _Game:
    """One episode under way."""

    def __init__(self, rules: Rules, seed: int) -> None:
        self.env = AgentSteps(rules.env_id)
        self.env.reset(seed)
        self.max_steps = rules.max_steps(self.env)
        self.total = 0.0
        self.num_steps = 0
        self.num_asked = 0
        self.num_agreed: dict[str, int] = {}
        self.is_over = False
        self._fire = FireAtNewLife(self.env.action_meanings)

    def obey(self, action: Any) -> None:
        """Do what the policy says, but begin each life with FIRE."""
        fire = self._fire.action(self.env.screen.lives())
        self.step(action if fire is None else fire)

    def step(self, action: Any) -> None:
        reward, terminated, truncated = self.env.step(action)
        self.total += reward
        self.num_steps += 1
        self.is_over = terminated or truncated or self.num_steps >= self.max_steps


class _Table:
    """Games side by side, each view's stacks of frames, and the policy that looks at them."""

    def __init__(
        self, model: Any, layout: ImageLayout, views: Mapping[str, View], games: list[_Game]
    ) -> None:
        self._model = model
        self._views = views
        self._games = games
        self._layout = layout
        self._stacks = {name: FrameStacks(layout, len(games)) for name in views}

    @property
    def under_way(self) -> list[int]:
        """Numbers of the games that are not over."""
        return [number for number, game in enumerate(self._games) if not game.is_over]

    def step(self, film: Mapping[str, list[Frames]], film_steps: int) -> None:
        """One agent step of all games that are not over."""
        numbers = self.under_way
        games = [self._games[number] for number in numbers]
        seen = self._look(numbers, film, film_steps)
        acting, *others = seen.items()
        actions = self._chosen(acting[1])
        asked = np.flatnonzero([game.num_steps % ASK_EVERY == 0 for game in games])
        for name, observations in others if len(asked) else ():
            for row, action in zip(asked, self._chosen(observations[asked]), strict=True):
                agreed = games[row].num_agreed
                agreed[name] = agreed.get(name, 0) + int(action == actions[row])
        for row in asked:
            games[row].num_asked += 1
        for game, action in zip(games, actions, strict=True):
            game.obey(action)

    def _look(
        self, numbers: list[int], film: Mapping[str, list[Frames]], film_steps: int
    ) -> dict[str, npt.NDArray[Any]]:
        """What each view shows of the games now, as the policy's observations."""
        games = [self._games[number] for number in numbers]
        screens = [game.env.screen for game in games]
        frames = np.stack([read_frame(screen, self._layout.frame_format) for screen in screens])
        memories = [screen.ram() for screen in screens]
        ram = None if memories[0] is None else np.stack([m for m in memories if m is not None])
        is_first = [game.num_steps == 0 for game in games]
        observations = {}
        for name, view in self._views.items():
            shown = view(numbers, is_first, frames, ram)
            seen = self._layout.from_frames(shown)
            observations[name] = self._stacks[name].push_each(numbers, seen, is_first)
            if numbers[0] == 0 and name in film and len(film[name]) < film_steps:
                film[name].append(shown[0].copy())
        return observations

    def _chosen(self, observations: npt.NDArray[Any]) -> npt.NDArray[Any]:
        actions: npt.NDArray[Any] = self._model.predict(observations, deterministic=True)[0]
        return actions
