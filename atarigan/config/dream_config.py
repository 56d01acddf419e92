"""DreamConfig: all settings of the training of a dream."""

import math
from dataclasses import dataclass

from atarigan.config.clock import Clock
from atarigan.errors import InputError

DREAM = "dream"  # as the name of a recipe
DREAM_SUMMARY = "A learned game: next states, rewards and ends, corrected by the emulator."


@dataclass(frozen=True)
class DreamConfig:
    """Settings of the training of a dream.

    Raises:
        InputError: a value is out of range.
    """

    data: str | None = None
    """Folder of frames with RAM that atarigan.collect stored. Its game and stickiness are those of
    the dream.
    """
    generator: str | None = None
    """Run folder, shipped name or hf://USER/NAME[@REVISION] of the generator that draws the frames.
    Default: the shipped one of the game; if there is none, the dream is RAM alone.
    """
    round_frames: int = 200_000
    """Emulator frames to play, and to correct the model with, in each round."""
    policy_steps: int = 1_000_000
    """Agent steps that a policy learns in the dream before each round. It then plays a part of the
    round. 0: no policy learns.
    """
    max_minutes: float = 30.0
    """Stop after the round in which so many minutes are over."""
    clock: Clock = "wall"
    """What minutes are counted by, as for other trainings: the time that passes, or CPU time."""
    seed: int = 0
    """Seed of the play and of the trees."""

    def __post_init__(self) -> None:
        if self.round_frames < 1:
            raise InputError(f"--round-frames must be at least 1, not {self.round_frames}")
        if self.policy_steps < 0:
            raise InputError(f"--policy-steps must be at least 0, not {self.policy_steps}")
        if not 0 < self.max_minutes < math.inf:
            raise InputError(f"--max-minutes must be finite and above 0, not {self.max_minutes}")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"--seed must be from 0 to {2**31 - 1}, not {self.seed}")
