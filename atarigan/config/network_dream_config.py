"""NetworkDreamConfig: all settings of the training of a dream of vectors."""

import math
from dataclasses import dataclass

from atarigan.config.clock import Clock
from atarigan.errors import InputError


@dataclass(frozen=True)
class NetworkDreamConfig:
    """Settings of the training of a dream of an environment whose state is a vector.

    Raises:
        InputError: a value is out of range.
    """

    data: str | None = None
    """Folder of vectors that atarigan.collect stored. Its environment is that of the dream."""
    generator: str | None = None
    """Run folder or hf://USER/NAME[@REVISION] of the generator that draws the states. Default: the
    dream is states alone.
    """
    max_minutes: float = 5.0
    """Stop after so many minutes. The learning rate falls to 0 until then."""
    max_updates: int = 0
    """Stop after so many updates, if the minutes are not over before; 0 for no limit."""
    clock: Clock = "wall"
    """What minutes are counted by, as for other trainings: the time that passes, or CPU time."""
    hidden_size: int = 128
    """Units of each of the two hidden layers of a network."""
    batch_size: int = 256
    """Steps in an update."""
    learning_rate: float = 0.002
    """Of Adam, at the beginning."""
    test_share: float = 0.1
    """Share of the episodes that are not learned, but tell how exact the dream is."""
    seed: int = 0
    """Seed of the networks, of the batches and of the choice of episodes."""

    def __post_init__(self) -> None:
        if not 0 < self.max_minutes < math.inf:
            raise InputError(f"--max-minutes must be finite and above 0, not {self.max_minutes}")
        if self.max_updates < 0:
            raise InputError(f"--max-updates must be at least 0, not {self.max_updates}")
        if not 1 <= self.hidden_size <= 4096:
            raise InputError(f"--hidden-size must be from 1 to 4096, not {self.hidden_size}")
        if self.batch_size < 1:
            raise InputError(f"--batch-size must be at least 1, not {self.batch_size}")
        if not 0 < self.learning_rate < 1:
            raise InputError(
                f"--learning-rate must be above 0 and below 1, not {self.learning_rate}"
            )
        if not 0 < self.test_share <= 0.5:
            raise InputError(f"--test-share must be above 0 and at most 0.5, not {self.test_share}")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"--seed must be from 0 to {2**31 - 1}, not {self.seed}")
