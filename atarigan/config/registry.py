"""Registries of entries that a user selects by name."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from atarigan.errors import InputError, did_you_mean, shown

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named entries that refuses duplicates and suggests the nearest name.

    Args:
        kind: kind of the entries, for messages: "objective".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers a class or function under `name`.

        Raises:
            KeyError: the name is taken.
        """

        def enter(entry: T) -> T:
            if name in self._entries:
                raise KeyError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return enter

    def __getitem__(self, name: str) -> T:
        """Return the entry of that name.

        Raises:
            InputError: the name is unknown. The message lists the nearest and all known names.
        """
        try:
            return self._entries[name]
        except KeyError:
            hint = did_you_mean(name, self._entries)
            raise InputError(f"unknown {self.kind} {shown(name)}: {hint}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def summaries(self) -> dict[str, str]:
        """Return the first line of each entry's docstring by name."""
        return {
            name: (entry.__doc__ or "").strip().partition("\n")[0]
            for name, entry in self._entries.items()
        }
