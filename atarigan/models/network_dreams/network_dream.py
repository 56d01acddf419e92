"""NetworkDream: a learned environment whose state is a vector, and the folder it is kept in.

```
FOLDER/
  dream.json           the environment, its state, its limit of steps
  network.safetensors  how states follow one another
  vectors.safetensors  states that episodes begin with, and the bounds of states and actions
  generator/           the generator of its pictures; may be missing
```
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from atarigan.data.provenance import Provenance
from atarigan.data.states import StateSpec
from atarigan.errors import InputError
from atarigan.files import atomic, typed_json
from atarigan.models import model_source
from atarigan.models.dynamics.dream import (
    GENERATOR_FOLDER,
    SETTINGS_FILE,
    found_file,
    generator_folder,
    refuse_module,
)
from atarigan.models.dynamics.tables_file import read_tables
from atarigan.models.network_dreams.action_inputs import ActionInputs
from atarigan.models.network_dreams.network_dynamics import NetworkDynamics

VECTORS_FILE = "vectors.safetensors"
_TABLES = (
    "starts",
    "space_low",
    "space_high",
    "seen_low",
    "seen_high",
    "action_low",
    "action_high",
)
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class NetworkDreamSettings:
    """What a dream takes over from the environment that it learned.

    Attributes:
        env_id: Gymnasium id of the environment.
        env_kwargs: further arguments of `gymnasium.make`.
        state: what its states are.
        num_discrete: number of discrete actions; 0 for continuous ones.
        first_action: the lowest discrete action.
        max_steps: agent steps after which an episode is truncated; 0 for no limit.
        frame_skip: steps of the environment in each agent step.
        family: of the model of its dynamics.

    Raises:
        InputError: a value is out of range.
    """

    env_id: str
    env_kwargs: dict[str, Any]
    state: StateSpec
    num_discrete: int
    first_action: int = 0
    max_steps: int = 0
    frame_skip: int = 1
    family: Literal["network"] = "network"  # as in `model_source`
    format_version: int = field(default=1)

    def __post_init__(self) -> None:
        refuse_module(self.env_id)
        if self.state.dtype != "float32":
            raise InputError(f"state must be a vector of numbers, not {self.state}")
        if self.max_steps < 0:
            raise InputError(f"max_steps must be at least 0, not {self.max_steps}")

    @property
    def provenance(self) -> Provenance:
        return Provenance(self.env_id, self.env_kwargs, self.frame_skip)


@dataclass(frozen=True, eq=False)
class StateRanges:
    """Where states lie.

    Attributes:
        starts: states that episodes begin with, float32 (N, size).
        space_low, space_high: bounds of the environment's states, float32 (size,).
        seen_low, seen_high: smallest and largest values of real play, float32 (size,).

    Raises:
        InputError: there is no start, or a dtype, a shape or an order is wrong.
    """

    starts: Vectors
    space_low: Vectors
    space_high: Vectors
    seen_low: Vectors
    seen_high: Vectors

    def __post_init__(self) -> None:
        size = self.starts.shape[-1]
        for name in ("starts", "space_low", "space_high", "seen_low", "seen_high"):
            table = getattr(self, name)
            is_right = table.shape == (size,) if name != "starts" else table.ndim == 2
            if table.dtype != np.float32 or not is_right or not table.size:
                raise InputError(
                    f"{name} must be float32 with {size} columns, not {table.dtype} {table.shape}"
                )
        if not np.isfinite(self.starts).all():
            raise InputError("starts must hold finite numbers")
        is_ordered = (self.space_low <= self.space_high) & (self.seen_low <= self.seen_high)
        if not is_ordered.all():
            raise InputError("low bounds must be at most the high ones")

    def is_unseen(self, states: Vectors) -> npt.NDArray[np.bool_]:
        """Return which states (B, size) have a number outside of the range of real play."""
        beyond = (states < self.seen_low) | (states > self.seen_high)
        return np.asarray(beyond.any(1))


@dataclass(frozen=True, eq=False)
class NetworkDream:
    """A learned environment.

    Attributes:
        settings: what it takes over from the real one.
        dynamics: predicts a step.
        ranges: where states lie.
        actions: the actions, and how networks read them.
        folder: where it was loaded from; None if nowhere.

    Raises:
        InputError: the parts are of different sizes.

    Example:
        >>> from atarigan import NetworkDream
        >>> dream = NetworkDream.load("runs/cartpole-dream")  # doctest: +SKIP
        >>> dream.settings.env_id  # doctest: +SKIP
        'CartPole-v1'
    """

    settings: NetworkDreamSettings
    dynamics: NetworkDynamics
    ranges: StateRanges
    actions: ActionInputs
    folder: Path | None = None

    def __post_init__(self) -> None:
        sizes = {
            "the networks": self.dynamics.state_size,
            "starts": self.ranges.starts.shape[1],
        }
        for name, size in sizes.items():
            if size != self.settings.state.size:
                raise InputError(
                    f"{name} must be of {self.settings.state.size} numbers, not {size}"
                )
        if self.actions.num_inputs != self.dynamics.num_inputs:
            raise InputError(
                f"the networks must have {self.actions.num_inputs} inputs, "
                f"not {self.dynamics.num_inputs}"
            )

    @property
    def generator_source(self) -> Path | None:
        """What `FrameGenerator.load` takes to draw its states; None if nothing draws them.

        Raises:
            InputError: the generator's folder is a link that leads out of the dream's.
        """
        return None if self.folder is None else generator_folder(self.folder)

    def save(self, folder: str | Path) -> None:
        """Write all but the generator into a folder, which is made if it is missing.

        Raises:
            OSError: the disk is full or not writable.
        """
        folder = Path(folder)
        self.dynamics.save(folder)
        tables = {name: getattr(self.ranges, name) for name in _TABLES[:5]}
        tables |= {"action_low": self.actions.low, "action_high": self.actions.high}
        with atomic.new_file(folder / VECTORS_FILE) as temporary:
            temporary.write_bytes(save({k: np.ascontiguousarray(v) for k, v in tables.items()}))
        with atomic.new_file(folder / SETTINGS_FILE) as temporary:
            typed_json.write_json(temporary, self.settings)

    def pack(self, folder: Path) -> int:
        """Write the dream, and its generator packed, into a new folder; return its size in bytes.

        Raises:
            InputError: the generator is damaged.
            OSError: the disk is full or not writable.
        """
        with atomic.new_folder(folder) as temporary:
            self.save(temporary)
            generator = self.generator_source
            if generator is not None:
                from atarigan.models.checkpoint import write_packed_run

                write_packed_run(generator, temporary / GENERATOR_FOLDER)
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    @classmethod
    def load(cls, source: str | Path) -> Self:
        """Read a dream from a folder, or one on the Hugging Face Hub, "hf://USER/NAME" or
        "hf://USER/NAME@REVISION".

        Raises:
            InputError: it cannot be found or downloaded, or a file is missing, damaged or of
                another format.
        """
        folder = model_source.resolved_dream(source)
        settings = typed_json.read_json(found_file(folder, SETTINGS_FILE), NetworkDreamSettings)
        path = found_file(folder, VECTORS_FILE)
        tables = read_tables(path, _TABLES)
        low, high = tables.pop("action_low"), tables.pop("action_high")
        try:
            actions = ActionInputs(settings.num_discrete, settings.first_action, low, high)
            ranges = StateRanges(**tables)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        return cls(settings, NetworkDynamics.load(folder), ranges, actions, folder)
