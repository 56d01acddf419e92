"""WalkingVectorEnv: a vector environment of generated frames alone, with no emulator behind it."""

from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
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
    """Emits generated frames as fast as the device makes them: a load for what perceives and
    learns, not a game.

    Each sub-environment's latent walks: in Gaussian terms z' = a z + sqrt(1 - a²) e with e from
    N(0, 1) and a = exp(-1 / walk_length), so that frames follow one another slowly and each by
    itself is a sample. Actions are ignored, rewards are 0, and an episode is truncated after
    `episode_steps` steps; the next step begins another (NEXT_STEP). Observations are frames uint8
    (N, H, W, C), palette indices as RGB.

    Args:
        generator: a FrameGenerator, or what `FrameGenerator.load` takes.
        num_envs: sub-environments, at least 1.
        walk_length: steps in which a walk's correlation with its past falls to 1/e, above 0.
        episode_steps: steps of an episode, at least 1.
        num_actions: of the discrete action space.
        output: "numpy", or "torch": observations, rewards and ends are tensors, left on the
            generator's device.
        device: "auto", "cpu" or "cuda", where the generator is loaded here.
        render_mode: None or "rgb_array".

    Raises:
        InputError: a number out of its range, an unknown output, a generator that makes points.
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
        """Begin all episodes anew.

        Args:
            seed: an integer, or a sequence whose first counts, determines everything that follows
                on the same kind of device; without one the walks go on.
            options: ignored.
        """
        first = seed[0] if isinstance(seed, (list, tuple)) else seed
        super().reset(seed=first)
        if first is not None:
            self._rng.manual_seed(first)
        self._ages[:] = 0
        self._positions = self._gaussian()
        return self._observed(), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        begins = self._ages >= self._episode_steps
        self._ages = np.where(begins, 0, self._ages + 1)
        kept = torch.from_numpy(np.where(begins, 0, self._persistence)).float()[:, None]
        kept = kept.to(self._generator.device)
        self._positions = walked(self._positions, kept, self._gaussian())
        truncations = self._ages >= self._episode_steps
        rewards, terminations = np.zeros(self.num_envs), np.zeros(self.num_envs, np.bool_)
        given: list[Any] = [rewards, terminations, truncations]
        if self._output == "torch":
            given = [torch.from_numpy(each).to(self._generator.device) for each in given]
        return self._observed(), given[0], given[1], given[2], {}

    def render(self) -> Any:
        """One RGB picture uint8 (H, W, 3) for each sub-environment."""
        if self.render_mode is None:
            return None
        to_rgb = self._layout.frame_format.to_rgb
        return tuple(to_rgb(frame) for frame in self._frames.cpu().numpy())

    def _observed(self) -> Any:
        latents = from_gaussian(self._positions, self._generator.latent_distribution)
        frames = self._generator.decode_on_device(latents, self._conditions)
        self._frames = frames if self._table is None else self._table[frames[..., 0].int()]
        if self._output == "torch":
            return self._frames.clone()  # no longer an inference tensor: gradients may go past it
        return self._frames.cpu().numpy()

    def _gaussian(self) -> Tensor:
        size = (self.num_envs, self._generator.latent_size)
        return torch.randn(size, generator=self._rng, device=self._rng.device)


def _color_table(generator: FrameGenerator) -> Tensor | None:
    """RGB of each palette index, uint8 (256, 3), where frames hold such."""
    palette = generator.frame_format.palette
    if palette is None:
        return None
    return torch.from_numpy(ale_palette(palette)).to(generator.device)


def _conditions(generator: FrameGenerator, num_envs: int) -> Tensor | None:
    """Classes that sub-environments take in turns, where the generator has any."""
    if not generator.num_classes:
        return None
    labels = np.arange(num_envs) % generator.num_classes
    return torch.from_numpy(generator.conditions(labels)).to(generator.device)
