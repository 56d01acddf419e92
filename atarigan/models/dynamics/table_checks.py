"""Checks of named tables, which may come from untrusted files."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError


def check_shapes(
    tables: object, dtypes: Mapping[str, type], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise InputError if a table, an attribute of `tables`, has another dtype or shape."""
    for name, shape in shapes.items():
        table, dtype = getattr(tables, name), np.dtype(dtypes[name])
        if table.dtype != dtype or table.shape != shape:
            raise InputError(
                f"{name} must be {dtype} of the shape {shape}, "
                f"not {table.dtype} of the shape {table.shape}"
            )


def check_range(name: str, numbers: npt.NDArray[Any], stop: int, start: int = 0) -> None:
    """Raise InputError if a number is below `start`, or not below `stop`."""
    if numbers.size and (numbers.min() < start or numbers.max() >= stop):
        found = f"{numbers.min()} to {numbers.max()}"
        raise InputError(f"{name} must be {start} to {stop - 1}, not {found}")
