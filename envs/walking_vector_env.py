"""WalkingVectorEnv: a vector environment of generated frames without a game."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from atarigan.errors import InputError
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.latent_tensors import NoiseStreams, from_gaussian
from atarigan.models.latents import persistence, walked

from .device_frames import DeviceFrames
from .json_spec import HasJsonSpec
from .vector_api import (
    Mask,
    Output,
    autoreset_mode_named,
    check_output,
    check_render_mode,
    checked_reset_mask,
    new_seeds,
    seeds_of_reset,
)

NUM_ACTIONS = 18


class WalkingVectorEnv(HasJsonSpec, VectorEnv[Any, Any, Any]):
    """Returns generated frames as fast as the device makes them, to train or test perception.

    There is no emulator: actions are ignored and rewards are 0. The latent of each sub-environment
    follows a random walk (`atarigan.models.latents.walked`), so frames change slowly and each frame
    by itself is a sample. An episode is truncated after `episode_steps` steps. Observations are
    uint8 (N, H, W, C), palette indices as RGB. Without classes, sub-environment i after
    `reset(seed=s)` returns what a vector of one returns after `reset(seed=s + i)`.

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
        autoreset_mode: when a new episode begins: in the step after the last one (NEXT_STEP), in
            the last one, whose observation is then in infos["final_obs"] (SAME_STEP), or with a
            reset (DISABLED).

    Raises:
        InputError: a number is out of range, `output`, `render_mode` or `autoreset_mode` is
            unknown, or the generator makes points.

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
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        counts = {
            "num_envs": num_envs,
            "episode_steps": episode_steps,
            "num_actions": num_actions,
        }
        _check_arguments(counts, walk_length, output, render_mode)
        if isinstance(generator, (str, Path)):
            generator = FrameGenerator.load(generator, device)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": 30,
            "autoreset_mode": autoreset_mode_named(autoreset_mode),
        }
        self._drawing = DeviceFrames(generator)
        self.single_observation_space = self._drawing.layout.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.single_action_space = gym.spaces.Discrete(num_actions)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generator = generator
        self._output = output
        self._episode_steps = episode_steps
        self._persistence = persistence(walk_length)
        self._conditions = _conditions(generator, num_envs)
        self._all_rows = torch.arange(num_envs, device=generator.device)
        self._noise = NoiseStreams(num_envs, generator.latent_size, generator.device)
        self._is_seeded = np.zeros(num_envs, np.bool_)
        self._positions = torch.zeros(num_envs, generator.latent_size, device=generator.device)
        self._frames: Tensor | None = None
        self._ages = np.zeros(num_envs, np.int64)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode in all sub-environments, or in those in options["reset_mask"].

        Args:
            seed: an integer s gives sub-environment i the seed s + i. A sequence has a seed for
                each sub-environment, or for each one that is reset. A seed determines all frames
                that follow. With None, a random stream continues; the first seeds then follow from
                `np_random`.
            options: "reset_mask" is bool (num_envs,); the others keep their observation.

        Raises:
            InputError: the mask or the number of seeds does not fit, or some sub-environments were
                never reset.
        """
        is_reset = checked_reset_mask(options, self.num_envs)
        if self._frames is None and not is_reset.all():
            raise InputError("the first reset must be of all sub-environments, without reset_mask")
        indices = np.flatnonzero(is_reset)
        seeds = seeds_of_reset(seed, self.num_envs, indices)
        super().reset(seed=int(seed) if isinstance(seed, (int, np.integer)) else None)
        self._seed(indices.tolist(), seeds)
        rows = self._all_rows[torch.from_numpy(is_reset)]
        self._begin(rows)
        frames = self._decoded(rows, self._positions[rows])
        if not is_reset.all():
            assert self._frames is not None
            frames = self._frames.index_copy(0, rows, frames)
        self._frames = frames
        return self._observations(), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Move all sub-environments by one step; `actions` are ignored.

        Raises:
            ResetNeeded: there was no reset, or in mode DISABLED an episode ended before.
        """
        mode = self.metadata["autoreset_mode"]
        was_done = self._ages >= self._episode_steps
        if self._frames is None or (mode is AutoresetMode.DISABLED and was_done.any()):
            raise ResetNeeded(
                "sub-environments must be reset first; to reset those that ended: "
                "reset(options={'reset_mask': terminations | truncations})"
            )
        self._ages = np.where(was_done, 0, self._ages + 1)
        kept = torch.from_numpy(np.where(was_done, 0, self._persistence)).float()[:, None]
        noise = self._noise.draw()
        self._positions = walked(self._positions, kept.to(noise.device), noise)
        truncations = self._ages >= self._episode_steps
        infos = {}
        if mode is AutoresetMode.SAME_STEP and truncations.any():
            infos = self._restart(truncations)
        else:
            self._frames = self._decoded(self._all_rows, self._positions)
        rewards, terminations = np.zeros(self.num_envs), np.zeros(self.num_envs, np.bool_)
        outcomes = map(self._as_output, (rewards, terminations, truncations))
        return self._observations(), *outcomes, infos

    def render(self) -> Any:
        """Return an RGB picture uint8 (H, W, 3) for each sub-environment."""
        if self.render_mode is None:
            return None
        if self._frames is None:
            raise ResetNeeded("cannot render before the first reset")
        to_rgb = self._drawing.layout.frame_format.to_rgb
        return tuple(to_rgb(frame) for frame in self._frames.cpu().numpy())

    def _seed(self, indices: list[int], seeds: list[int | None]) -> None:
        """Seed the streams of some sub-environments; None continues a stream that has a seed."""
        given = new_seeds(indices, seeds, self._is_seeded, self.np_random)
        self._noise.seed(list(given), list(given.values()))
        self._is_seeded[list(given)] = True

    def _begin(self, rows: Tensor) -> None:
        """Begin new walks in some sub-environments."""
        self._positions[rows] = self._noise.draw(rows)
        self._ages[rows.cpu().numpy()] = 0

    def _restart(self, is_done: Mask) -> dict[str, Any]:
        """Begin new episodes where they ended, with one decode; return infos with the last
        observations (N, H, W, C), which are valid where an episode ended.
        """
        done = self._all_rows[torch.from_numpy(is_done)]
        finals = self._positions[done]
        self._begin(done)
        rows = torch.cat([done, self._all_rows])
        frames = self._decoded(rows, torch.cat([finals, self._positions]))
        self._frames = frames[len(done) :]
        final_obs = self._frames.index_copy(0, done, frames[: len(done)])
        mask = self._as_output(is_done.copy())
        return {
            "final_obs": final_obs if self._output == "torch" else final_obs.cpu().numpy(),
            "_final_obs": mask,
            "final_info": {},
            "_final_info": mask,
        }

    def _decoded(self, rows: Tensor, positions: Tensor) -> Tensor:
        """Return the frames of positions (M, latent_size) of the sub-environments `rows`."""
        latents = from_gaussian(positions, self._generator.latent_distribution)
        conditions = None if self._conditions is None else self._conditions[rows]
        return self._drawing.decode(latents, conditions)

    def _observations(self) -> Any:
        assert self._frames is not None
        if self._output == "torch":
            return self._frames.clone()  # callers may change it
        return self._frames.cpu().numpy()

    def _as_output(self, array: npt.NDArray[Any]) -> npt.NDArray[Any] | Tensor:
        if self._output == "numpy":
            return array
        return torch.from_numpy(array).to(self._generator.device)


def _check_arguments(
    counts: dict[str, int], walk_length: float, output: str, render_mode: str | None
) -> None:
    for name, number in counts.items():
        if number < 1:
            raise InputError(f"{name} must be at least 1, not {number}")
    if not walk_length > 0:
        raise InputError(f"walk_length must be above 0, not {walk_length}")
    check_output(output)
    check_render_mode(render_mode)


def _conditions(generator: FrameGenerator, num_envs: int) -> Tensor | None:
    """Return a class for each sub-environment, all classes in turn; None without classes."""
    if not generator.num_classes:
        return None
    labels = np.arange(num_envs) % generator.num_classes
    return torch.from_numpy(generator.conditions(labels)).to(generator.device)
