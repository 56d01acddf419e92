"""Modules that extras install, which are imported when they are first needed."""

import importlib
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from atarigan.errors import InputError

_P = ParamSpec("_P")
_T = TypeVar("_T")


def imported(name: str, extra: str) -> Any:
    """Import a module of an extra. Raises InputError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise InputError(f"{package} is not installed: pip install 'atarigan[{extra}]'") from None


def compiled(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Compile a function at its first call; the disk keeps it for other processes.

    Raises:
        InputError: numba is not installed.
    """
    numba = imported("numba", "dream")
    found: Callable[_P, _T]
    try:
        found = numba.njit(cache=True)(function)
    except RuntimeError:  # no folder for it can be written
        found = numba.njit(function)
    return found
