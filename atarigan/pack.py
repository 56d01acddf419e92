"""`python -m atarigan.pack`: writes a run's generator alone, small enough to distribute."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atarigan.cli import command_line
from atarigan.errors import InputError


@dataclass(frozen=True)
class PackArguments:
    """Write a generator and its configuration into a new folder, which every --run accepts.

    Matrices are stored in 8 bits, the rest in 16. The training state and the path of the data are
    left out.
    """

    run: str
    """A run folder or a checkpoint folder, such as the best one."""
    out: str
    """A new folder."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, load, write; return the exit status."""
    arguments = command_line.parse(PackArguments, argv, command="pack")
    out = Path(arguments.out)
    if out.exists():
        raise InputError(f"--out must be a new folder, and {out} exists")
    from atarigan.models.checkpoint import write_packed_run

    size = write_packed_run(Path(arguments.run), out)
    print(f"wrote {out}, {size / 1e6:.2f} MB")
    return command_line.EXIT_OK


if __name__ == "__main__":
    command_line.run(main, command="pack")
