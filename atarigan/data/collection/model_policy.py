"""A stable-baselines3 model as a policy, with the preprocessing of its training."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.screen import Screen
from atarigan.data.collection.standstill import FireAtNewLife
from atarigan.errors import InputError, did_you_mean
from atarigan.images import pixels
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.layout import ImageLayout, layout_of_space
from atarigan.images.pixels import Frames


class ModelPolicy:
    """Acts by a model, on stacks of frames as its observation space describes them.

    Actions are sampled from the model's distribution, as in training. If the game has FIRE, it is
    pressed at the start of each life: stable-baselines3's AtariWrapper does this in training, so
    models do not learn it.

    Args:
        algorithm: name of a stable-baselines3 class: "PPO".
        file: saved model.
        env: the environment to act in.
        rng: seeds the model at each episode.

    Raises:
        InputError: an unknown algorithm, a file that is not its model, or spaces that do not match.
    """

    def __init__(
        self, algorithm: str, file: Path, env: AgentSteps, rng: np.random.Generator
    ) -> None:
        import torch

        torch.set_num_threads(1)  # each environment has its own process
        self._model = load_model(algorithm, file)
        self._layout = checked_layout(self._model, file, env.action_space)
        self._stacks = FrameStacks(self._layout)
        self._fire = FireAtNewLife(env.action_meanings)
        self._rng = rng

    def begin_episode(self) -> None:
        self._model.set_random_seed(int(self._rng.integers(2**31)))
        self._stacks.clear(0)
        self._fire.begin_episode()

    def act(self, screen: Screen) -> Any:
        self._stacks.push(0, self._layout.from_frames(warped(screen, self._layout)))
        fire = self._fire.action(screen)
        if fire is not None:
            return fire
        action, _ = self._model.predict(self._stacks.observations[0])
        return action if action.ndim else action.item()


def warped(screen: Screen, layout: ImageLayout) -> Frames:
    """Return the screen as a frame of the layout, uint8 (H, W, C).

    For gray layouts this equals stable-baselines3's WarpFrame. Color frames are only resized.
    """
    frame = screen.rgb() if layout.num_channels == 3 else pixels.rgb_to_gray(screen.rgb())
    return pixels.resize(frame, layout.height, layout.width)


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


def load_model(algorithm: str, file: Path) -> Any:
    """Load a stable-baselines3 model to the CPU. The file must be trusted: loading can run code.

    Raises:
        InputError: an unknown algorithm, or a file that is not its model.
    """
    import stable_baselines3
    from stable_baselines3.common.base_class import BaseAlgorithm

    algorithms = {
        name: value
        for name, value in vars(stable_baselines3).items()
        if isinstance(value, type) and issubclass(value, BaseAlgorithm)
    }
    if algorithm not in algorithms:
        hint = did_you_mean(algorithm, algorithms)
        raise InputError(f"stable-baselines3 has no algorithm {algorithm!r}: {hint}")
    try:
        return algorithms[algorithm].load(file, device="cpu")
    except Exception as error:  # another kind of file may raise anything
        raise InputError(f"{file} is not a model of {algorithm}: {error}") from error


def checked_layout(model: Any, file: Path, action_space: gym.Space[Any]) -> ImageLayout:
    """Return the image layout of a model's observations.

    Raises:
        InputError: the observations are not images, or its actions differ from the environment's.
    """
    layout = layout_of_space(model.observation_space)
    if layout is None:
        raise InputError(
            f"{file} must be a model of image observations, not {model.observation_space}"
        )
    if model.action_space != action_space:
        raise InputError(
            f"{file} must be a model with actions {action_space}, not {model.action_space}"
        )
    return layout
