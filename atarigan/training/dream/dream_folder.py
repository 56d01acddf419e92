"""The files of a dream's training.

```
runs/pong-dream/
  training.json          the settings
  roles.json             what the emulator said of bytes
  dream.json, dynamics.json, trees.safetensors, starts.safetensors,
  seen_states.safetensors, generator/
                         the dream (see atarigan.models.dynamics.dream)
  frames/part-0000.npz   the emulator's frames that the trees were fitted to
  mined.safetensors      which of them each tree was fitted to, to go on from
  rounds.jsonl           how exact the model was on the frames of each round, before it saw them
  rounds.png             the same as a picture
```
"""

import json
import operator
import zipfile
import zlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atarigan.config.dream_config import DreamConfig
from atarigan.errors import InputError, one_line
from atarigan.files import atomic, typed_json
from atarigan.models.dynamics.mined_rows import MinedRows
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.training.dream.byte_roles import ByteRoles

_FIRST_REAL = "first_real"
_DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class PartOfFrames:
    """Frames that were added together.

    Attributes:
        frames: N frames; those that no play reached, such as what follows a wrong prediction, come
            first.
        first_real: number of the first frame of real play, 0 to N; 0 also in parts of earlier
            versions, which do not tell.

    Raises:
        InputError: the number is out of range.
    """

    frames: FrameTransitions
    first_real: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.first_real <= len(self.frames):
            raise InputError(
                f"first_real must be 0 to {len(self.frames)} frames, not {self.first_real}"
            )

    @property
    def is_real(self) -> npt.NDArray[np.bool_]:
        """Which frames are of real play, bool (N,)."""
        return np.arange(len(self.frames)) >= self.first_real


@dataclass(frozen=True)
class Round:
    """What is known of the model before a round's frames are added.

    Attributes:
        num_frames: frames that the trees were fitted to.
        exact: share of unseen frames whose bytes, reward, end and lives are all right.
        exact_read: the same without bytes that nothing reads.
        num_nodes: of all trees.
        elapsed_s: seconds of training.
    """

    num_frames: int
    exact: float
    exact_read: float
    num_nodes: int
    elapsed_s: float


@dataclass(frozen=True)
class DreamFolder:
    """The paths inside the folder, and what is kept of a training to go on from."""

    path: Path

    @property
    def training(self) -> Path:
        return self.path / "training.json"

    @property
    def roles(self) -> Path:
        return self.path / "roles.json"

    @property
    def rounds(self) -> Path:
        return self.path / "rounds.jsonl"

    @property
    def mined(self) -> Path:
        return self.path / "mined.safetensors"

    @property
    def picture(self) -> Path:
        return self.path / "rounds.png"

    def read_config(self) -> DreamConfig:
        """Raises InputError if it is missing or damaged."""
        return typed_json.read_json(self.training, DreamConfig)

    def write_config(self, config: DreamConfig) -> None:
        with atomic.new_file(self.training) as temporary:
            typed_json.write_json(temporary, config)

    def read_roles(self) -> ByteRoles | None:
        """Return None before the emulator was asked; raises InputError if the file is damaged."""
        return typed_json.read_json(self.roles, ByteRoles) if self.roles.exists() else None

    def write_roles(self, roles: ByteRoles) -> None:
        with atomic.new_file(self.roles) as temporary:
            typed_json.write_json(temporary, roles)

    def read_rounds(self) -> list[Round]:
        """Raises InputError if a line is damaged."""
        if not self.rounds.exists():
            return []
        try:
            lines = self.rounds.read_text(encoding="utf-8").splitlines()
            read = [json.loads(line) for line in lines]
        except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
            raise InputError(f"{self.rounds} must hold a line of JSON for each round") from None
        return [typed_json.from_dict(Round, each, str(self.rounds)) for each in read]

    def write_rounds(self, rounds: list[Round]) -> None:
        with atomic.new_file(self.rounds) as temporary:
            text = "".join(json.dumps(asdict(each)) + "\n" for each in rounds)
            temporary.write_text(text, encoding="utf-8")

    def read_mined(self) -> MinedRows | None:
        """Return None before a tree was fitted; raises InputError if the file is damaged."""
        return MinedRows.load(self.mined) if self.mined.exists() else None

    @property
    def parts(self) -> list[Path]:
        """Files of frames, in order."""
        return sorted((self.path / "frames").glob(f"part-{'[0-9]' * 4}.npz"))

    def read_part(self, path: Path) -> PartOfFrames:
        """Raises InputError if the file is damaged."""
        names = [field.name for field in fields(FrameTransitions)]
        if not path.is_file():
            raise InputError(f"{path} must be a file")
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                frames = FrameTransitions(*(arrays[name] for name in names))
                return PartOfFrames(frames, operator.index(arrays.get(_FIRST_REAL, 0)))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except _DAMAGED as error:
            raise InputError(
                f"{path} is not a readable file of frames: {one_line(error)}"
            ) from None

    def add_part(self, part: PartOfFrames) -> None:
        newest = self.parts[-1].stem.partition("-")[2] if self.parts else "-1"
        path = self.path / "frames" / f"part-{int(newest) + 1:04d}.npz"
        names = [field.name for field in fields(FrameTransitions)]
        arrays = {name: getattr(part.frames, name) for name in names}
        arrays[_FIRST_REAL] = np.int64(part.first_real)
        with atomic.new_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
