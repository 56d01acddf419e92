"""TreeDynamics: predicts a console's next state with one decision tree for each byte."""

from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.models.dynamics.dynamics import Dynamics, NextStates, begin_play
from atarigan.models.dynamics.transitions import FrameTransitions, check_array
from atarigan.models.dynamics.tree_fitting import TreeFitter
from atarigan.models.dynamics.tree_tables import TreeTables
from atarigan.models.dynamics.tree_walk import compiled_walk, program_of


class TreeDynamics(Dynamics):
    """A deterministic model of one emulator frame: from RAM and inputs to the next RAM, the reward,
    whether the episode ends, and lives.

    Bytes are predicted one after the other, the easiest first, and a tree may read the next values
    of earlier bytes. Fitting and steps need numba, of the extra
    `dream`.

    Attributes:
        tables: the trees.
    """

    def __init__(self, tables: TreeTables) -> None:
        self.tables = tables
        self._program = program_of(tables)

    @classmethod
    def fit(cls, transitions: FrameTransitions, seed: int = 0) -> Self:
        """Fit trees to at least one transition; the same seed gives the same trees.

        Raises:
            InputError: there are no transitions, inputs are beyond ±2**24, more than 256 different
                rewards, or the extra `dream` is not installed.
        """
        fitter = TreeFitter(seed)
        fitter.extend(transitions)
        return cls(fitter.fit())

    @property
    def num_bytes(self) -> int:
        return self.tables.num_bytes

    @property
    def num_inputs(self) -> int:
        return self.tables.num_inputs

    @property
    def num_nodes(self) -> int:
        return len(self.tables.skips)

    def step(self, states: npt.NDArray[np.uint8], inputs: npt.NDArray[np.int32]) -> NextStates:
        """Predict one emulator frame for each of B states.

        Args:
            states: RAM, uint8 (B, bytes).
            inputs: inputs of the frame, int32 (B, inputs).

        Raises:
            InputError: a dtype or shape is wrong, or numba is not installed.
        """
        self._check("inputs", inputs, np.int32, self.num_inputs)
        return self.play(states, np.zeros(len(states), np.uint8), inputs[:, None])

    def play(
        self,
        states: npt.NDArray[np.uint8],
        lives: npt.NDArray[np.uint8],
        inputs: npt.NDArray[np.int32],
        most_frames: npt.NDArray[np.int64] | None = None,
        *,
        stops_with_life: bool = False,
    ) -> NextStates:
        """As `Dynamics.play`.

        Raises:
            InputError: a dtype or shape is wrong, or numba is not installed.
        """
        self._check("states", states, np.uint8, self.num_bytes)
        check_array("lives", lives, np.uint8, 1)
        if inputs.dtype != np.int32 or inputs.shape[2:] != (self.num_inputs,):
            raise InputError(
                f"inputs must be int32 (B, frames, {self.num_inputs}), "
                f"not {inputs.dtype} {inputs.shape}"
            )
        if not len(states) == len(inputs) == len(lives):
            raise InputError(
                f"there must be inputs and lives of {len(states)} states, "
                f"not of {len(inputs)} and {len(lives)}"
            )
        if most_frames is None:
            most_frames = np.full(len(states), inputs.shape[1], np.int64)
        played = begin_play(states, lives)
        inputs = np.ascontiguousarray(inputs)
        compiled_walk()(self._program, inputs, most_frames, stops_with_life, played)
        return played

    @staticmethod
    def _check(name: str, array: npt.NDArray[np.generic], dtype: type, length: int) -> None:
        check_array(name, array, dtype, 2)
        if array.shape[1] != length:
            raise InputError(f"{name} must have {length} columns, not {array.shape[1]}")

    def save(self, folder: str | Path) -> None:
        """Write the trees into a folder, which is made if it is missing.

        Raises:
            OSError: the disk is full or not writable.
        """
        self.tables.save(Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote. Every table is checked before it is used.

        Raises:
            InputError: a file is missing, damaged or of another format.
        """
        return cls(TreeTables.load(Path(folder)))
