"""WalkingVectorEnv: a vector environment of generated frames without a game."""

from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from atarigan.errors import InputError
from atarigan.images.layout import layout_of_frames
from atarigan.images.pixels import ale_palette
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.latent_tensors import from_gaussian
from atarigan.models.latents import persistence, walked

Output = Literal["numpy", "torch"]
NUM_ACTIONS = 18


class WalkingVectorEnv(VectorEnv[Any, Any, Any]):
    """Returns generated frames as fast as the device makes them, to train or test perception.

    There is no emulator: actions are ignored and rewards are 0. The latent of each sub-environment
    follows a random walk (`atarigan.models.latents.walked`), so frames change slowly and each frame
    by itself is a sample. An episode is truncated after `episode_steps` steps, and the next step
    begins another one (NEXT_STEP). Observations are uint8 (N, H, W, C), palette indices as RGB.

    Args:
        generator: a FrameGenerator, or what `FrameGenerator.load` takes.
        num_envs: the number of sub-environments, at least 1.
        walk_length: steps after which a walk's correlation with its past has fallen to 1/e, above
            0.
        episode_steps: the number of steps in an episode, at least 1.
        num_actions: the size of the discrete action space, at least 1.
        output: "numpy", or "torch" for observations, rewards, terminations and truncations that are
            tensors on the generator's device.
        device: where a generator given by name is loaded: "auto", "cpu" or "cuda".
        render_mode: None or "rgb_array".

    Raises:
        InputError: a number is out of range, `output` is unknown, or the generator makes points.

    Example:
        >>> from atarigan.envs import WalkingVectorEnv
        >>> envs = WalkingVectorEnv("pong", num_envs=4, walk_length=20)
        >>> frames, _ = envs.reset(seed=0)
        >>> frames, rewards, *_ = envs.step(envs.action_space.sample())
        >>> frames.shape, rewards.tolist()
        ((4, 84, 84, 1), [0.0, 0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        generator: FrameGenerator | str | Path,
        num_envs: int = 1,
        *,
        walk_length: float = 50.0,
        episode_steps: int = 1000,
        num_actions: int = NUM_ACTIONS,
        output: Output = "numpy",
        device: str = "auto",
        render_mode: str | None = None,
    ) -> None:
        for name, number in {
            "num_envs": num_envs,
            "episode_steps": episode_steps,
            "num_actions": num_actions,
        }.items():
            if number < 1:
                raise InputError(f"{name} must be at least 1, not {number}")
        if not walk_length > 0:
            raise InputError(f"walk_length must be above 0, not {walk_length}")
        if output not in ("numpy", "torch"):
            raise InputError(f"output must be 'numpy' or 'torch', not {output!r}")
        if isinstance(generator, (str, Path)):
            generator = FrameGenerator.load(generator, device)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": 30,
            "autoreset_mode": AutoresetMode.NEXT_STEP,
        }
        frame_format = generator.frame_format
        self._table = _color_table(generator)
        self._layout = layout_of_frames(frame_format)
        self.single_observation_space = self._layout.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.single_action_space = gym.spaces.Discrete(num_actions)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generator = generator
        self._output = output
        self._episode_steps = episode_steps
        self._persistence = persistence(walk_length)
        self._conditions = _conditions(generator, num_envs)
        self._rng = torch.Generator(generator.device)
        self._positions = self._gaussian()
        self._frames = torch.zeros(0)
        self._ages = np.zeros(num_envs, np.int64)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode in all sub-environments.

        Args:
            seed: an integer, or a sequence, of which only the first element is used. It determines
                all frames that follow, on the same kind of device. With None, the random stream
                continues.
            options: ignored.
        """
        first = seed[0] if isinstance(seed, (list, tuple)) else seed
        super().reset(seed=first)
        if first is not None:
            self._rng.manual_seed(first)
        self._ages[:] = 0
        self._positions = self._gaussian()
        return self._observations(), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        begins = self._ages >= self._episode_steps
        self._ages = np.where(begins, 0, self._ages + 1)
        kept = torch.from_numpy(np.where(begins, 0, self._persistence)).float()[:, None]
        kept = kept.to(self._generator.device)
        self._positions = walked(self._positions, kept, self._gaussian())
        truncations = self._ages >= self._episode_steps
        rewards, terminations = np.zeros(self.num_envs), np.zeros(self.num_envs, np.bool_)
        outcomes = map(self._as_output, (rewards, terminations, truncations))
        return self._observations(), *outcomes, {}

    def render(self) -> Any:
        """Return an RGB picture uint8 (H, W, 3) for each sub-environment."""
        if self.render_mode is None:
            return None
        to_rgb = self._layout.frame_format.to_rgb
        return tuple(to_rgb(frame) for frame in self._frames.cpu().numpy())

    def _observations(self) -> Any:
        latents = from_gaussian(self._positions, self._generator.latent_distribution)
        frames = self._generator.decode_on_device(latents, self._conditions)
        self._frames = frames if self._table is None else self._table[frames[..., 0].int()]
        if self._output == "torch":
            return self._frames.clone()  # autograd refuses inference tensors
        return self._frames.cpu().numpy()

    def _as_output(self, array: npt.NDArray[Any]) -> npt.NDArray[Any] | Tensor:
        if self._output == "numpy":
            return array
        return torch.from_numpy(array).to(self._generator.device)

    def _gaussian(self) -> Tensor:
        size = (self.num_envs, self._generator.latent_size)
        return torch.randn(size, generator=self._rng, device=self._rng.device)


def _color_table(generator: FrameGenerator) -> Tensor | None:
    """Return the RGB color of each palette index, uint8 (256, 3); None for other frames."""
    palette = generator.frame_format.palette
    if palette is None:
        return None
    return torch.from_numpy(ale_palette(palette)).to(generator.device)


def _conditions(generator: FrameGenerator, num_envs: int) -> Tensor | None:
    """Return the classes, which sub-environments take in turn; None without classes."""
    if not generator.num_classes:
        return None
    labels = np.arange(num_envs) % generator.num_classes
    return torch.from_numpy(generator.conditions(labels)).to(generator.device)
