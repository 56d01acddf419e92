"""Modules that extras install, which are imported when they are first needed."""

import importlib
from collections.abc import Callable
from typing import Any

from atarigan.errors import InputError

_PACKAGES = {"sklearn": "scikit-learn"}  # that are named otherwise than their module


def imported(name: str, extra: str) -> Any:
    """Import a module of an extra. Raises InputError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        module = name.partition(".")[0]
        package = _PACKAGES.get(module, module)
        raise InputError(f"{package} is not installed: pip install 'atarigan[{extra}]'") from None


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile a function at its first call; the disk keeps it for other processes.

    Raises:
        InputError: numba is not installed.
    """
    numba = imported("numba", "dream")
    found: Callable[..., None]
    try:
        found = numba.njit(cache=True)(function)
    except RuntimeError:  # no folder for it can be written
        found = numba.njit(function)
    return found
