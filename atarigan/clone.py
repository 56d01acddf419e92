"""`python -m atarigan.clone`: teach a pixel policy what a scripted player does."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from atarigan import command_line
from atarigan.errors import InputError
from atarigan.progress import ProgressDisplay
from atarigan.stop_request import StopRequest

if TYPE_CHECKING:
    from atarigan.frames.frame_buffer import FrameBuffer
    from atarigan.play.cloning import Cloning
    from atarigan.play.student import Student

ROUNDS = 16
BATCHES = 12
SAVE_EVERY_S = 60.0
CAPACITY = 80_000
STEPS_ALONE, FEWEST_STEPS = 12_800, 512


@dataclass(frozen=True)
class CloneArguments:
    """Teach a policy that sees pixels what a scripted player does that reads the console's memory.

    The policy is a stable-baselines3 PPO model of the last four frames, gray, 84x84, one in four of
    the emulator's, none pooled. Beside it a folder keeps the labeled frames, for --resume.
    Ctrl-C keeps what was learned.
    """

    out: str
    """File for the policy, FILE.zip."""
    env_id: str = "ALE/Pong-v5"
    """The game, one that the scripted player knows."""
    player: str = "scripted"
    """Who is imitated; scripted plays Pong and Breakout."""
    minutes: float = 0.0
    """Minutes to learn for at the most; 0: as long as the steps take."""
    num_steps: int = 200_000
    """Agent steps to play and learn from, those before --resume included."""
    batch_size: int = 64
    """Labeled states a step of the optimizer."""
    learning_rate: float = 1e-4
    """Adam's, at the beginning; it falls to a hundredth in the end."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes in bfloat16: twice as fast where the processor knows it."""
    seed: int = 0
    """Seed of weights, games, and batches."""
    resume: bool = False
    """Go on with FILE.zip and its folder."""

    def __post_init__(self) -> None:
        if not self.out.endswith(".zip"):
            raise InputError(f"--out must end in .zip, not {self.out!r}")
        if self.player != "scripted":
            raise InputError(f"--player must be scripted, not {self.player!r}")
        if self.num_steps < FEWEST_STEPS:
            raise InputError(f"--num-steps must be at least {FEWEST_STEPS}, not {self.num_steps}")
        if self.batch_size < 1:
            raise InputError(f"--batch-size must be at least 1, not {self.batch_size}")
        if self.minutes < 0:
            raise InputError(f"--minutes must be at least 0, not {self.minutes}")
        if not self.learning_rate > 0:
            raise InputError(f"--learning-rate must be above 0, not {self.learning_rate}")
        if self.seed < 0:
            raise InputError(f"--seed must be at least 0, not {self.seed}")

    @property
    def file(self) -> Path:
        return Path(self.out)

    @property
    def folder(self) -> Path:
        """Of what is only needed to go on learning."""
        return self.file.with_name(f"{self.file.stem}-lessons")

    @property
    def learner(self) -> Path:
        return self.folder / "learner.pt"


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, compose, run; returns the exit status."""
    arguments = command_line.parse(CloneArguments, argv, command="clone")
    with _cloning_for(arguments) as (student, cloning), StopRequest() as stop:
        try:
            agreement = _learn(arguments, student, cloning, stop)
        finally:
            _save(arguments, student)
    print(
        f"{arguments.file}: does what the teacher would in {agreement:.1%} of states, after "
        f"{cloning.num_steps:,} agent steps; {arguments.folder} may be deleted"
    )
    return command_line.EXIT_INTERRUPTED if stop.is_set else command_line.EXIT_OK


def _learn(
    arguments: CloneArguments, student: "Student", cloning: "Cloning", stop: StopRequest
) -> float:
    """Play and learn in turns until the steps are done, time is up, or a stop is asked for; returns
    the share of labels hit in the last turn.
    """
    began, saved = time.monotonic(), time.monotonic()
    agreement, max_seconds = 0.0, 60 * arguments.minutes
    display = ProgressDisplay(
        "cloning",
        "agent steps",
        arguments.num_steps,
        max_seconds=max_seconds,
        start=cloning.num_steps,
    )
    with display:
        if not cloning.has_begun:
            cloning.begin()
        while not stop.is_set and cloning.num_steps < arguments.num_steps:
            elapsed = time.monotonic() - began
            if max_seconds and elapsed >= max_seconds:
                break
            cloning.play(ROUNDS)
            by_time = elapsed / max_seconds if max_seconds else 0.0
            done = min(1.0, max(by_time, cloning.num_steps / arguments.num_steps))
            rate = arguments.learning_rate * 0.01**done
            lesson = cloning.learn(BATCHES, arguments.batch_size, rate)
            agreement = lesson.agreement
            note = f"loss {lesson.loss:.3f}  agreement {agreement:.1%}"
            display.update(cloning.num_steps, note)
            if time.monotonic() - saved >= SAVE_EVERY_S:
                _save(arguments, student)
                saved = time.monotonic()
    return agreement


def _save(arguments: CloneArguments, student: "Student") -> None:
    student.save(arguments.file, arguments.learner)


@contextlib.contextmanager
def _cloning_for(arguments: CloneArguments) -> Iterator[tuple["Student", "Cloning"]]:
    """A student and its lessons, new or from where they were left.

    Raises:
        InputError: files are in the way or missing, or nobody can teach the game.
    """
    from atarigan.frames.frame_buffer import FrameBuffer
    from atarigan.play.cloning import NUM_PLACES, Cloning
    from atarigan.play.student import Student

    file, frames = arguments.file, arguments.folder / "frames"
    bf16 = arguments.precision == "bf16"
    if arguments.resume:
        student = Student.load(file, arguments.learner, NUM_PLACES, bf16)
        buffer = FrameBuffer.open(frames)
    else:
        if file.exists() or arguments.folder.exists():
            raise InputError(f"{file} or {arguments.folder} exists already: add --resume to go on")
        buffer = _new_buffer(arguments, frames)
        num_actions = len(buffer.meta.origin.action_meanings)
        student = Student.new(num_actions, NUM_PLACES, arguments.seed, bf16)
    num_alone = max(FEWEST_STEPS // 2, min(STEPS_ALONE, arguments.num_steps // 2))
    cloning = Cloning(student, buffer, arguments.env_id, arguments.seed, num_alone)
    try:
        yield student, cloning
    finally:
        cloning.close()


def _new_buffer(arguments: CloneArguments, path: Path) -> "FrameBuffer":
    from atarigan.frames.buffer_meta import Origin
    from atarigan.frames.new_buffer import create_buffer
    from atarigan.play.cloning import NUM_GAMES

    origin = Origin(env_id=arguments.env_id, policy=arguments.player, seed=arguments.seed)
    capacity = min(CAPACITY, arguments.num_steps)
    return create_buffer(path, origin, capacity=capacity, num_envs=NUM_GAMES)


if __name__ == "__main__":
    command_line.run(main, command="clone")
