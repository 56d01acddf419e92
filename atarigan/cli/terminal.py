"""Standard output and error that never fail: in any encoding, closed, or on a full disk."""

import codecs
import contextlib
import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

_ERRORS = "atarigan.nearest"
_STDERR = 2  # its file descriptor
_NEAREST = {"×": "x", "·": "*", "±": "+/-", "≤": "<=", "≥": ">=", "\u2212": "-", "\u2013": "-"}
_ESCAPED_BYTES = range(0xDC80, 0xDD00)
"""Characters by which Python stands for the bytes of file names that are no text."""


def prepare_streams() -> None:
    """Let standard output and error take every text.

    Characters that the encoding of a stream lacks are written as the nearest ones that it has:
    "Fréchet" as "Frechet" in ASCII. File names keep their bytes. A stream that is closed (`>&-`)
    discards what is written to it.
    """
    codecs.register_error(_ERRORS, _nearest)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def print_note(text: str) -> None:
    """Print a note about work in progress on stderr. The work goes on where nobody reads it."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def discarded_stderr() -> Iterator[None]:
    """Discard what anything writes to the process's standard error, C++ libraries included."""
    try:
        kept = os.dup(_STDERR)
    except OSError:  # it is closed
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(sink)


def _nearest(error: UnicodeError) -> tuple[bytes, int]:
    """Replace the characters that cannot be encoded. See `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return b"".join(map(_in_ascii, lacking)), error.end


def _in_ascii(character: str) -> bytes:
    if ord(character) in _ESCAPED_BYTES:
        return character.encode("ascii", "surrogateescape")
    plain = _NEAREST.get(character) or unicodedata.normalize("NFKD", character)
    return plain.encode("ascii", "ignore") or character.encode("ascii", "backslashreplace")
