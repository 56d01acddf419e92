"""The exception for errors that a user can fix, and parts of its messages."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: a flag, a file or an argument that breaks a rule.

    The message is one line that names the thing, the rule and the actual value. The commands print
    it without a traceback and exit with status 2. Every other exception is a bug and keeps its
    traceback.

    Example:
        >>> import atarigan
        >>> atarigan.FrameBuffer.open("no/such/folder")
        Traceback (most recent call last):
        atarigan.errors.InputError: no/such/folder does not exist: name the folder of a buffer
    """


def shown(value: object) -> str:
    """Return a value as text for a message, on one line of at most 60 characters."""
    text = one_line(repr(value), limit=None)
    return text if len(text) <= 60 else text[:57] + "..."


def flag_of(name: str) -> str:
    """Return the flag of a setting: --batch-size of batch_size."""
    return "--" + name.replace("_", "-")


def one_line(error: object, limit: int | None = 200) -> str:
    """Return an error's text on one line, cut to `limit` characters; None cuts nothing."""
    return " ".join(str(error).split())[:limit]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the nearest known name, if any, and all known names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]!r}? " if near else ""
    return f"{suggestion}known: {', '.join(names)}"
