"""`python -m atarigan.pack`: writes a generator or a dream into a small folder, or uploads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atarigan.cli import command_line
from atarigan.errors import InputError
from atarigan.models import hub
from atarigan.models.model_source import is_dream, is_network_dream, resolved


@dataclass(frozen=True)
class PackArguments:
    """Write a generator and its configuration into a new folder, which every --run accepts, or
    upload it to the Hugging Face Hub, from where every --run takes hf://USER/NAME.

    Matrices are stored in 8 bits, the rest in 16. The training state and the path of the data are
    left out. Of a dream, its trees, its start states and its generator are written.
    """

    run: str
    """A run folder, a checkpoint folder such as the best one, a dream, the name of a shipped model,
    or hf://USER/NAME[@REVISION].
    """
    out: str | None = None
    """A new folder. Without it, --push keeps no copy."""
    push: str | None = None
    """USER/NAME: a repository on the Hugging Face Hub to upload to, with a card that says what
    atarigan.evaluate measured. It is created if it does not exist. Needs the extra hub.
    """
    private: bool = False
    """Make a new repository private."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, load, upload, write; return the exit status."""
    arguments = command_line.parse(PackArguments, argv, command="pack")
    check(arguments)
    if arguments.push is not None:
        print(f"pushed {push(arguments.run, arguments.push, private=arguments.private)}")
    if arguments.out is not None:
        out = Path(arguments.out)
        print(f"wrote {out}, {pack(arguments.run, out) / 1e6:.2f} MB")
    return command_line.EXIT_OK


def check(arguments: PackArguments) -> None:
    """Raise InputError if flags do not fit together, or huggingface_hub is needed and missing."""
    if arguments.out is None and arguments.push is None:
        raise InputError("name --out DIR, --push USER/NAME, or both")
    if arguments.out is not None and Path(arguments.out).exists():
        raise InputError(f"--out must be a new folder, and {arguments.out} exists")
    if arguments.private and arguments.push is None:
        raise InputError("--private needs --push USER/NAME, the repository that is private")
    if arguments.push is not None:
        hub.check_repository(arguments.push)


def push(source: str, repository: str, *, private: bool) -> str:
    """Upload a generator or a dream; return the address of the commit.

    Raises:
        InputError: the model is missing or damaged, huggingface_hub is not installed, or the Hub
            cannot be reached or refuses the upload.
    """
    only_new = True if private else None
    if is_dream(source):
        from atarigan.models.dynamics.dream import Dream

        return Dream.load(source).push_to_hub(repository, private=only_new)
    from atarigan.models.frame_generator import FrameGenerator

    return FrameGenerator.load(source, "cpu").push_to_hub(repository, private=only_new)


def pack(source: str, out: Path) -> int:
    """Write a generator or a dream into a new folder; return its size in bytes.

    Raises:
        InputError: the model is missing or damaged.
        OSError: the disk is full or not writable.
    """
    if is_network_dream(source):
        from atarigan.models.network_dreams.network_dream import NetworkDream

        return NetworkDream.load(source).pack(out)
    if is_dream(source):
        from atarigan.models.dynamics.dream import Dream

        return Dream.load(source).pack(out)
    from atarigan.models.checkpoint import write_packed_run

    return write_packed_run(resolved(source), out)


if __name__ == "__main__":
    command_line.run(main, command="pack")
