"""GameArrays: what determines how N games go on, as arrays with a row for each game."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt


@dataclass(eq=False)
class GameArrays:
    """Arrays (N, ...), which are the fields of a subclass."""

    def array_of(self, name: str) -> npt.NDArray[Any]:
        """Return a copy of an attribute."""
        return np.array(getattr(self, name))

    def __getitem__(self, rows: Any) -> Self:
        """Return a copy of some games."""
        return type(self)(*(np.array(array[rows]) for array in self._arrays()))

    def __setitem__(self, rows: Any, games: "GameArrays") -> None:
        for array, others in zip(self._arrays(), games._arrays(), strict=True):
            array[rows] = others

    def _arrays(self) -> list[npt.NDArray[Any]]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]
