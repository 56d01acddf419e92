"""SeenStates: which values the bytes of real play have, to tell states that no real play reaches.

`seen_states.safetensors` holds `values`, uint8 (bytes, 32): for each byte a bit for each of its 256
values, the lowest value in the highest bit.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from atarigan.config.extras import compiled
from atarigan.errors import InputError
from atarigan.files import atomic
from atarigan.models.dynamics.tables_file import read_tables
from atarigan.models.dynamics.transitions import FrameTransitions

SEEN_STATES_FILE = "seen_states.safetensors"
_NUM_VALUES = 256
_NUM_PARTS = 20  # of the play
_RARE_PARTS = 2  # a value that was seen in so many parts at most is rare
_MOST_RARE_SHARE = 1e-5  # of a tested byte's states

States = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SeenStates:
    """The values that were seen of each byte. A state with any other value is unseen.

    Attributes:
        is_seen: whether a byte may have a value, bool (bytes, 256); all True for a byte that is not
            tested.

    Raises:
        InputError: the dtype or the shape is wrong.
    """

    is_seen: Mask

    def __post_init__(self) -> None:
        is_right = self.is_seen.ndim == 2 and self.is_seen.shape[1] == _NUM_VALUES
        if self.is_seen.dtype != np.bool_ or not is_right:
            raise InputError(
                f"is_seen must be bool (bytes, {_NUM_VALUES}), "
                f"not {self.is_seen.dtype} {self.is_seen.shape}"
            )

    @property
    def num_bytes(self) -> int:
        return len(self.is_seen)

    @cached_property
    def _tested(self) -> npt.NDArray[np.uint32]:
        """Addresses, unsigned so that compiled code does not look for negative ones."""
        return np.flatnonzero(~self.is_seen.all(1)).astype(np.uint32)

    @classmethod
    def fit(cls, transitions: FrameTransitions, real: Rows, untested: Collection[int] = ()) -> Self:
        """Learn from frames of real play.

        Of bytes such as a row of bricks, new values keep turning up, and stay for the rest of an
        episode. So the play is divided into 20 parts, and only those bytes are tested whose values
        were all seen in 3 parts or more, but for 1 state in 100,000: the share of what was seen
        rarely estimates the share of what was never seen (Good 1953, "The population frequencies of
        species and the estimation of population parameters").

        Args:
            transitions: N frames.
            real: numbers of those of real play, in the order in which they were played, int64 (n,).
            untested: addresses of bytes that may have any value.
        """
        shape = transitions.states.shape[1], _NUM_VALUES
        counts, num_parts = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for rows in np.array_split(real, _NUM_PARTS):
            found = _counts(transitions.states[rows]) + _counts(transitions.next_states[rows])
            counts += found
            num_parts += found > 0
        num_rare = (counts * (num_parts <= _RARE_PARTS)).sum(1)
        is_tested = num_rare <= _MOST_RARE_SHARE * counts.sum(1)
        is_tested[list(untested)] = False
        return cls((counts > 0) | ~is_tested[:, None])

    def is_unseen(self, states: States) -> Mask:
        """Return which of B states have a value that was never seen, bool (B,).

        Args:
            states: RAM, uint8 (B, bytes).

        Raises:
            InputError: numba is not installed.
        """
        unseen = np.zeros(len(states), np.bool_)
        _compiled_search()(self.is_seen, self._tested, states, unseen)
        return unseen

    def save(self, path: Path) -> None:
        """Write a file, atomically.

        Raises:
            OSError: the disk is full or not writable.
        """
        with atomic.new_file(path) as temporary:
            temporary.write_bytes(save({"values": np.packbits(self.is_seen, axis=1)}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: the file is damaged or of another format.
        """
        values = read_tables(path, ["values"])["values"]
        if values.dtype != np.uint8 or values.ndim != 2 or values.shape[1] != _NUM_VALUES // 8:
            raise InputError(
                f"{path}: values must be uint8 (bytes, {_NUM_VALUES // 8}), "
                f"not {values.dtype} {values.shape}"
            )
        return cls(np.unpackbits(values, axis=1).view(np.bool_))


def _counts(states: States) -> npt.NDArray[np.int64]:
    """Return how often each byte has each value, int64 (bytes, 256)."""
    counts = [
        np.bincount(column, minlength=_NUM_VALUES) for column in np.array(states.T, order="C")
    ]
    return np.array(counts, np.int64).reshape(-1, _NUM_VALUES)


def _search(is_seen: Mask, tested: npt.NDArray[np.uint32], states: States, unseen: Mask) -> None:
    """Tell which states (B, bytes) have a value that was never seen in a tested byte.

    There is no early end: nearly all states are seen, and a loop without one is faster.
    """
    for row in range(len(states)):
        is_right = True
        for number in range(len(tested)):
            address = tested[number]
            is_right &= is_seen[address, states[row, address]]
        unseen[row] = not is_right


@cache
def _compiled_search() -> Callable[..., None]:
    return compiled(_search)
