"""What every command does alike: parse flags, answer mistakes with one line, choose the status."""

import contextlib
import io
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import tyro

from atarigan.errors import InputError, one_line

T = TypeVar("T")
EXIT_OK = 0
EXIT_BAD_INPUT = 2
EXIT_UNHEALTHY = 3
EXIT_INTERRUPTED = 130


def parse(
    arguments: type[T],
    argv: Sequence[str] | None = None,
    *,
    command: str,
    default: T | None = None,
    package: str = "atarigan.",
) -> T:
    """Flags as a typed dataclass, `--help` included.

    Args:
        arguments: dataclass with a field a flag; its docstring is the command's description.
        argv: words to parse; None means those of the process.
        command: the command's name, "collect".
        default: an instance whose values the flags override; None means the fields' own defaults.
        package: what stands before the command's name in `python -m …`.

    Raises:
        SystemExit: 0 after `--help`; 2 after one line on stderr that says what is wrong.
    """
    program = f"python -m {package}{command}"
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                arguments,
                prog=program,
                args=argv,
                default=tyro.MISSING_NONPROP if default is None else default,
                config=(tyro.conf.AvoidSubcommands,),
            )
    except SystemExit as stop:
        if stop.code != EXIT_OK:
            print(f"{program}: {_one_line(complaint.getvalue())}", file=sys.stderr)
            raise SystemExit(EXIT_BAD_INPUT) from None
        raise


def run(main: Callable[[], int | None], *, command: str, package: str = "atarigan.") -> NoReturn:
    """Run a command's work and leave the process with its exit status.

    `InputError` and the system's refusals (a full disk, a missing permission) become one line on
    stderr and status 2, Ctrl-C status 130; anything else is a defect and keeps its traceback.
    Warnings are a line as well.
    """
    _let_idle_threads_sleep()
    program = f"python -m {package}{command}"
    warnings.formatwarning = lambda message, *_: f"{program}: warning: {message}\n"
    try:
        status = main() or EXIT_OK
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = EXIT_OK
    except (InputError, OSError) as error:
        print(f"{program}: {describe(error)}", file=sys.stderr)
        status = EXIT_BAD_INPUT
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    sys.exit(status)


def _let_idle_threads_sleep() -> None:
    """Keep OpenMP's waiting threads from spinning, which slows down torch fivefold on a busy
    machine.

    Torch reads this when it is loaded, which commands do after this.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


def describe(error: BaseException) -> str:
    """An error as one line: for the system's own, the file and what was wrong with it."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror.lower()}"
    return one_line(error, limit=None)


def _one_line(boxed: str) -> str:
    """The paragraphs of tyro's boxed complaint: what is wrong, and what may have been meant."""
    lines = [line.strip("│ ").strip() for line in boxed.splitlines()]
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if re.fullmatch(r"[─╭╮╰╯ ]*|╭.*╮", line):
            paragraphs.append([])
        else:
            paragraphs[-1].append(line)
    kept = [" ".join(words) for words in paragraphs if words and "full helptext" not in words[0]]
    return "; ".join(text.replace("Argument helptext: ", "") for text in kept)
