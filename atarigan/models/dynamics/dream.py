"""Dream: a learned game, and the folder it is kept in.

```
FOLDER/
  dream.json           the game's actions, frame skip and stickiness; which bytes nothing reads;
                       where its generator is
  dynamics.json, trees.safetensors     how states follow one another
  starts.safetensors   states that episodes begin with
  seen_states.safetensors  which values real play has; may be missing
  generator/           the generator of its frames, unless a shipped one draws them
```
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from atarigan.data.collection.agent_steps import MAX_FRAME_SKIP
from atarigan.data.provenance import Provenance
from atarigan.errors import InputError, shown
from atarigan.files import atomic, typed_json
from atarigan.files.checksum import sha256_of
from atarigan.files.untrusted_paths import confined
from atarigan.models import hub_card, model_source, shipped
from atarigan.models.dynamics.controls import Controls
from atarigan.models.dynamics.dynamics import Dynamics
from atarigan.models.dynamics.seen_states import SEEN_STATES_FILE, SeenStates
from atarigan.models.dynamics.tables_file import read_tables
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_tables import TREES_FILE
from atarigan.models.hub import HubModel

SETTINGS_FILE = shipped.DREAM_SETTINGS
STARTS_FILE = "starts.safetensors"
GENERATOR_FOLDER = "generator"
_MAX_ACTIONS = 18


@dataclass(frozen=True)
class DreamSettings:
    """What a dream takes over from the game that it learned.

    Attributes:
        env_id: Gymnasium id of the game.
        env_kwargs: further arguments of `gymnasium.make`.
        action_meanings: name of each action.
        has_paddle: whether the game reads a paddle.
        frame_skip: emulator frames of an agent step.
        sticky: probability that a frame repeats the action before it.
        generator: name of a shipped generator; "" for the one in the folder, if there is one.
        unread: addresses of bytes that nothing reads, ascending, so that they need not be right.

    Raises:
        InputError: a value is out of range.
    """

    env_id: str
    env_kwargs: dict[str, Any]
    action_meanings: tuple[str, ...]
    has_paddle: bool
    frame_skip: int = 4
    sticky: float = 0.25
    generator: str = ""
    unread: tuple[int, ...] = ()
    format_version: int = field(default=1)

    def __post_init__(self) -> None:
        refuse_module(self.env_id)
        if not 1 <= len(self.action_meanings) <= _MAX_ACTIONS:
            raise InputError(
                f"action_meanings must be 1 to {_MAX_ACTIONS} names, "
                f"not {len(self.action_meanings)}"
            )
        if not 1 <= self.frame_skip <= MAX_FRAME_SKIP:
            raise InputError(f"frame_skip must be 1 to {MAX_FRAME_SKIP}, not {self.frame_skip}")
        if not 0 <= self.sticky <= 1:
            raise InputError(f"sticky must be from 0 to 1, not {self.sticky}")
        if self.generator and self.generator not in shipped.names():
            raise InputError(
                f"generator must be a shipped one ({', '.join(shipped.names())}), "
                f"not {shown(self.generator)}"
            )
        if min(self.unread, default=0) < 0 or [*self.unread] != sorted(set(self.unread)):
            raise InputError(f"unread must be ascending addresses, not {shown(self.unread)}")

    @property
    def provenance(self) -> Provenance:
        return Provenance(self.env_id, self.env_kwargs, self.frame_skip)


@dataclass(frozen=True, eq=False)
class Starts:
    """States that episodes begin with.

    Attributes:
        states: RAM, uint8 (N, bytes).
        lives: uint8 (N,).

    Raises:
        InputError: there is none, or a dtype or shape is wrong.
    """

    states: npt.NDArray[np.uint8]
    lives: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        is_right = self.states.ndim == 2 and self.lives.shape == self.states.shape[:1]
        dtypes = {self.states.dtype, self.lives.dtype}
        if not is_right or dtypes != {np.dtype(np.uint8)} or not len(self.states):
            raise InputError(
                "starts must be at least one state (N, bytes) and its lives (N,), uint8, "
                f"not {self.states.dtype} {self.states.shape} "
                f"and {self.lives.dtype} {self.lives.shape}"
            )


@dataclass(frozen=True, eq=False)
class Dream(HubModel):
    """A learned game.

    Attributes:
        settings: what it takes over from the real game.
        dynamics: predicts a frame.
        starts: states that episodes begin with.
        folder: where it was loaded from; None if nowhere.
        seen_states: tells states that no real play reaches; None if they are not known.

    Raises:
        InputError: the parts are of different sizes.

    Example:
        >>> from atarigan import Dream
        >>> dream = Dream.load("pong")
        >>> dream.settings.env_id, dream.settings.frame_skip
        ('ALE/Pong-v5', 4)
    """

    settings: DreamSettings
    dynamics: Dynamics
    starts: Starts
    folder: Path | None = None
    seen_states: SeenStates | None = None

    def __post_init__(self) -> None:
        num_bytes = self.starts.states.shape[1]
        if num_bytes != self.dynamics.num_bytes:
            raise InputError(
                f"starts must be states of {self.dynamics.num_bytes} bytes, not {num_bytes}"
            )
        if self.controls.num_inputs != self.dynamics.num_inputs:
            raise InputError(
                f"the dynamics must have {self.controls.num_inputs} inputs, "
                f"not {self.dynamics.num_inputs}"
            )
        if self.seen_states is not None and self.seen_states.num_bytes != num_bytes:
            raise InputError(
                f"seen states must be of {num_bytes} bytes, not {self.seen_states.num_bytes}"
            )
        if max(self.settings.unread, default=-1) >= num_bytes:
            raise InputError(
                f"unread must be addresses below {num_bytes}, not {self.settings.unread[-1]}"
            )

    @property
    def weights_sha256(self) -> str | None:
        """Checksum of the file that its trees were loaded from; None if there is none."""
        return None if self.folder is None else sha256_of(self.folder / TREES_FILE)

    @property
    def controls(self) -> Controls:
        return Controls(self.settings.action_meanings, self.settings.has_paddle)

    def is_unseen(self, rams: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Return which RAM, uint8 (B, bytes), no real play reaches, bool (B,); none if that is not
        known.

        Raises:
            InputError: numba is not installed.
        """
        if self.seen_states is None:
            return np.zeros(len(rams), np.bool_)
        return self.seen_states.is_unseen(rams)

    @property
    def generator_source(self) -> Path | None:
        """What `FrameGenerator.load` takes to draw its frames; None if nothing draws them.

        Raises:
            InputError: the generator's folder is a link that leads out of the dream's.
        """
        if self.settings.generator:
            return (
                shipped.FOLDER / self.settings.generator
            )  # not a folder of that name that is here
        return None if self.folder is None else generator_folder(self.folder)

    def save(self, folder: str | Path) -> None:
        """Write all but the generator into a folder, which is made if it is missing.

        Raises:
            InputError: dynamics of this kind cannot be saved.
            OSError: the disk is full or not writable.
        """
        folder = Path(folder)
        if not isinstance(self.dynamics, TreeDynamics):
            raise InputError(f"dynamics must be trees, not {type(self.dynamics).__name__}")
        self.dynamics.save(folder)
        tables = {"states": self.starts.states, "lives": self.starts.lives}
        with atomic.new_file(folder / STARTS_FILE) as temporary:
            temporary.write_bytes(save({k: np.ascontiguousarray(v) for k, v in tables.items()}))
        if self.seen_states is None:
            (folder / SEEN_STATES_FILE).unlink(missing_ok=True)
        else:
            self.seen_states.save(folder / SEEN_STATES_FILE)
        with atomic.new_file(folder / SETTINGS_FILE) as temporary:
            typed_json.write_json(temporary, self.settings)

    def pack(self, folder: Path) -> int:
        """Write the dream, and its generator packed, into a new folder; return its size in bytes.

        Raises:
            InputError: dynamics of this kind cannot be saved, or the generator is damaged.
            OSError: the disk is full or not writable.
        """
        with atomic.new_folder(folder) as temporary:
            self.save(temporary)
            generator = None if self.settings.generator else self.generator_source
            if generator is not None:
                from atarigan.models.checkpoint import write_packed_run

                write_packed_run(generator, temporary / GENERATOR_FOLDER)
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    @classmethod
    def load(cls, source: str | Path) -> Self:
        """Read a dream from a folder, one that comes with the package by its name, or one on the
        Hugging Face Hub, "hf://USER/NAME" or "hf://USER/NAME@REVISION".

        Raises:
            InputError: it cannot be found or downloaded, or a file is missing, damaged or of
                another format.
        """
        folder = model_source.resolved_dream(source)
        path = found_file(folder, SETTINGS_FILE)
        if model_source.family_of(folder) == model_source.NETWORK:
            raise InputError(f"{source} must be the dream of a game of ALE, not one of vectors")
        settings = typed_json.read_json(path, DreamSettings)
        starts = _read_starts(found_file(folder, STARTS_FILE))
        dynamics = TreeDynamics.load(folder)
        return cls(settings, dynamics, starts, folder, _read_seen_states(folder))

    def _write_for_hub(self, folder: Path, repository: str) -> None:
        self.pack(folder)
        measured = []
        if self.folder is not None:
            measured = hub_card.measurements(self.weights_sha256, [self.folder])
        settings, source = self.settings, self.generator_source
        drawn_by = f"drawn by the generator `{settings.generator}`, which comes with atarigan"
        if not settings.generator:
            drawn_by = "drawn by the generator in `generator/`" if source else "none: RAM alone"
        if source is not None:
            from atarigan.models.frame_generator import FrameGenerator

            FrameGenerator.load(source, "cpu").write_grid(folder / hub_card.PICTURE)
        facts = hub_card.dream_facts(
            settings.env_id, settings.frame_skip, settings.sticky, drawn_by
        )
        hub_card.write_card(folder, repository, facts, measured, self.folder)


def generator_folder(folder: Path) -> Path | None:
    """Return the folder of the generator in a dream's; None if there is none.

    Raises:
        InputError: it is a link that leads out of the dream's folder.
    """
    found = folder / GENERATOR_FOLDER
    if not found.is_dir():
        return None
    if not found.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{found} must lie in {folder}, not lead to {found.resolve()}")
    return found


def found_file(folder: Path, name: str) -> Path:
    """Return the path of a file of a dream. Raises InputError if it is missing."""
    try:
        return confined(folder / name, folder)
    except FileNotFoundError:
        raise InputError(f"{folder / name} is missing") from None


def _read_starts(path: Path) -> Starts:
    tables = read_tables(path, ["states", "lives"])
    try:
        return Starts(**tables)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read_seen_states(folder: Path) -> SeenStates | None:
    """Return None if there is no file, as in dreams of earlier versions."""
    try:
        return SeenStates.load(confined(folder / SEEN_STATES_FILE, folder))
    except FileNotFoundError:
        return None


def refuse_module(env_id: str) -> None:
    """Raise InputError if an id from a file names a module, which is imported and runs its code."""
    if ":" in env_id:
        raise InputError(
            f"env_id must be that of a game of ALE, without a module, not {shown(env_id)}"
        )
