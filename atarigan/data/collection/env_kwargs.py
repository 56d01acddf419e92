"""Keyword arguments of environments on the command line."""

import json
from typing import Any

from atarigan.errors import InputError


def parsed_kwargs(text: str) -> dict[str, Any]:
    """Parse a JSON object as keyword arguments; else raise InputError."""
    try:
        kwargs = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"--env-kwargs must be JSON, not {text!r}: {error}") from None
    if not isinstance(kwargs, dict):
        raise InputError(f"--env-kwargs must be a JSON object, not {text!r}")
    return kwargs
