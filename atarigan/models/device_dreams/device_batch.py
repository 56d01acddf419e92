"""DeviceDreamBatch: plays many games of a dream on a device, as `DreamBatch` does in NumPy."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.data.collection import paddles
from atarigan.data.collection.frame_player import NO_OP
from atarigan.errors import InputError
from atarigan.models.captured_update import CapturedUpdate
from atarigan.models.device_dreams.device_trees import DeviceTrees
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.dream_batch import (
    EVERYONE,
    GameStates,
    Outcomes,
    Rows,
    chances_to_persist,
)
from atarigan.models.dynamics.random_streams import GAMMA, MIXERS, SHIFTS, UNUSED_BITS, keys_of
from atarigan.models.dynamics.tree_dynamics import TreeDynamics

Result = TypeVar("Result")
_NUM_BITS = 64


@dataclass(eq=False)
class DeviceGames:
    """The attributes of `GameStates` as tensors of one device, which change in place.

    Attributes:
        keys, num_drawn: int64 (N,), with the bits of uint64, which torch cannot compute with.
    """

    rams: Tensor
    lives: Tensor
    resistances: Tensor
    last_actions: Tensor
    num_frames: Tensor
    keys: Tensor
    num_drawn: Tensor

    def array_of(self, name: str) -> npt.NDArray[Any]:
        """Return a copy of an attribute as an array, with the dtype of `GameStates`."""
        return self._array_of(name, EVERYONE)

    def __getitem__(self, rows: Any) -> GameStates:
        """Return a copy of some games as arrays."""
        return GameStates(**{name: self._array_of(name, rows) for name in _NAMES})

    def __setitem__(self, rows: Any, games: GameStates) -> None:
        for name in _NAMES:
            values = getattr(games, name)
            if values.dtype == np.uint64:
                values = values.view(np.int64)
            tensor = getattr(self, name)
            tensor[rows] = torch.from_numpy(values).to(tensor.device)

    def keep(self, games: Tensor, **changes: Tensor) -> None:
        """Change some attributes of games where bool (N,) is True."""
        for name, values in changes.items():
            tensor = getattr(self, name)
            is_changed = games.reshape(-1, *[1] * (tensor.dim() - 1))
            tensor.copy_(torch.where(is_changed, values, tensor))

    def _array_of(self, name: str, rows: Any) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = getattr(self, name)[rows].cpu().numpy().copy()
        return array.view(np.uint64) if name in ("keys", "num_drawn") else array


_NAMES = [field.name for field in dataclasses.fields(DeviceGames)]


class DeviceDreamBatch:
    """N games of a dream whose states are tensors.

    It has the methods of `DreamBatch`, which give the same numbers. On CUDA the kernels of an agent
    step and of a reset are captured as graphs. All games take part in each of them, and those that
    wait keep their state, so that shapes never change. Actions, rewards and ends are arrays.

    Args:
        dream: the learned game, of trees.
        num: number of games.
        device: where they are played.
        frame_skip, sticky, max_frames, ends_with_life: as for `DreamBatch`.

    Attributes:
        games: the games' states, which may be read, copied and set.

    Raises:
        InputError: the dream's dynamics are not trees.
    """

    def __init__(
        self,
        dream: Dream,
        num: int,
        device: torch.device,
        frame_skip: int | None = None,
        sticky: float | None = None,
        *,
        max_frames: int | None = None,
        ends_with_life: bool = False,
    ) -> None:
        if not isinstance(dream.dynamics, TreeDynamics):
            raise InputError(f"dynamics must be trees, not {type(dream.dynamics).__name__}")
        self.dream = dream
        self._device = device
        self._trees = DeviceTrees(dream.dynamics.tables, device)
        self._is_seen = (
            None if dream.seen_states is None else self._on_device(dream.seen_states.is_seen)
        )
        self._controls = dream.controls
        self._joysticks = torch.from_numpy(dream.controls.joysticks).to(device)
        self._directions = torch.from_numpy(dream.controls.directions).to(device)
        self._frame_skip = dream.settings.frame_skip if frame_skip is None else frame_skip
        self._sticky = dream.settings.sticky if sticky is None else sticky
        self._chances = torch.from_numpy(chances_to_persist(self._sticky, self._frame_skip)).to(
            device
        )
        self._max_frames = np.iinfo(np.int64).max if max_frames is None else max_frames
        self._ends_with_life = ends_with_life
        self.games = DeviceGames(
            rams=torch.zeros(num, dream.dynamics.num_bytes, dtype=torch.uint8, device=device),
            lives=torch.zeros(num, dtype=torch.uint8, device=device),
            resistances=torch.full(
                (num,), dream.controls.first_resistance, dtype=torch.int32, device=device
            ),
            last_actions=torch.full((num,), NO_OP, device=device),
            num_frames=torch.zeros(num, dtype=torch.int64, device=device),
            keys=torch.zeros(num, dtype=torch.int64, device=device),
            num_drawn=torch.zeros(num, dtype=torch.int64, device=device),
        )
        self._step = self._captured(self._step_all)
        self._resets: dict[int, Callable[[Tensor], None]] = {}

    def __len__(self) -> int:
        return len(self.games.rams)

    def seed(self, rows: npt.NDArray[np.intp], seeds: npt.NDArray[np.uint64]) -> None:
        """As `DreamBatch.seed`."""
        chosen = self._on_device(rows)
        self.games.keys[chosen] = self._on_device(keys_of(seeds).view(np.int64))
        self.games.num_drawn[chosen] = 0

    def reset(self, rows: npt.NDArray[np.intp], most_noops: int = 0) -> None:
        """As `DreamBatch.reset`. The starts after no-op frames are computed once."""
        if most_noops not in self._resets:
            starts = self._starts_after(most_noops)
            self._resets[most_noops] = self._captured(partial(self._reset_some, *starts))
        self._resets[most_noops](self._mask(rows))

    def step(self, actions: npt.NDArray[np.int64], rows: Rows = EVERYONE) -> Outcomes:
        """As `DreamBatch.step`."""
        everyones = np.zeros(len(self), np.int64)
        everyones[rows] = actions
        found = self._step(self._on_device(everyones), self._mask(rows)).cpu().numpy()[:, rows]
        rewards, ends, truncations = found
        return Outcomes(rewards, ends > 0, truncations > 0)

    def is_unseen(self, rows: Rows = EVERYONE) -> npt.NDArray[np.bool_]:
        """As `DreamBatch.is_unseen`."""
        if self._is_seen is None:
            return np.zeros(len(self), np.bool_)[rows]
        is_right = self._is_seen.gather(1, self.games.rams.T.long()).all(0)
        unseen: npt.NDArray[np.bool_] = ~is_right.cpu().numpy()[rows]
        return unseen

    def _step_all(self, actions: Tensor, steps: Tensor) -> Tensor:
        """Play an agent step with actions int64 (N,) in games where `steps`, bool (N,), is True.

        Returns:
            Rewards, ends and truncations, float32 (3, N); valid for these games.
        """
        games = self.games
        played = torch.where(self._persists(steps), games.last_actions[:, None], actions[:, None])
        resistances = self._moved(played)
        following = self._trees.play(
            games.rams,
            games.lives,
            self._inputs(played, resistances),
            self._max_frames - games.num_frames,
            stops_with_life=self._ends_with_life,
        )
        ends, num_frames = following.ends, following.num_frames[:, None]
        if self._ends_with_life:
            ends = ends | (following.lives < games.lives)
        games.keep(
            steps,
            rams=following.states,
            lives=following.lives,
            resistances=resistances.gather(1, num_frames)[:, 0],
            last_actions=played.gather(1, num_frames - 1)[:, 0],
            num_frames=games.num_frames + following.num_frames,
        )
        return torch.stack([following.rewards, ends, games.num_frames >= self._max_frames])

    def _moved(self, actions: Tensor) -> Tensor:
        """Return the paddles' resistances before each frame of actions (N, frames) and after the
        last one, int32 (N, frames + 1).
        """
        moved = [self.games.resistances]
        for frame in range(actions.shape[1]):
            after = moved[-1]
            if self._controls.has_paddle:
                steps = paddles.RESISTANCE_STEP * self._directions[actions[:, frame]]
                after = (after + steps).clamp(paddles.LEAST_RESISTANCE, paddles.MOST_RESISTANCE)
            moved.append(after)
        return torch.stack(moved, 1)

    def _inputs(self, actions: Tensor, resistances: Tensor) -> Tensor:
        """As `Controls.inputs`, of actions (N, frames) and resistances (N, frames + 1)."""
        joysticks = self._joysticks[actions]
        if not self._controls.has_paddle:
            return joysticks
        around = torch.stack([resistances[:, :-1], resistances[:, 1:]], 2)
        return torch.cat([joysticks, around], 2)

    def _persists(self, steps: Tensor) -> Tensor:
        """As `DreamBatch._persists`, bool (N, frame_skip), in the games that step, bool (N,)."""
        if not 0 < self._sticky < 1:
            return self._chances.expand(len(self), -1) > 0
        return 1 - self._draw(steps)[:, None] <= self._chances

    def _reset_some(self, rams: Tensor, lives: Tensor, begins: Tensor) -> None:
        """Begin an episode in the games where `begins`, bool (N,), is True.

        Args:
            rams: starts after each number of no-op frames, uint8 (waits, starts, bytes).
            lives: of them, uint8 (waits, starts).
            begins: as above.
        """
        num_waits, num_starts = lives.shape
        chosen = (self._draw(begins) * num_starts).long()
        waits = torch.zeros_like(chosen)
        if num_waits > 1:
            waits = (self._draw(begins) * num_waits).long()
        games = self.games
        games.keep(
            begins,
            rams=rams[waits, chosen],
            lives=lives[waits, chosen],
            resistances=torch.full_like(games.resistances, self._controls.first_resistance),
            last_actions=torch.full_like(games.last_actions, NO_OP),
            num_frames=waits,
        )

    def _starts_after(self, most_noops: int) -> tuple[Tensor, Tensor]:
        """Return the starts after 0 to `most_noops` no-op frames: RAM uint8 (waits, starts, bytes)
        and lives uint8 (waits, starts). No number is drawn in such a frame.
        """
        starts = self.dream.starts
        states, lives = (self._on_device(each) for each in (starts.states, starts.lives))
        idle = self._on_device(self._controls.idle(len(starts.lives))[:, None])
        one = torch.ones_like(lives, dtype=torch.int64)
        found = [(states, lives)]
        for _ in range(most_noops):
            following = self._trees.play(*found[-1], idle, one)
            found.append((following.states, following.lives))
        rams_after, lives_after = zip(*found, strict=True)
        return torch.stack(rams_after), torch.stack(lives_after)

    def _draw(self, games: Tensor) -> Tensor:
        """Draw a number of the streams of games where bool (N,) is True, float64 (N,); of the
        others, the numbers that come next.
        """
        numbers = _uniforms(self.games.keys, self.games.num_drawn)
        self.games.num_drawn.add_(games)
        return numbers

    def _captured(self, update: Callable[..., Result]) -> Callable[..., Result]:
        return CapturedUpdate(update) if self._device.type == "cuda" else update

    def _mask(self, rows: Rows) -> Tensor:
        mask = np.zeros(len(self), np.bool_)
        mask[rows] = True
        return self._on_device(mask)

    def _on_device(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def _uniforms(keys: Tensor, counts: Tensor) -> Tensor:
    """As `random_streams.uniforms`, in int64, whose products wrap around as those of uint64 do."""
    numbers = keys + (counts + 1) * _signed(GAMMA)
    for shift, mixer in zip(SHIFTS, (*MIXERS, np.uint64(1)), strict=True):
        numbers = (numbers ^ _shifted(numbers, int(shift))) * _signed(mixer)
    return _shifted(numbers, int(UNUSED_BITS)).double() * 2.0**-53


def _shifted(numbers: Tensor, shift: int) -> Tensor:
    """Shift to the right and fill with zeros, not with the sign."""
    return (numbers >> shift) & ((1 << _NUM_BITS - shift) - 1)


def _signed(number: np.uint64) -> int:
    return int(number.astype(np.int64))
