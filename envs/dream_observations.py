"""DreamObservations: what agents see of several games of a dream."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.data.provenance import Provenance
from atarigan.data.states import StateSpec
from atarigan.errors import InputError, shown
from atarigan.images.pixels import Frames

from .vector_api import Indices, Output

if TYPE_CHECKING:
    from torch import Tensor

    from atarigan.models.frame_generator import FrameGenerator

    from .dream_frames import DreamFrames, States


class ShownStates(NamedTuple):
    """The states of a dream.

    Attributes:
        name: of the states in observations of several parts, "ram" or "state".
        spec: what they are.
        space: of a state.
        provenance: of the dream's environment.
        generator: draws the states, or what `FrameGenerator.load` takes; None if nothing draws
            them.
    """

    name: str
    spec: StateSpec
    space: gym.spaces.Box
    provenance: Provenance
    generator: "FrameGenerator | str | Path | None"


class ShowOptions(Protocol):
    """How a dream is shown; see `DreamOptions`."""

    @property
    def obs_type(self) -> str | None: ...
    @property
    def stack_num(self) -> int: ...
    @property
    def render_mode(self) -> str | None: ...
    @property
    def device(self) -> str: ...
    @property
    def allow_other_game(self) -> bool: ...


class DreamObservations:
    """Makes observations of states, RAM uint8 (N, bytes) or vectors float32 (N, size), an array or
    a tensor. Torch is loaded for frames and tensors only.

    Args:
        shown: the states of the dream.
        num: N, the number of games.
        options: what to show.
        output: kind of the observations.

    Attributes:
        space: of a game's observations: pixels uint8 (K, H, W), or RGB (K, H, W, 3); a state; or a
            Dict of both, "pixels" and the name of the states.
        stack_shape: shape of the pixels; None without pixels.
        device: where tensors are; None if observations are arrays.

    Raises:
        InputError: the generator cannot be loaded, does not fit the dream, or is missing where
            frames are asked for.
    """

    def __init__(
        self,
        shown: ShownStates,
        num: int,
        options: ShowOptions,
        output: Output,
    ) -> None:
        source, self._shown = shown.generator, shown
        obs_type = options.obs_type or (shown.name if source is None else "pixels")
        self._has_pixels, self._has_state = obs_type != shown.name, obs_type != "pixels"
        self._output = output
        self._frames = None
        if self._has_pixels or options.render_mode is not None:
            if source is None:
                asked = f"obs_type {obs_type!r} and render_mode {options.render_mode!r}"
                raise InputError(f"generator must be given for {asked}: the dream has none")
            self._frames = self._opened(source, num, options)
        self.stack_shape = self._frames.shape if self._frames and self._has_pixels else None
        self.device = self._device_of_outputs(options.device)
        self.space = self._space()

    def push(self, states: "States", begun: Indices) -> None:
        """Show the next state of every game; games in `begun` (n,) begin an episode with it."""
        if self._has_pixels:
            self._drawn.push(states, begun)

    def push_with_finals(self, states: "States", begun: Indices, final_states: "States") -> Any:
        """Do the same, and return the last observations of the episodes before, of states
        (n, size).
        """
        finals = None
        if self._has_pixels:
            finals = self._drawn.push_with_finals(states, begun, final_states)
        return self._composed(finals, final_states)

    def begin(self, rows: Indices, states: "States") -> None:
        """Begin the stacks of some games (n,) anew, from states (n, size)."""
        if self._has_pixels:
            self._drawn.begin(rows, states)

    def observations(self, states: "States") -> Any:
        """Return a copy of the observations of all games."""
        return self._composed(self._drawn.stacks() if self._has_pixels else None, states)

    def pictures(self, states: "States") -> Frames:
        """Return frames of states (N, size), RGB uint8 (N, H, W, 3)."""
        return self._drawn.pictures(states)

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
    def reads_action(self) -> bool:
        """Whether frames are drawn of states with a byte of the action behind RAM."""
        return self._frames is not None and self._frames.reads_action

    @property
    def _drawn(self) -> "DreamFrames":
        assert self._frames is not None
        return self._frames

    def _opened(
        self,
        source: "FrameGenerator | str | Path",
        num: int,
        options: ShowOptions,
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
            self._shown.spec,
            self._shown.provenance,
            allow_other_game=options.allow_other_game,
        )

    def _device_of_outputs(self, name: str) -> Any:
        if self._output == "numpy":
            return None
        if self._frames is not None:
            return self._frames.device
        from atarigan.models.device import choose_device

        return choose_device(name)

    def _space(self) -> gym.Space[Any]:
        spaces: dict[str, gym.Space[Any]] = {}
        if self.stack_shape is not None:
            spaces["pixels"] = gym.spaces.Box(0, 255, self.stack_shape, np.uint8)
        if self._has_state:
            spaces[self._shown.name] = self._shown.space
        return gym.spaces.Dict(spaces) if len(spaces) > 1 else next(iter(spaces.values()))

    def _composed(self, stacks: "Tensor | None", states: "States") -> Any:
        """Return observations of frames, of states, or a dictionary of both."""
        if stacks is None:
            return self.as_output(self._copied(states))
        pixels = stacks if self._output == "torch" else stacks.cpu().numpy()
        if not self._has_state:
            return pixels
        return {"pixels": pixels, self._shown.name: self.as_output(self._copied(states))}

    def _copied(self, states: "States") -> "States":
        """Return a copy of states without the action."""
        kept = states[:, : self._shown.spec.size]
        return kept.copy() if isinstance(kept, np.ndarray) else kept.contiguous().clone()
