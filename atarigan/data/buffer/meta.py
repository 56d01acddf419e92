"""The contents of a frame buffer's meta.json."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

from atarigan.config.condition import RAM, RAM_AND_ACTION
from atarigan.data.buffer.ring import Column
from atarigan.data.states import StateSpec
from atarigan.errors import InputError, shown
from atarigan.files import typed_json
from atarigan.images.pixels import FrameFormat

FORMAT_VERSION = 3
STATE_COLUMNS = ("state", "ram")  # its name, and the one in format versions 1 and 2
EMULATOR_COLUMNS: dict[str, Column] = dict.fromkeys(("lives", "paddle", "persisted"), ("int32", ()))
"""Further columns of collected games of ALE, -1 where unknown: lives and resistance of the paddle
before the action (`EmulatorState`), and for how many frames the action before it persisted.
"""
ActionDtype = Literal["int64", "float32"]


@dataclass(frozen=True)
class Origin:
    """Where the frames of a buffer come from. Every field may be unknown.

    Attributes:
        env_id: Gymnasium id.
        env_kwargs: further arguments of `gymnasium.make`.
        action_meanings: name of each discrete action, in order.
        policy: name of the policy, as --policy takes it.
        policy_preprocessing: name of the preprocessing of a model's training; None means the one
            that the model's file records, or the default.
        policy_layout: axes of a model's observations; None means those that the file records,
            or a guess.
        epsilon: probability of a random action instead of the policy's.
        vary_epsilon: whether each episode draws its own probability from 0 to `epsilon`, mostly
            near 0.
        seed: seed of the collection, from which the seeds of environments and policies derive.
        frame_skip: frames in each agent step; 0 means unknown.
        max_pool: whether a frame is the pixelwise maximum of the last `num_pooled` frames.
        num_pooled: number of these frames, if `max_pool` is set; at least 2.
        max_still_frames: frames without a reward, a lost life or a new screen after which an
            episode is truncated; 0 means no limit.
        layout: axes of image observations, as in `ImageLayout.axes`; None asks the wrappers of the
            environment.
        sticky: probability with which the collector repeated the action of the frame before it, in
            games of ALE; None: the environment repeated actions itself or not at all.
        wrappers: classes of the wrappers that captured frames came through, the outermost first;
            none for a collection.

    Raises:
        InputError: a number out of range.
    """

    env_id: str | None = None
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    action_meanings: tuple[str, ...] = ()
    policy: str | None = None
    epsilon: float = 0.0
    vary_epsilon: bool = False
    seed: int | None = None
    frame_skip: int = 0
    max_pool: bool = False
    num_pooled: int = 2
    max_still_frames: int = 8_000
    policy_preprocessing: str | None = None
    policy_layout: str | None = None
    layout: str | None = None
    sticky: float | None = None
    wrappers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise InputError(f"epsilon must be from 0 to 1, not {self.epsilon}")
        if self.seed is not None and self.seed < 0:
            raise InputError(f"seed must not be negative, not {self.seed}")
        if self.frame_skip < 0:
            raise InputError(f"frame_skip must not be negative, not {self.frame_skip}")
        if self.num_pooled < 2:
            raise InputError(f"num_pooled must be at least 2, not {self.num_pooled}")
        if self.max_still_frames < 0:
            raise InputError(f"max_still_frames must be at least 0, not {self.max_still_frames}")


@dataclass(frozen=True)
class BufferMeta:
    """What is needed to map a buffer's files.

    Attributes:
        frame_format: format of the stored frames or, without them, of frames generated from states.
        capacity: steps that each writer keeps, at least 1.
        action_dtype: dtype of the actions column.
        action_shape: shape of an action; () for discrete actions.
        state: what is stored as the state of each step; None stores none.
        stores_frames: false stores states without frames.
        encoder: checksum of the weights whose encoder wrote the states; None for other states.
        origin: where the frames come from.
        versions: versions of the packages that created it, by name.
        format_version: version of the file format; those of `READABLE_FORMATS` can be read.
            Version 2 has further columns in collected games of ALE: lives, paddle and persisted.
            Version 3 has states of any kind in the column state; before, the column ram held the
            only kind, and `ram_size` took the place of `state`.

    Raises:
        InputError: a size is out of range, or the dtype of actions is unknown.
    """

    frame_format: FrameFormat
    capacity: int
    action_dtype: ActionDtype = "int64"
    action_shape: tuple[int, ...] = ()
    state: StateSpec | None = None
    stores_frames: bool = True
    encoder: str | None = None
    origin: Origin = Origin()
    versions: dict[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    READABLE_FORMATS = (1, 2, FORMAT_VERSION)

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise InputError(f"buffer capacity must be at least 1 step, not {self.capacity}")
        if self.action_dtype not in get_args(ActionDtype):
            known = ", ".join(get_args(ActionDtype))
            raise InputError(f"action_dtype must be one of {known}, not {shown(self.action_dtype)}")
        if any(size < 1 for size in self.action_shape):
            raise InputError(f"action_shape must hold sizes of at least 1, not {self.action_shape}")
        if not self.stores_frames and self.state is None:
            raise InputError("a buffer without frames must store states")
        if self.state is not None and self.state.kind == RAM_AND_ACTION:
            raise InputError(
                f"a buffer must store ram and actions, from which {RAM_AND_ACTION} is read, not "
                f"{RAM_AND_ACTION} itself"
            )
        if self.state is not None and self.format_version < 3 and self.state.kind != RAM:
            raise InputError(
                f"format version {self.format_version} stores ram alone, not {self.state.kind}"
            )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a buffer's meta.json.

        Raises:
            InputError: it is missing or damaged, or of another format version.
        """
        data = typed_json.load_json(path)
        version = data.get("format_version") if isinstance(data, dict) else None
        if version in (1, 2) and type(size := data.pop("ram_size", 0)) is int and size != 0:
            data["state"] = {"kind": RAM, "size": size, "dtype": "uint8"}
        return typed_json.from_dict(cls, data, str(path))

    @property
    def ram_size(self) -> int:
        """Bytes of RAM (the console's 128 bytes of memory) in each step; 0 if none is stored."""
        return self.state.size if self.state is not None and self.state.kind == RAM else 0

    @property
    def has_action_names(self) -> bool:
        """Whether RAM is stored with discrete actions whose names in ALE are known."""
        is_discrete = self.action_dtype == "int64" and self.action_shape == ()
        return self.ram_size > 0 and is_discrete and bool(self.origin.action_meanings)

    @property
    def state_column(self) -> str | None:
        """Name of the column of states; None without one."""
        if self.state is None:
            return None
        return STATE_COLUMNS[self.format_version < 3]

    @property
    def columns(self) -> dict[str, Column]:
        """The column files of each writer: name to (dtype, shape of one row)."""
        frames: dict[str, Column] = {"frames": ("uint8", self.frame_format.shape)}
        columns: dict[str, Column] = {
            **(frames if self.stores_frames else {}),
            "actions": (self.action_dtype, self.action_shape),
            "rewards": ("float32", ()),
            "terminations": ("bool", ()),
            "truncations": ("bool", ()),
        }
        if self.state is not None and self.state_column is not None:
            columns[self.state_column] = (self.state.dtype, (self.state.size,))
        if self.origin.sticky is not None and self.format_version > 1:
            columns |= EMULATOR_COLUMNS
        return columns


def stored_format(shape: tuple[int, ...], frame_format: FrameFormat | None) -> FrameFormat:
    """Return the given format, or that of frames (H, W, C): gray for C = 1, RGB for C = 3.

    Raises:
        InputError: the shape is not one of frames, or not that of the given format.
    """
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise InputError(f"frame_shape must be (H, W, 1) or (H, W, 3), not {shape}")
    height, width, num_channels = shape
    found = frame_format or FrameFormat("gray" if num_channels == 1 else "rgb", height, width)
    if found.shape != tuple(shape):
        raise InputError(f"frame_shape {shape} is not the format's {found.shape}")
    return found
