"""OptionalTables: tables that a file of trees holds together, or not at all."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.models.dynamics.table_checks import check_shapes


class OptionalTables(ABC):
    """What trees read besides bytes, or hold; files of earlier versions are without it.

    Subclasses are dataclasses whose attributes are the tables, in this order.

    Attributes:
        NOUN: what there may be none of, in the plural.
        PREFIX: of the names under which files keep the tables.
        DTYPES: of the tables by their names.
    """

    NOUN: ClassVar[str]
    PREFIX: ClassVar[str]
    DTYPES: ClassVar[Mapping[str, type]]

    @classmethod
    @abstractmethod
    def none(cls) -> Self:
        """Return none of them."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many there are."""

    @classmethod
    def stored_names(cls) -> list[str]:
        """Return the names under which files keep the tables."""
        return [cls.PREFIX + name for name in cls.DTYPES]

    @classmethod
    def from_stored(cls, tables: dict[str, Any]) -> Self:
        """Take the tables of `stored` out of others, which may be without them.

        Raises:
            InputError: some are missing, or sizes or dtypes do not agree.
        """
        names = cls.stored_names()
        missing = [name for name in names if name not in tables]
        if len(missing) == len(names):
            return cls.none()
        if missing:
            raise InputError(
                f"{', '.join(missing)} must be there, as other tables of {cls.NOUN} are"
            )
        return cls(*(tables.pop(name) for name in names))

    @property
    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """The tables by name, in one block of memory each."""
        return {name: np.ascontiguousarray(getattr(self, name)) for name in self.DTYPES}

    def stored(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tables by the names under which files keep them; nothing if there are none."""
        return {self.PREFIX + name: each for name, each in self.tables.items()} if len(self) else {}

    def _check_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise InputError if a table has another shape or dtype."""
        check_shapes(self, self.DTYPES, shapes)


def renumbered_bytes(
    table: npt.NDArray[np.int16], numbers: npt.NDArray[np.int64]
) -> npt.NDArray[np.int16]:
    """Return a table of bytes, or -1 for none, with their new numbers, int64 (T,)."""
    return np.where(table < 0, table, numbers[table]).astype(np.int16)
