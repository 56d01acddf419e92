"""Specifications of environments that can be written as JSON."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode


def for_spec(argument: Any) -> Any:
    """Return an argument as a specification records it; JSON has strings, but no paths."""
    return str(argument) if isinstance(argument, Path) else argument


def json_spec(spec: EnvSpec | None) -> EnvSpec | None:
    """Return a specification that can be written as JSON, unless an argument is an object, such as
    a generator.
    """
    if spec is None:
        return None
    kwargs = {
        name: value.value if isinstance(value, AutoresetMode) else for_spec(value)
        for name, value in spec.kwargs.items()
    }
    return replace(spec, kwargs=kwargs)


class HasJsonSpec:
    """An environment whose specification can be written as JSON, as `json_spec` says."""

    _spec: EnvSpec | None = None

    @property
    def spec(self) -> EnvSpec | None:
        return json_spec(self._spec)

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = spec
