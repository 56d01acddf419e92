"""`python -m atarigan.clone`: clone a scripted player into a policy on pixels."""

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atarigan.cli import command_line
from atarigan.cli.progress import ProgressDisplay
from atarigan.cli.stop_request import StopRequest
from atarigan.errors import InputError

if TYPE_CHECKING:
    from atarigan.evaluation.policy.cloning import Cloning

NUM_TEACHER_STEPS = 8_000
MIN_STEPS = 512
_ROUNDS, _BATCHES, _BATCH_SIZE = 16, 16, 256
_FINAL_LR_SHARE = 0.02


@dataclass(frozen=True)
class CloneArguments:
    """Clone a scripted player that reads the state into a policy that sees pixels.

    The policy is a stable-baselines3 PPO model of the last four gray 84x84 frames, without
    max-pooling. Ctrl-C keeps what was learned.
    """

    out: str
    """Output file of the policy, FILE.zip."""
    env_id: str = "ALE/Pong-v5"
    """Environment that a scripted player knows: Pong, Breakout, Boxing, Bowling, or CartPole-v1."""
    num_steps: int = 500_000
    """Agent steps to play and learn from."""
    frame_skip: int | None = None
    """Number of frames that each action is repeated for: 4 for ALE's games, else 1, by default."""
    max_minutes: float = 0.0
    """Stop after this many minutes, if --num-steps takes longer; 0: no limit."""
    learning_rate: float = 1e-3
    """Initial learning rate of Adam, at most 1; it decays exponentially to a fiftieth."""
    seed: int = 0
    """Seed of weights, games, and batches."""
    overwrite: bool = False
    """Replace an existing FILE.zip."""

    def __post_init__(self) -> None:
        if not self.out.endswith(".zip"):
            raise InputError(f"--out must end in .zip, not {self.out!r}")
        if self.num_steps < MIN_STEPS:
            raise InputError(f"--num-steps must be at least {MIN_STEPS}, not {self.num_steps}")
        if self.frame_skip is not None and self.frame_skip < 1:
            raise InputError(f"--frame-skip must be at least 1, not {self.frame_skip}")
        if not 0 <= self.max_minutes < math.inf:
            raise InputError(f"--max-minutes must be at least 0, not {self.max_minutes}")
        if not 0 < self.learning_rate <= 1:
            raise InputError(
                f"--learning-rate must be above 0 and at most 1, not {self.learning_rate}"
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed must be from 0 to {2**32 - 1}, not {self.seed}")

    @property
    def file(self) -> Path:
        return Path(self.out)


def main(argv: Sequence[str] | None = None) -> int:
    """Clone the player, save the policy; return the exit status."""
    arguments = command_line.parse(CloneArguments, argv, command="clone")
    from atarigan.evaluation.policy.cloning import Cloning

    if arguments.file.exists() and not arguments.overwrite:
        raise InputError(f"{arguments.file} exists: name another --out, or add --overwrite")
    cloning = Cloning(arguments.env_id, arguments.num_steps, arguments.seed, arguments.frame_skip)
    with contextlib.closing(cloning), StopRequest() as stop:
        try:
            agreement = _train(arguments, cloning, stop)
        finally:
            cloning.policy.save(arguments.file)
    print(
        f"{arguments.file}: agrees with the teacher on {agreement:.1%} of actions, after "
        f"{cloning.num_steps:,} agent steps"
    )
    return command_line.EXIT_INTERRUPTED if stop.is_set else command_line.EXIT_OK


def _train(arguments: CloneArguments, cloning: "Cloning", stop: StopRequest) -> float:
    """Play and learn in turns until all steps are done, time is up, or a stop is requested.

    Returns:
        The share of labels predicted in the last turn.
    """
    agreement = 0.0
    max_s, began = 60 * arguments.max_minutes, time.monotonic()
    with ProgressDisplay(
        "cloning", "agent steps", arguments.num_steps, max_seconds=max_s
    ) as display:
        cloning.begin(min(NUM_TEACHER_STEPS, arguments.num_steps // 2))
        while not stop.is_set and not cloning.is_done and cloning.time_done < 1:
            cloning.play(_ROUNDS)
            done = max(cloning.num_steps / arguments.num_steps, cloning.time_done)
            learning_rate = arguments.learning_rate * _FINAL_LR_SHARE**done
            stats = cloning.learn(_BATCHES, _BATCH_SIZE, learning_rate)
            agreement = stats.agreement
            if max_s:
                cloning.time_done = min(1.0, (time.monotonic() - began) / max_s)
            note = f"loss {stats.loss:.3f}  agreement {agreement:.1%}"
            display.update(cloning.num_steps, note)
    return agreement


if __name__ == "__main__":
    command_line.run(main, command="clone")
