"""A stable-baselines3 model as a policy, with the preprocessing of its training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.model_file import ModelFile, check_algorithm, load_model
from atarigan.data.collection.preprocessing import (
    LifeStarts,
    Preprocessing,
    preprocessing_named,
)
from atarigan.data.collection.screen import Screen
from atarigan.data.provenance import Provenance, game_of
from atarigan.errors import InputError, shown
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.layout import ImageLayout, layout_of_space

_NUM_ALL_ACTIONS = 18  # of the joystick
_AS_RGB = {"KHW": "KCHW", "HWK": "HWKC"}


class ModelPolicy:
    """Acts by a model, on stacks of frames as in its training.

    The observation space determines size, colors and stack of the frames. The preprocessing
    determines how frames are pooled, and which actions begin an episode or a life before the model
    is asked. Actions are sampled from the model's distribution, as in training.

    Args:
        algorithm: name of a stable-baselines3 class: "PPO".
        path: file of the saved model.
        env: the environment to act in. Reset it before the first episode.
        rng: seeds the model at each episode.
        preprocessing: see `trained_preprocessing`.
        axes: see `checked_layout`.

    Raises:
        InputError: an unknown algorithm, a file that is not its model, or spaces that do not match.
    """

    def __init__(
        self,
        algorithm: str,
        path: Path,
        env: AgentSteps,
        rng: np.random.Generator,
        preprocessing: str | None = None,
        axes: str | None = None,
    ) -> None:
        import torch

        torch.set_num_threads(1)  # each environment has its own process
        file = ModelFile.read(path, algorithm)
        self._preprocessing = trained_preprocessing(file, env, preprocessing)
        self._model = load_model(algorithm, path)
        self._predictor = Predictor(self._model)
        self._layout = checked_layout(self._model, file, env, axes)
        self._stacks = FrameStacks(self._layout)
        self._screen = env.policy_screen(self._preprocessing)
        self._starts = LifeStarts(self._preprocessing, env.action_meanings)
        self._rng = rng

    def begin_episode(self) -> None:
        self._model.set_random_seed(int(self._rng.integers(2**31)))
        self._stacks.clear(0)
        self._starts.begin_episode()

    def act(self, screen: Screen) -> Any:
        """Return an action for the policy's own screen; `screen` is not used."""
        starts = self._starts
        starts.observe(self._screen)
        if starts.start is not None:
            return starts.start
        frame = self._layout.from_frames(self._preprocessing.frame(self._screen, self._layout))
        self._preprocessing.push(self._stacks, 0, frame, starts.is_first)
        if starts.fire is not None:
            return starts.fire
        action = self._predictor.actions(self._stacks.observations, [0], [starts.is_first])[0]
        return action if action.ndim else action.item()


class Predictor:
    """Asks a model for actions in several games, and keeps the states of a recurrent one.

    Args:
        model: a stable-baselines3 model.
        num_games: number of games, at least 1.
        deterministic: take the most probable action instead of sampling one.
    """

    def __init__(self, model: Any, num_games: int = 1, *, deterministic: bool = False) -> None:
        self._model = model
        self._num_games = num_games
        self._deterministic = deterministic
        self._states: tuple[npt.NDArray[Any], ...] | None = None

    @property
    def is_recurrent(self) -> bool:
        """Whether the model has states; known after the first actions."""
        return self._states is not None

    def actions(
        self, observations: npt.NDArray[Any], numbers: list[int], is_first: list[bool]
    ) -> list[Any]:
        """Return an action for each of some games.

        Args:
            observations: of all games, (num_games, *shape), in the model's layout.
            numbers: indices of the games to act in.
            is_first: of each of them, whether to forget its state.
        """
        if not numbers:
            return []
        recurrent: dict[str, Any] = {}
        if self._states is not None:
            states = tuple(state[:, numbers] for state in self._states)
            recurrent = {"state": states, "episode_start": np.array(is_first)}
        actions, states = self._model.predict(
            observations[numbers], deterministic=self._deterministic, **recurrent
        )
        if states is not None:
            self._keep(states, numbers)
        return list(actions)

    def _keep(self, states: tuple[npt.NDArray[Any], ...], numbers: list[int]) -> None:
        """Store the states of some games, each (layers, len(numbers), units)."""
        if self._states is None:
            self._states = tuple(
                np.zeros((len(state), self._num_games, *state.shape[2:]), state.dtype)
                for state in states
            )
        for kept, state in zip(self._states, states, strict=True):
            kept[:, numbers] = state


def named_model(name: str) -> tuple[str, Path]:
    """Parse "sb3:ALGO:FILE.zip", or "FILE.zip" for PPO, into algorithm and file.

    Raises:
        InputError: the name is malformed, or the algorithm or the file does not exist.
    """
    algorithm, file = "PPO", name
    if name.partition(":")[0] == "sb3":
        _, _, rest = name.partition(":")
        algorithm, _, file = rest.partition(":")
        if not algorithm or not file:
            raise InputError(f"policy sb3 must be written sb3:ALGO:FILE.zip, not {name!r}")
        check_algorithm(algorithm)
    if not Path(file).is_file():
        raise InputError(f"policy {name!r}: {file} does not exist")
    return algorithm, Path(file)


def checked_layout(
    model: Any, file: ModelFile, env: AgentSteps, axes: str | None = None
) -> ImageLayout:
    """Return the image layout of a model's observations.

    Args:
        model: the model.
        file: its file.
        env: the environment to act in.
        axes: as in `ImageLayout.axes`; None means the ones that the file records, or else a
            guess by the shape: for ALE's games, 3, 6 or 9 channels of square frames are gray
            frames, as AtariWrapper makes them.

    Raises:
        InputError: the observations are not images, or its actions differ from the environment's.
    """
    space = model.observation_space
    axes = axes or file.trained_on.get("layout")
    if axes is None and env.is_ale:
        axes = _likely_axes(space)
    layout = layout_of_space(space, axes)
    if layout is None:
        raise InputError(f"{file.path} must be a model of image observations, not {shown(space)}")
    if model.action_space != env.action_space:
        raise InputError(
            f"{file.path} must be a model with actions {env.action_space}, not "
            f"{model.action_space}{_action_hint(model.action_space, env.action_space)}"
        )
    return layout


def trained_preprocessing(
    file: ModelFile, env: AgentSteps, name: str | None = None
) -> Preprocessing:
    """Return the preprocessing of a model's training.

    Args:
        file: the model's file.
        env: the environment to act in.
        name: name in `PREPROCESSINGS`; None means the one that the file records, or else that of
            stable-baselines3, with pooling for ALE's games only.

    Raises:
        InputError: the name is unknown.
    """
    default = "sb3" if env.is_ale else "sb3-unpooled"
    return preprocessing_named(name or file.trained_on.get("preprocessing", default))


def training_differences(
    file: ModelFile,
    env: AgentSteps,
    env_id: str,
    preprocessing: Preprocessing,
    axes: str | None,
) -> Iterator[str]:
    """Yield a sentence for each known difference between a game and the one that a model was
    trained on, and one if the layout of its observations is a guess.

    Args:
        file: the model's file.
        env: the environment to act in.
        env_id: its id.
        preprocessing: the preprocessing of the model's training.
        axes: as in `checked_layout`.
    """
    default_skip = preprocessing.frame_skip if env.is_ale else env.frame_skip
    trained_skip = file.frame_skip or default_skip
    if env.frame_skip != trained_skip:
        yield f"{file.path} was trained with frame skip {trained_skip}, not {env.frame_skip}"
    trained_id = file.trained_on.get("env_id", env_id)
    played = Provenance(env_id, {} if env.game is None else {"game": env.game})
    if game_of(trained_id) != played.game:
        same_id = trained_id == env_id
        yield f"{file.path} was trained on {trained_id}, not {played.title if same_id else env_id}"
    space = file.observation_space
    if axes is None and "layout" not in file.trained_on and env.is_ale and space is not None:
        guess = _likely_axes(space)
        if guess is not None:
            yield (
                f"{file.path} has observations {space.shape}, which are read as a stack of gray "
                f"frames, layout {guess}: --policy-layout {_AS_RGB[guess]} reads them as RGB"
            )


def _likely_axes(space: gym.Space[Any]) -> str | None:
    """Return the axes of stacks of 3, 6 or 9 square gray frames, or None for the usual guess."""
    shape = space.shape or ()
    if not isinstance(space, gym.spaces.Box) or len(shape) != 3:
        return None
    if shape[0] % 3 == 0 and shape[0] < shape[1] == shape[2]:
        return "KHW"
    return "HWK" if shape[2] % 3 == 0 and shape[2] < shape[0] == shape[1] else None


def _action_hint(wanted: gym.Space[Any], found: gym.Space[Any]) -> str:
    """Return the argument of ALE's environments that gives a model the actions it knows."""
    if not isinstance(wanted, gym.spaces.Discrete) or not isinstance(found, gym.spaces.Discrete):
        return ""
    is_full = {wanted.n: True, found.n: False}.get(_NUM_ALL_ACTIONS)
    if is_full is None:
        return ""
    return f": name --env-kwargs '{{\"full_action_space\": {str(is_full).lower()}}}'"
