"""`python -m atarigan.clone`: teach a pixel policy what a scripted player does."""

import contextlib
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

STEPS_ALONE = 8_000
FEWEST_STEPS = 512
_ROUNDS, _BATCHES, _BATCH_SIZE = 16, 16, 256
_LAST_RATE = 0.02


@dataclass(frozen=True)
class CloneArguments:
    """Teach a policy that sees pixels what a scripted player does that reads the console's memory.

    The policy is a stable-baselines3 PPO model of the last four frames, gray, 84x84, one in four of
    the emulator's, none pooled. Ctrl-C keeps what was learned.
    """

    out: str
    """File for the policy, FILE.zip."""
    env_id: str = "ALE/Pong-v5"
    """The game; the scripted player knows Pong and Breakout."""
    num_steps: int = 500_000
    """Agent steps to play and learn from."""
    learning_rate: float = 1e-3
    """Adam's, at the beginning; it falls to a fiftieth in the end."""
    seed: int = 0
    """Seed of weights, games, and batches."""
    overwrite: bool = False
    """Replace FILE.zip."""

    def __post_init__(self) -> None:
        if not self.out.endswith(".zip"):
            raise InputError(f"--out must end in .zip, not {self.out!r}")
        if self.num_steps < FEWEST_STEPS:
            raise InputError(f"--num-steps must be at least {FEWEST_STEPS}, not {self.num_steps}")
        if not self.learning_rate > 0:
            raise InputError(f"--learning-rate must be above 0, not {self.learning_rate}")
        if self.seed < 0:
            raise InputError(f"--seed must be at least 0, not {self.seed}")

    @property
    def file(self) -> Path:
        return Path(self.out)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, compose, run; returns the exit status."""
    arguments = command_line.parse(CloneArguments, argv, command="clone")
    from atarigan.evaluation.policy.cloning import Cloning

    if arguments.file.exists() and not arguments.overwrite:
        raise InputError(f"{arguments.file} exists: name another --out, or add --overwrite")
    cloning = Cloning(arguments.env_id, arguments.num_steps, arguments.seed)
    with contextlib.closing(cloning), StopRequest() as stop:
        try:
            agreement = _learn(arguments, cloning, stop)
        finally:
            cloning.student.save(arguments.file)
    print(
        f"{arguments.file}: does what the teacher would in {agreement:.1%} of states, after "
        f"{cloning.num_steps:,} agent steps"
    )
    return command_line.EXIT_INTERRUPTED if stop.is_set else command_line.EXIT_OK


def _learn(arguments: CloneArguments, cloning: "Cloning", stop: StopRequest) -> float:
    """Play and learn in turns until the steps are done or a stop is asked for; returns the share of
    labels hit in the last turn.
    """
    agreement = 0.0
    with ProgressDisplay("cloning", "agent steps", arguments.num_steps) as display:
        cloning.begin(min(STEPS_ALONE, arguments.num_steps // 2))
        while not stop.is_set and not cloning.is_done:
            cloning.play(_ROUNDS)
            done = cloning.num_steps / arguments.num_steps
            lesson = cloning.learn(
                _BATCHES, _BATCH_SIZE, arguments.learning_rate * _LAST_RATE**done
            )
            agreement = lesson.agreement
            note = f"loss {lesson.loss:.3f}  agreement {agreement:.1%}"
            display.update(cloning.num_steps, note)
    return agreement


if __name__ == "__main__":
    command_line.run(main, command="clone")
