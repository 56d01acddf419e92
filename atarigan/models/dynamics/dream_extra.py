"""The modules of the extra `dream`, which are imported when they are first needed."""

import importlib
from typing import Any

from atarigan.errors import InputError


def imported(name: str) -> Any:
    """Import a module of the extra. Raises InputError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0].replace("sklearn", "scikit-learn")
        raise InputError(f"{package} is not installed: pip install 'atarigan[dream]'") from None
