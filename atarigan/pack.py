"""`python -m atarigan.pack`: writes a run's generator, or a dream, alone in a small folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atarigan.cli import command_line
from atarigan.errors import InputError
from atarigan.files import atomic
from atarigan.models.shipped import is_dream


@dataclass(frozen=True)
class PackArguments:
    """Write a generator and its configuration into a new folder, which every --run accepts.

    Matrices are stored in 8 bits, the rest in 16. The training state and the path of the data are
    left out. Of a dream, its trees, its start states and its generator are written.
    """

    run: str
    """A run folder, a checkpoint folder such as the best one, or a dream."""
    out: str
    """A new folder."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, load, write; return the exit status."""
    arguments = command_line.parse(PackArguments, argv, command="pack")
    out = Path(arguments.out)
    if out.exists():
        raise InputError(f"--out must be a new folder, and {out} exists")
    if is_dream(arguments.run):
        size = pack_dream(arguments.run, out)
    else:
        from atarigan.models.checkpoint import write_packed_run

        size = write_packed_run(Path(arguments.run), out)
    print(f"wrote {out}, {size / 1e6:.2f} MB")
    return command_line.EXIT_OK


def pack_dream(source: str, out: Path) -> int:
    """Write a dream, and its generator packed, into a new folder; return its size in bytes.

    Raises:
        InputError: the dream or its generator is missing or damaged.
        OSError: the disk is full or not writable.
    """
    from atarigan.models.dynamics.dream import GENERATOR_FOLDER, Dream

    dream = Dream.load(source)
    with atomic.new_folder(out) as temporary:
        dream.save(temporary)
        generator = None if dream.settings.generator else dream.generator_source
        if generator is not None:
            from atarigan.models.checkpoint import write_packed_run

            write_packed_run(generator, temporary / GENERATOR_FOLDER)
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


if __name__ == "__main__":
    command_line.run(main, command="pack")
