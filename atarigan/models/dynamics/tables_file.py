"""Reads a file of named tables in the format safetensors."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file

from atarigan.errors import InputError, one_line


def read_tables(
    path: Path,
    names: Collection[str],
    former: Collection[str] = (),
    later: Collection[str] = (),
) -> dict[str, Any]:
    """Return the arrays of a file by their names.

    Args:
        path: the file.
        names: what it must hold.
        former: what it may hold besides, because earlier versions wrote it; not returned.
        later: what may be missing, because earlier versions did not write it.

    Raises:
        FileNotFoundError: the file is missing.
        InputError: it is damaged, or holds other names.
    """
    try:
        tables: dict[str, Any] = load_file(path)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a readable safetensors file: {one_line(error)}") from None
    for name in former:
        tables.pop(name, None)
    if not set(names) - set(later) <= tables.keys() <= {*names, *later}:
        raise InputError(f"{path} must hold {', '.join(names)}, not {', '.join(tables)}")
    return tables
