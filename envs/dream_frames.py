"""DreamFrames: the last frames of several games, drawn from their states."""

from collections import deque

import torch
from torch import Tensor

from atarigan.data.provenance import Provenance, check_same_game
from atarigan.data.states import State, StateSpec
from atarigan.errors import InputError
from atarigan.images.pixels import Frames
from atarigan.models.dream_frames import fixed_latent
from atarigan.models.frame_generator import FrameGenerator

from .device_frames import DeviceFrames
from .vector_api import Indices

States = State | Tensor


class DreamFrames:
    """Draws the frames of N games on the generator's device and keeps the last K of each.

    All frames have the same latent, so the state alone determines a frame. States are RAM uint8
    (N, bytes) or vectors float32 (N, size), arrays or tensors.

    Args:
        generator: draws a frame of a state.
        num: N, the number of games.
        stack_num: K, at least 1.
        state: what the states are. The generator may read the action as well, a byte behind RAM.
        provenance: of the games, compared with that of the generator's.
        allow_other_game: whether the generator may have learned another game.

    Attributes:
        device: of the generator.
        reads_action: whether states have that byte.
        shape: of a game's stack: (K, H, W) if frames are gray, else RGB (K, H, W, 3).

    Raises:
        InputError: the generator makes points, does not read such states, or learned another game.
    """

    def __init__(
        self,
        generator: FrameGenerator,
        num: int,
        stack_num: int,
        state: StateSpec,
        provenance: Provenance,
        *,
        allow_other_game: bool,
    ) -> None:
        found = generator.state
        if not state.suffices_for(found):
            raise InputError(f"generator must read {state}, not {found or 'nothing'}")
        self.reads_action = found != state
        check_same_game(
            generator.provenance,
            provenance,
            "the dream",
            reads_state=True,
            allow=None if allow_other_game else "allow_other_game=True",
        )
        self._drawing = DeviceFrames(generator)
        self.device = generator.device
        layout = self._drawing.layout
        self._frame_format = layout.frame_format
        self._frame_shape = layout.shape[:2] if layout.num_channels == 1 else layout.shape
        self.shape = (stack_num, *self._frame_shape)
        self._latent = torch.from_numpy(fixed_latent(generator)).to(self.device)
        blank = torch.zeros(num, *self._frame_shape, dtype=torch.uint8, device=self.device)
        self._frames = deque([blank.clone() for _ in range(stack_num)], maxlen=stack_num)

    def push(self, states: States, begun: Indices) -> None:
        """Draw the next frame of every game, from its state; games in `begun` (n,) begin
        an episode with it.
        """
        self._append(self._drawn(states), begun)

    def push_with_finals(self, states: States, begun: Indices, final_states: States) -> Tensor:
        """Do the same, and return the stacks that ended the episodes before, uint8 (n, *shape), of
        states (n, size). It is one call of the generator.
        """
        drawn = self._drawn(torch.cat([self._on_device(final_states), self._on_device(states)]))
        rows = self._on_device(begun)
        finals, frames = drawn[: len(rows)], drawn[len(rows) :]
        older = [each[rows] for each in list(self._frames)[1:]]
        self._append(frames, begun)
        return torch.stack([*older, finals], 1)

    def begin(self, rows: Indices, states: States) -> None:
        """Begin the stacks of some games (n,) anew, from states (n, size)."""
        self._clear_older(rows)
        self._frames[-1][self._on_device(rows)] = self._drawn(states)

    def stacks(self) -> Tensor:
        """Return a copy of all stacks, uint8 (N, *shape)."""
        return torch.stack(tuple(self._frames), 1)

    def stack(self, row: int) -> Frames:
        """Return a copy of one game's stack, uint8 shape."""
        return torch.stack([frames[row] for frames in self._frames]).cpu().numpy()

    def set_stack(self, rows: Indices, stack: Frames) -> None:
        """Give some games (n,) the same stack."""
        chosen = self._on_device(rows)
        for frames, frame in zip(self._frames, torch.from_numpy(stack), strict=True):
            frames[chosen] = frame.to(self.device)

    def pictures(self, states: States) -> Frames:
        """Draw states (M, size) as RGB, uint8 (M, H, W, 3)."""
        drawn = self._drawn(states).cpu().numpy()
        return self._frame_format.to_rgb(drawn.reshape(-1, *self._frame_format.shape)).copy()

    def _drawn(self, states: States) -> Tensor:
        latents = self._latent.expand(len(states), -1)
        drawn = self._drawing.decode(latents, self._on_device(states))
        return drawn.reshape(-1, *self._frame_shape)

    def _append(self, frames: Tensor, begun: Indices) -> None:
        self._frames.append(frames)
        self._clear_older(begun)

    def _clear_older(self, rows: Indices) -> None:
        if len(rows):
            chosen = self._on_device(rows)
            for frames in list(self._frames)[:-1]:
                frames[chosen] = 0

    def _on_device(self, values: States | Indices) -> Tensor:
        return torch.as_tensor(values, device=self.device)
