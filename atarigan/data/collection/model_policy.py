"""A stable-baselines3 model as a policy, with the preprocessing of its training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.model_file import ModelFile, load_model
from atarigan.data.collection.preprocessing import LifeStarts, Preprocessing
from atarigan.data.collection.screen import Screen
from atarigan.data.provenance import game_of
from atarigan.errors import InputError, shown
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.layout import ImageLayout, layout_of_space

_NUM_ALL_ACTIONS = 18  # of the console's joystick
_AS_RGB = {"KHW": "KCHW", "HWK": "HWKC"}


class ModelPolicy:
    """Acts by a model, on stacks of frames as in its training.

    The observation space tells size, colors and stack of the frames. The preprocessing tells how
    frames are pooled and which actions begin an episode or a life, before the model is asked.

    Actions are sampled from the model's distribution, as in training.

    Args:
        algorithm: name of a stable-baselines3 class: "PPO".
        file: saved model.
        env: the environment to act in. Reset it before the first episode.
        rng: seeds the model at each episode.
        preprocessing: name in `PREPROCESSINGS`; None means what the file tells, or else
            `default_preprocessing`.
        axes: layout of the observations, as in `ImageLayout.axes`; None means what the file tells,
            or else a guess by their shape.

    Raises:
        InputError: an unknown algorithm, a file that is not its model, or spaces that do not match.
    """

    def __init__(
        self,
        algorithm: str,
        file: Path,
        env: AgentSteps,
        rng: np.random.Generator,
        preprocessing: str | None = None,
        axes: str | None = None,
    ) -> None:
        import torch

        torch.set_num_threads(1)  # each environment has its own process
        told = ModelFile.read(file, algorithm)
        self._preprocessing = told.preprocessing(preprocessing, default_preprocessing(env))
        self._model = load_model(algorithm, file)
        self._predictor = Predictor(self._model)
        self._layout = checked_layout(self._model, told, env, axes)
        self._stacks = FrameStacks(self._layout)
        self._screen = env.policy_screen(self._preprocessing)
        self._starts = LifeStarts(self._preprocessing, env.action_meanings)
        self._rng = rng

    def begin_episode(self) -> None:
        self._model.set_random_seed(int(self._rng.integers(2**31)))
        self._stacks.clear(0)
        self._starts.begin_episode()

    def act(self, screen: Screen) -> Any:
        """Return an action for what the policy's own screen shows."""
        starts = self._starts
        starts.look(self._screen)
        if starts.start is not None:
            return starts.start
        frame = self._layout.from_frames(self._preprocessing.frame(self._screen, self._layout))
        self._preprocessing.push(self._stacks, 0, frame, starts.is_first)
        if starts.fire is not None:
            return starts.fire
        action = self._predictor.action(self._stacks.observations[0], starts.is_first)
        return action if action.ndim else action.item()


class Predictor:
    """Asks a model for the actions of one game, and keeps the state of a recurrent one."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._state: Any = None

    def action(self, observation: npt.NDArray[Any], is_first: bool) -> npt.NDArray[Any]:
        """Return an action sampled for one observation.

        Args:
            observation: in the layout of the model's observation space.
            is_first: forget the state.
        """
        if self._state is None:
            action, self._state = self.model.predict(observation)
        else:
            action, self._state = self.model.predict(
                observation, state=self._state, episode_start=np.array([is_first])
            )
        return np.asarray(action)


def default_preprocessing(env: AgentSteps) -> str:
    """Return the preprocessing of models whose files tell none: that of stable-baselines3's
    make_atari_env for ALE's games. Other environments are trained on without pooling.
    """
    return "sb3" if env.is_ale else "sb3-unpooled"


def named_model(name: str) -> tuple[str, Path]:
    """Parse "sb3:ALGO:FILE.zip", or "FILE.zip" for PPO, into algorithm and file.

    Raises:
        InputError: the name is malformed, or the file does not exist.
    """
    algorithm, file = "PPO", name
    if name.partition(":")[0] == "sb3":
        _, _, rest = name.partition(":")
        algorithm, _, file = rest.partition(":")
        if not algorithm or not file:
            raise InputError(f"policy sb3 must be written sb3:ALGO:FILE.zip, not {name!r}")
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
        axes: as in `ImageLayout.axes`; None means what the file tells, or else a guess: for ALE's
            games, 3, 6 or 9 square channels are gray frames, as AtariWrapper makes them.

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


def trained_preprocessing(name: str, env: AgentSteps, preprocessing: str | None) -> Preprocessing:
    """Return the preprocessing of a named model in an environment; see `ModelPolicy`.

    Raises:
        InputError: the file is not a model, or the preprocessing is unknown.
    """
    algorithm, path = named_model(name)
    file = ModelFile.read(path, algorithm)
    return file.preprocessing(preprocessing, default_preprocessing(env))


def training_differences(
    name: str, env: AgentSteps, env_id: str, preprocessing: str | None, axes: str | None
) -> Iterator[str]:
    """Yield in words where a game differs from the one that a model was trained on, as far as its
    file or the preprocessing tells, and where its layout is a guess.

    Args:
        name: name of the policy, as `named_model` takes it.
        env: the environment to act in.
        env_id: its id.
        preprocessing, axes: as in `ModelPolicy`.

    Raises:
        InputError: the file is not a model, or the preprocessing is unknown.
    """
    algorithm, path = named_model(name)
    file = ModelFile.read(path, algorithm)
    trained = file.preprocessing(preprocessing, default_preprocessing(env))
    trained_skip = file.frame_skip or (trained.frame_skip if env.is_ale else env.frame_skip)
    if env.frame_skip != trained_skip:
        yield f"{path} was trained with frame skip {trained_skip}, not {env.frame_skip}"
    told_id = file.trained_on.get("env_id", env_id)
    if told_id != env_id and game_of(told_id) != game_of(env_id):
        yield f"{path} was trained on {told_id}, not {env_id}"
    space = file.observation_space
    if axes is None and "layout" not in file.trained_on and env.is_ale and space is not None:
        guess = _likely_axes(space)
        if guess is not None:
            yield (
                f"{path} has observations {space.shape}, which are read as a stack of gray "
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
    """Name the argument of ALE's environments that gives a model the actions it knows."""
    if not isinstance(wanted, gym.spaces.Discrete) or not isinstance(found, gym.spaces.Discrete):
        return ""
    is_full = {wanted.n: True, found.n: False}.get(_NUM_ALL_ACTIONS)
    if is_full is None:
        return ""
    return f": name --env-kwargs '{{\"full_action_space\": {str(is_full).lower()}}}'"
