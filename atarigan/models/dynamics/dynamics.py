"""What every model of the next state can do: trees over bytes, and networks over vectors."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


class Successors(Protocol):
    """What a step of B environments leads to: their next states (B, size), rewards float32 (B,),
    and whether the episode ends, bool (B,).
    """

    @property
    def states(self) -> npt.NDArray[Any]: ...
    @property
    def rewards(self) -> npt.NDArray[np.float32]: ...
    @property
    def ends(self) -> npt.NDArray[np.bool_]: ...


class TransitionModel(ABC):
    """Predicts one step for a batch of states. A row of a batch does not depend on the others."""

    @property
    @abstractmethod
    def state_size(self) -> int:
        """Numbers of a state."""

    @property
    @abstractmethod
    def num_inputs(self) -> int:
        """Inputs of a step."""

    @abstractmethod
    def step(self, states: npt.NDArray[Any], inputs: npt.NDArray[Any]) -> Successors:
        """Predict the step after states (B, state_size) with inputs (B, num_inputs)."""


class NextStates(NamedTuple):
    """What frames of B games lead to.

    Attributes:
        states: RAM after the last frame, uint8 (B, bytes).
        rewards: sum of the frames' rewards, float32 (B,).
        ends: whether the episode ends with the last frame, bool (B,).
        lives: lives after the last frame, uint8 (B,).
        num_frames: frames that were played, int64 (B,).
    """

    states: npt.NDArray[np.uint8]
    rewards: npt.NDArray[np.float32]
    ends: npt.NDArray[np.bool_]
    lives: npt.NDArray[np.uint8]
    num_frames: npt.NDArray[np.int64]


class Dynamics(TransitionModel):
    """Predicts emulator frames for a batch of states."""

    @property
    def state_size(self) -> int:
        return self.num_bytes

    @property
    @abstractmethod
    def num_bytes(self) -> int:
        """Bytes of a state."""

    @property
    @abstractmethod
    def num_inputs(self) -> int:
        """Inputs of a frame."""

    @abstractmethod
    def step(self, states: npt.NDArray[np.uint8], inputs: npt.NDArray[np.int32]) -> NextStates:
        """Predict the frame after states uint8 (B, bytes) with inputs int32 (B, inputs)."""

    def play(
        self,
        states: npt.NDArray[np.uint8],
        lives: npt.NDArray[np.uint8],
        inputs: npt.NDArray[np.int32],
        most_frames: npt.NDArray[np.int64] | None = None,
        *,
        stops_with_life: bool = False,
    ) -> NextStates:
        """Predict several frames in a row. A game stops at the frame that ends its episode.

        Args:
            states: RAM before the first frame, uint8 (B, bytes).
            lives: lives before the first frame, uint8 (B,).
            inputs: inputs of each frame, int32 (B, frames, inputs), of at least one frame.
            most_frames: frames that each game plays at most, at least 1, int64 (B,); None for all.
            stops_with_life: whether a game also stops at the frame that costs a life.
        """
        played = begin_play(states, lives)
        playing = np.arange(len(states))
        for frame in range(inputs.shape[1]):
            following = self.step(played.states[playing], inputs[playing, frame])
            stops = following.ends
            if stops_with_life:
                stops = stops | (following.lives < played.lives[playing])
            played.states[playing], played.lives[playing] = following.states, following.lives
            played.ends[playing] = following.ends
            played.rewards[playing] += following.rewards
            played.num_frames[playing] += 1
            if most_frames is not None:
                stops = stops | (played.num_frames[playing] >= most_frames[playing])
            playing = playing[~stops]
        return played


def begin_play(states: npt.NDArray[np.uint8], lives: npt.NDArray[np.uint8]) -> NextStates:
    """Return what no frame leads to."""
    return NextStates(
        np.array(states, order="C"),
        np.zeros(len(states), np.float32),
        np.zeros(len(states), np.bool_),
        np.array(lives),
        np.zeros(len(states), np.int64),
    )
