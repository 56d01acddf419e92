"""What the environments of a dream need of the games that they play."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from atarigan.images.pixels import Frames
from atarigan.models.dynamics.dream_batch import EVERYONE, Outcomes, Rows

from .dream_observations import DreamObservations
from .vector_api import Indices, Mask

Infos = dict[str, npt.NDArray[Any]]


class Games(Protocol):
    """N games; see `DreamGames`.

    Attributes:
        seen: the observations.
        is_over: whether the episode of each game has ended, bool (N,).
    """

    seen: DreamObservations
    is_over: Mask

    def check_begun(self) -> None: ...
    def checked_actions(self, actions: Any) -> npt.NDArray[Any]: ...
    def reset(
        self, rows: Indices, seeds: Sequence[int | None], rng: np.random.Generator
    ) -> None: ...
    def begin(self, rows: Indices) -> None: ...
    def restart(self, rows: Indices) -> Any: ...
    def play(self, actions: npt.NDArray[Any], rows: Rows = EVERYONE) -> Outcomes: ...
    def show(self, begun: Indices = ...) -> None: ...
    def observations(self) -> Any: ...
    def pictures(self) -> Frames: ...
    def infos(self) -> Infos: ...
