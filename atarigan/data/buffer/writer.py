"""Write the steps of an environment into a ring, in order."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.meta import EMULATOR_COLUMNS, STATE_COLUMNS
from atarigan.data.states import State
from atarigan.errors import InputError
from atarigan.files.untrusted_paths import confined
from atarigan.images.pixels import Frames

_SEEDS_FILE = "seeds.jsonl"
StagedRow = tuple[Frames | None, State | None]
_LARGEST_REWARD = float(np.finfo(np.float32).max)


class Seeds(NamedTuple):
    """Seeds that the steps after a reset come from: of the environment, 0 to 2^64 - 1, and of the
    policy, None if it is unknown.
    """

    env_seed: int
    policy_seed: int | None = None


class WritableRing(Protocol):
    """Where a writer stores rows; see `atarigan.data.buffer.ring.Ring`."""

    folder: Path
    num_slots: int
    columns: dict[str, npt.NDArray[Any]]

    @property
    def num_committed(self) -> int: ...
    @property
    def room(self) -> int: ...
    @property
    def is_writable(self) -> bool: ...
    def stage(self) -> int: ...
    def frame_at(self, slot: int) -> Frames: ...
    def commit(self) -> None: ...
    def append_line(self, file_name: str, line: str) -> None: ...
    def close(self) -> None: ...


class BufferWriter:
    """Writes the steps of one environment, in order, into one ring of a buffer.

    A step consists of a frame, the action taken on it, and the reward, termination and truncation
    that followed. The frame is known first, so it is staged; `commit` adds the rest:

        writer.stage()[:] = frame
        writer.commit(action, reward, terminated, truncated)

    If a buffer stores no frames, `stage_state` takes the place of `stage`. `add` stages and
    commits. Consecutive rows are consecutive steps of an episode, unless termination or truncation
    is set.
    """

    def __init__(self, ring: WritableRing) -> None:
        self._ring = ring
        self._columns = ring.columns
        self._states = state_values(ring.columns)
        self._slot: int | None = None
        self.end_episode()

    @property
    def folder_name(self) -> str:
        return self._ring.folder.name

    @property
    def num_committed(self) -> int:
        """Number of steps ever committed to this ring, including overwritten ones."""
        return self._ring.num_committed

    @property
    def room(self) -> int:
        """Number of steps that can be added before the oldest is overwritten."""
        return self._ring.room

    def record_seeds(self, env_seed: int, policy_seed: int | None) -> None:
        """Append to the ring's seeds.jsonl which seeds the steps from the next one on come from.

        Raises:
            OSError: the disk is full or not writable.
        """
        seeds = {"env_seed": env_seed, "policy_seed": policy_seed}
        line = json.dumps({"first_step": self.num_committed, **seeds})
        self._ring.append_line(_SEEDS_FILE, line)

    def stage(self, state: State | None = None) -> Frames:
        """Begin a step; return an array uint8 (H, W, C) for the caller to fill with the frame.

        An uncommitted step is dropped.

        Raises:
            InputError: the buffer stores no frames, or a state is given and not stored, or stored
                and not given, or of another size.
            OSError: the disk is full.
            RuntimeError: the writer is closed.
        """
        if "frames" not in self._columns:
            raise InputError(f"the buffer of {self._ring.folder} stores no frames to fill in")
        return self._ring.frame_at(self.stage_state(state))

    def stage_state(self, state: State | None) -> int:
        """Begin a step without a frame; return its slot in the ring. See `stage`."""
        if (state is None) != (self._states is None):
            raise InputError(
                "a state must be given exactly when the buffer stores it: "
                f"given {state is not None}, stored {self._states is not None}"
            )
        slot = self._ring.stage()
        if self._states is not None and state is not None:
            if state.shape != self._states.shape[1:]:
                raise InputError(f"state must be {self._states.shape[1:]}, not {state.shape}")
            self._states[slot] = state
        self._slot = slot
        return slot

    @property
    def is_staged(self) -> bool:
        return self._slot is not None

    @property
    def staged(self) -> StagedRow | None:
        """A copy of the staged frame and state, for `restage`; None without a staged step."""
        if self._slot is None:
            return None
        frame = self._ring.frame_at(self._slot).copy() if "frames" in self._columns else None
        return frame, None if self._states is None else self._states[self._slot].copy()

    def restage(self, staged: StagedRow) -> None:
        """Begin the step that another writer's `staged` returned."""
        frame, state = staged
        if frame is None:
            self.stage_state(state)
        else:
            self.stage(state)[:] = frame

    def commit(
        self,
        action: Any,
        reward: float = 0.0,
        terminated: bool = False,
        truncated: bool = False,
        **emulator: int,
    ) -> None:
        """Complete the staged step.

        Args:
            action, reward, terminated, truncated: see `add`.
            emulator: values of the columns `EMULATOR_COLUMNS`, which are stored if the buffer has
                them; -1 stands for one that is not given.

        Raises:
            InputError: the reward is not a finite float32.
            OSError: the disk is full.
            RuntimeError: no step is staged.
        """
        if self._slot is None:
            raise RuntimeError("commit needs a staged frame: call stage first")
        if not abs(reward) <= _LARGEST_REWARD:
            raise InputError(f"a reward must be a finite number of float32, not {reward}")
        columns, slot = self._columns, self._slot
        columns["actions"][slot] = action
        columns["rewards"][slot] = reward
        columns["terminations"][slot] = terminated
        columns["truncations"][slot] = truncated
        for name in EMULATOR_COLUMNS.keys() & columns.keys():
            columns[name][slot] = emulator.get(name, -1)
        self._ring.commit()
        self._slot = None

    def add(
        self,
        frame: Frames | None,
        action: Any = 0,
        reward: float = 0.0,
        terminated: bool = False,
        truncated: bool = False,
        state: State | None = None,
        *,
        ram: State | None = None,
    ) -> None:
        """Store one step.

        Args:
            frame: uint8 (H, W, C), which is copied, or None if the buffer stores no frames.
            action: the action taken on the frame.
            reward: the reward for the action.
            terminated: whether the episode terminated after the action.
            truncated: whether it was truncated.
            state: (size,), or None if the buffer stores no states.
            ram: another name of `state`.

        Raises:
            InputError: a frame of another shape or dtype, a state of another shape, or a reward
                that is not finite.
            OSError: the disk is full.
            RuntimeError: the writer is closed.
        """
        state = ram if state is None else state
        if frame is None and "frames" not in self._columns:
            self.stage_state(state)
        else:
            self.stage(state)[:] = self._checked(frame)
        self.commit(action, reward, terminated, truncated)

    def _checked(self, frame: Frames | None) -> Frames:
        column = self._columns.get("frames")
        expected = None if column is None else f"uint8 {column.shape[1:]}"
        found = None if frame is None else f"{frame.dtype} {frame.shape}"
        if frame is None or found != expected:
            raise InputError(f"frame must be {expected}, not {found}")
        return frame

    def end_episode(self) -> None:
        """End the episode: the next step does not continue the last one.

        An uncommitted step is dropped. The last committed step is marked truncated unless it is
        terminated.
        """
        self._slot = None
        if self._ring.num_committed == 0:
            return
        last = (self._ring.num_committed - 1) % self._ring.num_slots
        if not self._columns["terminations"][last]:
            self._columns["truncations"][last] = True

    def close(self) -> None:
        """End the episode, flush, and release the ring. A closed writer may be closed again."""
        if self._ring.is_writable:
            self.end_episode()
            self._ring.close()


def state_values(columns: Mapping[str, State]) -> State | None:
    """Return the column of states, (slots, size); None without one."""
    return next((columns[name] for name in STATE_COLUMNS if name in columns), None)


def recorded_seeds(folder: Path) -> dict[int, Seeds]:
    """Return the seeds in a ring's seeds.jsonl by the first step that each are of.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / _SEEDS_FILE
    if not path.is_file():
        return {}
    seeds: dict[int, Seeds] = {}
    for line in confined(path, folder.parent).read_text("utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            policy_seed = entry.get("policy_seed")
            seeds[int(entry["first_step"])] = Seeds(
                int(np.uint64(entry["env_seed"])),
                None if policy_seed is None else int(np.uint64(policy_seed)),
            )
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            RecursionError,
        ):
            raise InputError(f"{path} must hold a step and its seeds in each line") from None
    return seeds
