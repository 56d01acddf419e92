"""DreamGames: the games that the environments of a dream play."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.config.condition import RAM
from atarigan.data.collection import paddles
from atarigan.data.collection.frame_player import NO_OP
from atarigan.data.joysticks import Joysticks, with_joysticks
from atarigan.data.sample_spec import Ram
from atarigan.data.states import StateSpec
from atarigan.errors import InputError, shown
from atarigan.images.pixels import Frames
from atarigan.models import shipped
from atarigan.models.dynamics.dream import Dream, DreamSettings
from atarigan.models.dynamics.dream_batch import (
    EVERYONE,
    DreamBatch,
    GameStates,
    Outcomes,
    Rows,
)
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.network_dreams.action_inputs import ActionInputs

from .dream_observations import DreamObservations, ShownStates
from .dream_options import DreamOptions, check_whole
from .games import Games, Infos
from .vector_api import Indices, Output

if TYPE_CHECKING:
    import torch

    from atarigan.models.device_dreams.device_batch import DeviceDreamBatch, DeviceGames
    from atarigan.models.frame_generator import FrameGenerator

_MAX_LIVES = 255
_PLAYING_DEVICES = ("cuda",)


@dataclass(frozen=True, eq=False)
class DreamState:
    """A game of a dream at one moment; `clone_state` of an environment makes it.

    Attributes:
        game: what determines how the game goes on, of one game.
        num_frames_before: emulator frames of earlier episodes.
        is_over: whether the episode has ended.
        stack: the pixels of its observation; None without pixels.
        includes_rng: whether the random stream is restored too.
        settings: of the dream.
    """

    game: GameStates
    num_frames_before: int
    is_over: bool
    stack: Frames | None
    includes_rng: bool
    settings: DreamSettings


class DreamGames(Games[DreamState]):
    """N games of a dream of a console.

    Args:
        model: a Dream, or what `Dream.load` takes.
        generator: a FrameGenerator, or what `FrameGenerator.load` takes; None for the dream's own.
        num: N.
        options: how to play and show.
        output: kind of the observations.

    Attributes:
        dream: the learned game.
        seen: the observations.
        is_over: whether the episode of each game has ended, bool (N,).

    Raises:
        InputError: the dream cannot be loaded, or as for `DreamObservations`.
    """

    dream: Dream

    def __init__(
        self,
        model: Dream | str | Path | None,
        generator: "FrameGenerator | str | Path | None",
        num: int,
        options: DreamOptions,
        output: Output = "numpy",
    ) -> None:
        if not isinstance(model, (Dream, str, Path)):
            names = ", ".join(shipped.names_of_dreams())
            raise InputError(
                "model must be a dream, its folder or its name, such as that of a shipped one "
                f"({names}), not {shown(model)}"
            )
        self.dream = model if isinstance(model, Dream) else Dream.load(model)
        if options.starts == "drawn":
            from atarigan.models.dream_frames import with_drawn_starts

            self.dream = with_drawn_starts(self.dream, generator)
        num_bytes = self.dream.dynamics.num_bytes
        states = ShownStates(
            "ram",
            StateSpec.of(RAM, num_bytes),
            gym.spaces.Box(0, 255, (num_bytes,), np.uint8),
            self.dream.settings.provenance,
            self.dream.generator_source if generator is None else generator,
        )
        super().__init__(DreamObservations(states, num, options, output), num)
        self._options = options
        self._batch = _batch(self.dream, num, options, self.seen.device)
        num_actions = len(self.dream.settings.action_meanings)
        self._actions = ActionInputs.of_space(gym.spaces.Discrete(num_actions))
        self._joysticks = Joysticks(self.dream.settings.action_meanings)
        self._num_frames_before = np.zeros(num, np.int64)

    @property
    def states(self) -> "GameStates | DeviceGames":
        """The states of all games, which change in place."""
        return self._batch.games

    @property
    def shown_states(self) -> Any:
        """RAM, (N, bytes), with the joystick of the last frame behind it if the generator reads
        it, (N, bytes + 1).
        """
        rams = self.states.rams
        if not self.seen.reads_action:
            return rams
        joysticks = self._joysticks.of(self.states.array_of("last_actions"))
        if isinstance(rams, np.ndarray):
            return with_joysticks(rams, joysticks)
        import torch

        return torch.cat([rams, torch.from_numpy(joysticks).to(rams.device)[:, None]], 1)

    def _seed(self, rows: Indices, numbers: npt.NDArray[np.uint64]) -> None:
        self._batch.seed(rows, numbers)

    def checked_actions(self, actions: Any) -> npt.NDArray[np.int64]:
        """Return actions, an array, a tensor or a list, as int64 (N,).

        Raises:
            InputError: they are not one whole number in range for each game.
        """
        return self._actions.checked(actions, len(self.is_over)).astype(np.int64, copy=False)

    def reset(
        self, rows: Indices, seeds: Sequence[int | None], rng: np.random.Generator
    ) -> Indices:
        """As `Games.reset`; ALE loads the game anew with a seed."""
        seeded = super().reset(rows, seeds, rng)
        self._num_frames_before[seeded] = 0
        return seeded

    def begin(self, rows: Indices) -> None:
        """Begin episodes in some games (n,), without showing them."""
        self._num_frames_before[rows] += self.states.array_of("num_frames")[rows]
        self._batch.reset(rows, self._options.noop_max)
        self.is_over[rows] = False

    def play(self, actions: npt.NDArray[np.int64], rows: Rows = EVERYONE) -> Outcomes:
        """Play an agent step in some games (n,) with actions int64 (n,), without showing it."""
        outcomes = self._batch.step(actions, rows)
        if self._options.end_if_unseen:
            unseen = self._batch.is_unseen(rows)
            outcomes = outcomes._replace(truncations=outcomes.truncations | unseen)
        self.is_over[rows] = outcomes.ends | outcomes.truncations
        if self._options.reward_clipping:
            return outcomes._replace(rewards=np.sign(outcomes.rewards))
        return outcomes

    def infos(self) -> Infos:
        """Return what ALE tells of each game, whether no real play reaches its state, and its RAM,
        as copies, (N, ...) each; RAM is a tensor where observations are.
        """
        states = self.states
        num_frames = states.array_of("num_frames")
        return {
            "lives": states.array_of("lives").astype(np.int64),
            "episode_frame_number": num_frames,
            "frame_number": num_frames + self._num_frames_before,
            "is_unseen": self._batch.is_unseen(),
            "ram": self.seen.as_output(deepcopy(states.rams)),
        }

    def clone(self, row: int, *, include_rng: bool) -> DreamState:
        self.check_begun()
        return DreamState(
            game=self.states[[row]],
            num_frames_before=int(self._num_frames_before[row]),
            is_over=bool(self.is_over[row]),
            stack=self.seen.stack(row),
            includes_rng=include_rng,
            settings=self.dream.settings,
        )

    def restore(self, rows: Indices, state: DreamState) -> None:
        self._check_same_dream(state, DreamState)
        expected = self.states.rams.shape[1:], self.seen.stack_shape
        found = state.game.rams.shape[1:], None if state.stack is None else state.stack.shape
        if found != expected:
            raise InputError(
                f"state must be of RAM {expected[0]} and pixels {expected[1]}, "
                f"not of RAM {found[0]} and pixels {found[1]}"
            )
        self._continue_from(rows, state)
        self._num_frames_before[rows] = state.num_frames_before

    def set_state(self, rows: Indices, ram: Any, lives: int | None, resistance: int | None) -> None:
        """Change what some games (n,) hold, and show them as at an episode's begin.

        Args:
            rows: the games.
            ram: uint8 (bytes,).
            lives: lives left, from 0 to 255; None takes those that the dream predicts of the RAM.
            resistance: of the paddle in ohms, in ALE's range; None changes nothing.

        Raises:
            InputError: the RAM has another type or shape, a number is out of range, or there is no
                paddle.
            ResetNeeded: before the first reset.
        """
        self.check_begun()
        _check_state(ram, self.states.rams.shape[1:], lives)
        changed = self.states[rows]
        if resistance is not None:
            _check_resistance(resistance, has_paddle=self.dream.settings.has_paddle)
            changed.resistances[:] = resistance
        changed.lives[:] = self._lives_of(ram) if lives is None else lives
        changed.rams[:] = ram
        changed.num_frames[:] = 0
        changed.last_actions[:] = NO_OP
        self.states[rows] = changed
        self.is_over[rows] = False
        self.seen.begin(rows, self.shown_states[rows])

    def _lives_of(self, ram: Ram) -> int:
        """Return the lives after a frame without an action."""
        return int(self.dream.dynamics.step(ram[None], self.dream.controls.idle(1)).lives[0])


def _batch(
    dream: Dream, num: int, options: DreamOptions, device: "torch.device | None"
) -> "DreamBatch | DeviceDreamBatch":
    """Return games that are played where tensors are, if that is a GPU; else compiled code is
    faster. Only trees can be walked there.
    """
    arguments = options.frameskip, options.repeat_action_probability
    limits: Any = {
        "max_frames": options.max_num_frames_per_episode,
        "ends_with_life": options.episodic_life,
    }
    has_trees = isinstance(dream.dynamics, TreeDynamics)
    if device is not None and device.type in _PLAYING_DEVICES and has_trees:
        from atarigan.models.device_dreams.device_batch import DeviceDreamBatch

        return DeviceDreamBatch(dream, num, device, *arguments, **limits)
    return DreamBatch(dream, num, *arguments, **limits)


def _check_state(ram: Any, shape: tuple[int, ...], lives: int | None) -> None:
    if not isinstance(ram, np.ndarray) or ram.dtype != np.uint8 or ram.shape != shape:
        kind = f"{ram.dtype} {ram.shape}" if isinstance(ram, np.ndarray) else shown(ram)
        raise InputError(f"ram must be an array uint8 {shape}, not {kind}")
    if lives is not None:
        check_whole("lives", lives, 0, _MAX_LIVES)


def _check_resistance(resistance: int, *, has_paddle: bool) -> None:
    if not has_paddle:
        raise InputError(f"resistance must be None in a game without a paddle, not {resistance}")
    check_whole("resistance", resistance, paddles.LEAST_RESISTANCE, paddles.MOST_RESISTANCE)
