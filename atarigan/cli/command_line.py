"""Parse the flags of a command, run it, and turn errors into one line and an exit status."""

import contextlib
import io
import itertools
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import tyro

from atarigan.cli.terminal import prepare_streams
from atarigan.errors import InputError, one_line

T = TypeVar("T")
EXIT_OK = 0
EXIT_BAD_INPUT = 2
EXIT_UNHEALTHY = 3
EXIT_INTERRUPTED = 130
_IN_PLAIN_WORDS = {  # of tyro's and Python's messages
    r"Error parsing (--\S+): invalid literal for int\(\) with base 10: ('.*?')": (
        r"\1 must be a whole number, not \2"
    ),
    r"Error parsing (--\S+): could not convert string to float: ('.*?')": (
        r"\1 must be a number, not \2"
    ),
    r"Missing value for argument '(--\S+)'\. Expected 1 values\.": r"\1 needs a value",
    r"Missing from python -m \S+( \S+)?: ": "must be given: ",
    r"Unrecognized options: ": "unknown: ",
    r"Argument helptext: |Error parsing [A-Za-z]+: ": "",
}


def parse(
    arguments: type[T],
    argv: Sequence[str] | None = None,
    *,
    command: str,
    default: T | None = None,
    package: str = "atarigan.",
) -> T:
    """Parse flags into a dataclass. `--help` is included.

    An empty value is refused, as of `--data "$DATA"` where DATA is not set: it is neither the
    default nor the present folder.

    Args:
        arguments: dataclass with a field for each flag; its docstring describes the command.
        argv: command line to parse; None means that of the process.
        command: the command's name, "collect".
        default: instance with the default values; None means the defaults of the fields.
        package: prefix of the command's name in `python -m …`.

    Raises:
        SystemExit: status 0 after `--help`, or status 2 after an error message on stderr.
    """
    program = f"python -m {package}{command}"
    message = io.StringIO()
    words = sys.argv[1:] if argv is None else argv
    if mistake := _mistake(words):
        print(f"{program}: {mistake}", file=sys.stderr)
        raise SystemExit(EXIT_BAD_INPUT)
    try:
        with contextlib.redirect_stderr(message):
            return tyro.cli(
                arguments,
                prog=program,
                args=argv,
                default=tyro.MISSING_NONPROP if default is None else default,
                config=(tyro.conf.AvoidSubcommands,),
            )
    except SystemExit as stop:
        if stop.code != EXIT_OK:
            print(f"{program}: {_one_line(message.getvalue())}", file=sys.stderr)
            raise SystemExit(EXIT_BAD_INPUT) from None
        raise


def _mistake(words: Sequence[str]) -> str | None:
    """Return what is wrong with the first flag whose value is empty, or looks like a flag."""
    for flag, word in itertools.pairwise(["", *words]):
        if word == "" and flag.startswith("--"):
            return f"{flag} must be some text, not ''"
        if re.fullmatch(r"--[\w-]+=", word):
            return f"{word.removesuffix('=')} must be some text, not ''"
        if flag.startswith("--") and re.match(r"-[^=]*\s", word):
            return f"{flag} needs an equals sign before this value: {flag}={shlex.quote(word)}"
    return None


def run(main: Callable[[], int | None], *, command: str, package: str = "atarigan.") -> NoReturn:
    """Run a command and exit with its status.

    `InputError`, OSError, such as a full disk, and a lack of memory print one line on stderr and
    exit with status 2. Ctrl-C exits with status 130. Any other exception is a bug and keeps its
    traceback. Warnings are one line as well. Text prints in terminals of any encoding.
    """
    prepare_streams()
    _let_idle_threads_sleep()
    program = f"python -m {package}{command}"
    warnings.formatwarning = lambda message, *_: f"{program}: warning: {message}\n"
    try:
        _refuse_hidden_package()
        status = main() or EXIT_OK
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = EXIT_OK
    except (InputError, OSError) as error:
        print(f"{program}: {describe(error)}", file=sys.stderr)
        status = EXIT_BAD_INPUT
    except MemoryError as error:
        print(f"{program}: not enough memory: {one_line(error)}", file=sys.stderr)
        status = EXIT_BAD_INPUT
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    sys.exit(status)


def _refuse_hidden_package() -> None:
    """Raise InputError if Python took a folder of the package's name for the package.

    It does where an editable install meets a folder `atarigan` without `__init__.py`, such as the
    folder above a clone. The environments are not registered then.
    """
    package = sys.modules["atarigan"]
    if getattr(package, "__file__", None) is None:
        folder = next(iter(package.__path__))
        raise InputError(f"run this from another folder: {folder} hides the installed package")


def _let_idle_threads_sleep() -> None:
    """Keep idle OpenMP threads from spinning, which slows torch down fivefold on a busy machine.

    Commands call this before they import torch, which reads these variables.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


def describe(error: BaseException) -> str:
    """Return an error as one line; of an OSError, the file and the reason."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror.lower()}"
    return one_line(error, limit=None)


def _one_line(boxed: str) -> str:
    """Return the error and the suggestion in tyro's boxed message as one line."""
    boxed = re.sub(r"^.*\n *-{10,} *\n", "\n", boxed)  # the title, where the terminal is ASCII
    lines = [line.strip("│ ").strip() for line in boxed.splitlines()]
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if re.fullmatch(r"[─╭╮╰╯ -]*|╭.*╮", line):
            paragraphs.append([])
        else:
            paragraphs[-1].append(line)
    kept = [" ".join(words) for words in paragraphs if words and "full helptext" not in words[0]]
    text = "; ".join(kept)
    for pattern, words in _IN_PLAIN_WORDS.items():
        text = re.sub(pattern, words, text)
    return text
