"""Tables of everything that can be chosen by name."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from atarigan.errors import InputError, did_you_mean, shown

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named entries that refuses duplicates and answers a wrong name with the nearest.

    Args:
        kind: what the entries are, for messages: "objective", "network".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that enters what it decorates under `name`.

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
        """The entry of that name.

        Raises:
            InputError: the name is unknown; the message names the nearest and all known names.
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
