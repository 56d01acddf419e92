"""NetworkDynamics: predicts the next vector of an environment with two small networks.

```
FOLDER/
  network.safetensors  the tables
```
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from atarigan.config.extras import compiled
from atarigan.errors import InputError
from atarigan.files import atomic
from atarigan.files.untrusted_paths import confined
from atarigan.models.dynamics.dynamics import TransitionModel
from atarigan.models.dynamics.tables_file import read_tables

NETWORK_FILE = "network.safetensors"
NUM_OUTCOMES = 3  # logit of the end, reward where the episode goes on, reward where it ends
_MOST_HIDDEN = 4096
Table = npt.NDArray[Any]


class NextVectors(NamedTuple):
    """What a step of B environments leads to.

    Attributes:
        states: float32 (B, size).
        rewards: float32 (B,).
        ends: whether the episode terminates, bool (B,).
    """

    states: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]
    ends: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class NetworkTables:
    """Two networks of two hidden layers with the activation x / (1 + exp(-x)) (SiLU).

    With z = (state - means) / scales and the inputs u of an action,

    change = scales (linear (z, u, 1) + residuals change_network(z, u))
    next state = state + change, clipped to low and high
    (logit, rewards) = outcome_network(z, u, z of the next state)

    The linear part is fitted by least squares, because much of physics is linear: a position
    changes by its velocity.

    Attributes:
        means, scales: of the state's numbers, float64 (size,); scales are above 0.
        low, high: bounds of the next state, float32 (size,).
        linear: float64 (size + inputs + 1, size).
        residuals: scales of the change network's outputs, float64 (size,); 0 where the linear part
            is exact.
        rewards: mean and scale of the reward where the episode goes on, and where it ends, float64
            (2, 2).
        change_0, change_1, change_2, outcome_0, outcome_1, outcome_2: weights of each layer, the
            bias as the last row, float32 (from + 1, to).

    Raises:
        InputError: a table has another dtype or shape, or numbers that are not finite.
    """

    means: Table
    scales: Table
    low: Table
    high: Table
    linear: Table
    residuals: Table
    rewards: Table
    change_0: Table
    change_1: Table
    change_2: Table
    outcome_0: Table
    outcome_1: Table
    outcome_2: Table

    @property
    def size(self) -> int:
        return len(self.means)

    @property
    def num_inputs(self) -> int:
        return len(self.linear) - self.size - 1

    def __post_init__(self) -> None:
        if self.means.ndim != 1 or self.linear.ndim != 2 or self.change_0.ndim != 2:
            raise InputError("means must be a row, linear and change_0 matrices")
        size, hidden = self.size, self.change_0.shape[1]
        if size < 1 or self.num_inputs < 1 or not 1 <= hidden <= _MOST_HIDDEN:
            raise InputError(
                f"a network must have numbers of a state, inputs and up to {_MOST_HIDDEN} hidden "
                f"units, not {size}, {self.num_inputs} and {hidden}"
            )
        vector, wide = (size,), size + self.num_inputs + 1
        shapes: dict[str, tuple[type, tuple[int, ...]]] = {
            **dict.fromkeys(("means", "scales", "residuals"), (np.float64, vector)),
            **dict.fromkeys(("low", "high"), (np.float32, vector)),
            "linear": (np.float64, (wide, size)),
            "rewards": (np.float64, (2, 2)),
            "change_0": (np.float32, (wide, hidden)),
            "change_2": (np.float32, (hidden + 1, size)),
            "outcome_0": (np.float32, (wide + size, hidden)),
            "outcome_2": (np.float32, (hidden + 1, NUM_OUTCOMES)),
            **dict.fromkeys(("change_1", "outcome_1"), (np.float32, (hidden + 1, hidden))),
        }
        for name, (dtype, shape) in shapes.items():
            table = getattr(self, name)
            if table.dtype != dtype or table.shape != shape:
                raise InputError(
                    f"{name} must be {np.dtype(dtype)} {shape}, not {table.dtype} {table.shape}"
                )
            if not np.isfinite(table).all():
                raise InputError(f"{name} must hold finite numbers")
        if not (self.scales > 0).all() or not (self.low <= self.high).all():
            raise InputError("scales must be above 0, and low at most high")


class NetworkDynamics(TransitionModel):
    """A deterministic model of one step of an environment: the next vector, the reward, and whether
    the episode ends. Steps need numba, of the extra `dream`; they are computed row by row in
    compiled code, so that a row does not depend on its batch.

    Attributes:
        tables: the networks.
    """

    def __init__(self, tables: NetworkTables) -> None:
        self.tables = tables
        names = ("change", "outcome")
        self._change, self._outcome = (
            tuple(np.ascontiguousarray(getattr(tables, f"{name}_{layer}")) for layer in range(3))
            for name in names
        )

    @property
    def state_size(self) -> int:
        return self.tables.size

    @property
    def num_inputs(self) -> int:
        return self.tables.num_inputs

    def step(self, states: npt.NDArray[np.float32], inputs: npt.NDArray[np.float32]) -> NextVectors:
        """Predict one step for each of B states.

        Args:
            states: float32 (B, size).
            inputs: of the actions, float32 (B, inputs).

        Raises:
            InputError: a dtype or shape is wrong, or numba is not installed.
        """
        self._check("states", states, self.state_size)
        self._check("inputs", inputs, self.num_inputs)
        if len(states) != len(inputs):
            raise InputError(f"there must be {len(states)} inputs, not {len(inputs)}")
        found = NextVectors(
            np.empty_like(states, order="C"),
            np.empty(len(states), np.float32),
            np.empty(len(states), np.bool_),
        )
        tables = self.tables
        _compiled_step()(
            np.ascontiguousarray(states),
            np.ascontiguousarray(inputs),
            tables.means,
            tables.scales,
            tables.low,
            tables.high,
            tables.linear,
            tables.residuals,
            tables.rewards,
            self._change,
            self._outcome,
            *found,
        )
        return found

    @staticmethod
    def _check(name: str, array: Table, length: int) -> None:
        if array.dtype != np.float32 or array.shape[1:] != (length,):
            raise InputError(
                f"{name} must be float32 (B, {length}), not {array.dtype} {array.shape}"
            )

    def save(self, folder: Path) -> None:
        """Write the networks into a folder, which is made if it is missing.

        Raises:
            OSError: the disk is full or not writable.
        """
        tables = {each.name: getattr(self.tables, each.name) for each in fields(NetworkTables)}
        with atomic.new_file(folder / NETWORK_FILE) as temporary:
            temporary.write_bytes(save({k: np.ascontiguousarray(v) for k, v in tables.items()}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Every table is checked before it is used.

        Raises:
            InputError: a file is missing, damaged or of another format.
        """
        path = folder / NETWORK_FILE
        try:
            tables = read_tables(
                confined(path, folder), [each.name for each in fields(NetworkTables)]
            )
            return cls(NetworkTables(**tables))
        except FileNotFoundError:
            raise InputError(f"{path} is missing") from None
        except InputError as error:
            where = "" if str(path) in str(error) else f"{path}: "
            raise InputError(f"{where}{error}") from None


def _step(
    states: Any,
    inputs: Any,
    means: Any,
    scales: Any,
    low: Any,
    high: Any,
    linear: Any,
    residuals: Any,
    rewards: Any,
    change: Any,
    outcome: Any,
    next_states: Any,
    found_rewards: Any,
    ends: Any,
) -> None:
    """Predict a step for each row, as `NetworkTables` says. An outer loop goes over the inputs of a
    layer, so that the inner one, over its outputs, is vectorized in the same order for each row.
    """
    size, num_inputs = states.shape[1], inputs.shape[1]
    num_features = size + num_inputs
    hidden = change[0].shape[1]
    features = np.empty(num_features + size, np.float32)
    first, second = np.empty(hidden, np.float32), np.empty(hidden, np.float32)
    outputs = np.empty(max(size, 3), np.float32)
    total = np.empty(size, np.float64)
    for row in range(len(states)):
        for number in range(size):
            features[number] = (states[row, number] - means[number]) / scales[number]
        features[size:num_features] = inputs[row]
        total[:] = linear[num_features]
        for number in range(size):
            z = (states[row, number] - means[number]) / scales[number]
            for column in range(size):
                total[column] += z * linear[number, column]
        for number in range(num_inputs):
            for column in range(size):
                total[column] += inputs[row, number] * linear[size + number, column]
        for network in range(2):
            layers = change if network == 0 else outcome
            count = num_features if network == 0 else num_features + size
            for layer in range(3):
                weights = layers[layer]
                target = first if layer == 0 else (second if layer == 1 else outputs)
                source = features if layer == 0 else (first if layer == 1 else second)
                length, width = weights.shape[0] - 1, weights.shape[1]
                if layer == 0:
                    length = count
                target[:width] = weights[length]
                for number in range(length):
                    value = source[number]
                    if value != 0:
                        for column in range(width):
                            target[column] += value * weights[number, column]
                if layer < 2:
                    for column in range(width):
                        target[column] /= np.float32(1) + np.exp(-target[column])
            if network == 0:
                for column in range(size):
                    moved = total[column] + residuals[column] * outputs[column]
                    value = states[row, column] + scales[column] * moved
                    value = min(max(value, np.float64(low[column])), np.float64(high[column]))
                    next_states[row, column] = value
                    features[num_features + column] = (
                        next_states[row, column] - means[column]
                    ) / scales[column]
        ends[row] = outputs[0] > 0
        kind = 1 if ends[row] else 0
        found_rewards[row] = rewards[kind, 0] + rewards[kind, 1] * outputs[1 + kind]


@cache
def _compiled_step() -> Callable[..., None]:
    return compiled(_step)
