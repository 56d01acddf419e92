"""DreamObservations: what agents see of several games of a dream."""

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError, shown
from atarigan.images.pixels import Frames
from atarigan.models.dynamics.dream import Dream

from .dream_options import DreamOptions
from .vector_api import Indices, Output

if TYPE_CHECKING:
    from torch import Tensor

    from atarigan.models.frame_generator import FrameGenerator

    from .dream_frames import DreamFrames, Rams


class DreamObservations:
    """Makes observations of RAM uint8 (N, bytes), an array or a tensor. Torch is loaded for frames
    and tensors only.

    Args:
        dream: the learned game.
        generator: a FrameGenerator, or what `FrameGenerator.load` takes; None for the dream's own.
        num: N, the number of games.
        options: what to show.
        output: kind of the observations.

    Attributes:
        space: of a game's observations: pixels uint8 (K, H, W), or RGB (K, H, W, 3); RAM uint8
            (bytes,); or a Dict of both, "pixels" and "ram".
        stack_shape: shape of the pixels; None without pixels.
        device: where tensors are; None if observations are arrays.

    Raises:
        InputError: the generator cannot be loaded, does not fit the dream, or is missing where
            frames are asked for.
    """

    def __init__(
        self,
        dream: Dream,
        generator: "FrameGenerator | str | Path | None",
        num: int,
        options: DreamOptions,
        output: Output,
    ) -> None:
        source = dream.generator_source if generator is None else generator
        obs_type = options.obs_type or ("ram" if source is None else "pixels")
        self._has_pixels, self._has_ram = obs_type != "ram", obs_type != "pixels"
        self._output = output
        self._frames = None
        if self._has_pixels or options.render_mode is not None:
            if source is None:
                asked = f"obs_type {obs_type!r} and render_mode {options.render_mode!r}"
                raise InputError(f"generator must be given for {asked}: the dream has none")
            self._frames = self._opened(dream, source, num, options)
        self.stack_shape = self._frames.shape if self._frames and self._has_pixels else None
        self.device = self._device_of_outputs(options.device)
        self.space = self._space(dream.dynamics.num_bytes)

    def push(self, rams: "Rams", begun: Indices) -> None:
        """Show the next state of every game; games in `begun` (n,) begin an episode with it."""
        if self._has_pixels:
            self._drawn.push(rams, begun)

    def push_with_finals(self, rams: "Rams", begun: Indices, final_rams: "Rams") -> Any:
        """Do the same, and return the last observations of the episodes before, of RAM uint8
        (n, bytes).
        """
        finals = None
        if self._has_pixels:
            finals = self._drawn.push_with_finals(rams, begun, final_rams)
        return self._composed(finals, final_rams)

    def begin(self, rows: Indices, rams: "Rams") -> None:
        """Begin the stacks of some games (n,) anew, from RAM uint8 (n, bytes)."""
        if self._has_pixels:
            self._drawn.begin(rows, rams)

    def observations(self, rams: "Rams") -> Any:
        """Return a copy of the observations of all games."""
        return self._composed(self._drawn.stacks() if self._has_pixels else None, deepcopy(rams))

    def pictures(self, rams: "Rams") -> Frames:
        """Return frames of RAM uint8 (N, bytes), RGB uint8 (N, H, W, 3)."""
        return self._drawn.pictures(rams)

    def stack(self, row: int) -> Frames | None:
        """Return a copy of a game's pixels; None without pixels."""
        return self._drawn.stack(row) if self._has_pixels else None

    def set_stack(self, rows: Indices, stack: Frames | None) -> None:
        """Give some games (n,) the pixels that `stack` returned."""
        if stack is not None:
            self._drawn.set_stack(rows, stack)

    def as_output(self, array: "npt.NDArray[Any] | Tensor") -> Any:
        """Return an array, or a tensor on the device where observations are."""
        if self._output == "numpy":
            return array
        import torch

        return torch.as_tensor(array, device=self.device)

    @property
    def _drawn(self) -> "DreamFrames":
        assert self._frames is not None
        return self._frames

    def _opened(
        self,
        dream: Dream,
        source: "FrameGenerator | str | Path",
        num: int,
        options: DreamOptions,
    ) -> "DreamFrames":
        from atarigan.models.frame_generator import FrameGenerator

        from .dream_frames import DreamFrames

        if isinstance(source, (str, Path)):
            source = FrameGenerator.load(source, options.device)
        if not hasattr(source, "frame_format"):
            raise InputError(f"generator must be one, its folder or its name, not {shown(source)}")
        return DreamFrames(
            source,
            num,
            options.stack_num if self._has_pixels else 1,
            dream.dynamics.num_bytes,
            dream.settings.provenance,
            allow_other_game=options.allow_other_game,
        )

    def _device_of_outputs(self, name: str) -> Any:
        if self._output == "numpy":
            return None
        if self._frames is not None:
            return self._frames.device
        from atarigan.models.device import choose_device

        return choose_device(name)

    def _space(self, num_bytes: int) -> gym.Space[Any]:
        spaces: dict[str, gym.Space[Any]] = {}
        if self.stack_shape is not None:
            spaces["pixels"] = gym.spaces.Box(0, 255, self.stack_shape, np.uint8)
        if self._has_ram:
            spaces["ram"] = gym.spaces.Box(0, 255, (num_bytes,), np.uint8)
        return gym.spaces.Dict(spaces) if len(spaces) > 1 else next(iter(spaces.values()))

    def _composed(self, stacks: "Tensor | None", rams: "Rams") -> Any:
        """Return observations of frames, of RAM, or a dictionary of both."""
        if stacks is None:
            return self.as_output(rams)
        pixels = stacks if self._output == "torch" else stacks.cpu().numpy()
        return {"pixels": pixels, "ram": self.as_output(rams)} if self._has_ram else pixels
