"""The frames of a FrameBuffer as a source."""

import dataclasses
from functools import cached_property

import numpy as np
import numpy.typing as npt

from atarigan.config.condition import CODE, RAM, RAM_AND_ACTION, includes_ram, is_state
from atarigan.config.run_config import RunConfig
from atarigan.data.ale_games import screen_size
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import BufferMeta
from atarigan.data.joysticks import ACTION_NAMES
from atarigan.data.provenance import Provenance
from atarigan.data.sample_spec import SampleSpec
from atarigan.data.sources.source import SOURCES, DataSource, shown_format
from atarigan.data.states import State, StateSpec
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import Frames


class BufferedFrames(DataSource):
    """The frames of a buffer, in the color and size of the configuration.

    Only steps stored before the source was made are read. No writer may overwrite them during
    training.

    Raises:
        InputError: the buffer is empty, or stores nothing for the condition.
    """

    def __init__(self, buffer: FrameBuffer, config: RunConfig) -> None:
        self.num_samples = len(buffer)
        self.provenance = Provenance.of(buffer.meta)
        if self.num_samples == 0:
            raise InputError(f"{buffer.path} must hold at least 1 step to learn from, not 0")
        self._buffer = buffer
        if config.condition == "class":
            raise InputError("--condition class needs a source with labels, and frames have none")
        self.state = buffer.meta.state
        self._num_encoded = config.code_frames if config.condition == CODE else 0
        is_given = is_state(config.condition) and not self._num_encoded
        self._read = self._spec_of(config.condition) if is_given else None
        self._shown = shown_format(buffer.meta.frame_format, config)
        height, width, channels = self._shown.shape
        condition_shape = (self._read.size,) if self._read else None
        if self._num_encoded:
            condition_shape = (config.code_size,)
        screen = _screen_size(buffer.meta)
        self.spec = SampleSpec((channels, height, width), self._shown, condition_shape, screen)

    def samples_at(self, indices: npt.NDArray[np.int64]) -> Frames:
        frames = self._buffer.values_at("frames", indices)
        return pixels.convert(frames, self._buffer.meta.frame_format, self._shown)

    def states_at(self, indices: npt.NDArray[np.int64]) -> State:
        """Return the stored states of numbered frames, (N, size).

        Raises:
            InputError: none are stored, or one holds other things than finite numbers.
        """
        states: State = self._buffer.values_at("state", indices)
        wrong = np.flatnonzero(~np.isfinite(states).all(1))
        if len(wrong):
            raise InputError(
                f"{self._buffer.path} must hold finite states, but that of step "
                f"{indices[wrong[0]]} holds {states[wrong[0]][~np.isfinite(states[wrong[0]])][0]}"
            )
        return states

    @property
    def has_ram(self) -> bool:
        """Whether RAM is stored."""
        return self._buffer.meta.ram_size > 0

    def ram_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8] | None:
        """Return the RAM of numbered frames, uint8 (N, bytes), or None if none is stored."""
        return self._buffer.values_at("ram", indices) if self.has_ram else None

    def conditions_at(self, indices: npt.NDArray[np.int64]) -> State | Frames | None:
        """Return the states of numbered frames, (N, size), or, for a learned code, the frames that
        are encoded, uint8 (N, K, H, W, C), oldest first; None without a condition.
        """
        if self._num_encoded:
            return self._stacks_at(indices)
        if self._read is not None and self._read.adds_action:
            return self._buffer.values_at(RAM_AND_ACTION, indices)
        return self.states_at(indices) if self._read else None

    def _stacks_at(self, indices: npt.NDArray[np.int64]) -> Frames:
        """Return the frames before and at numbered ones; an episode's first is repeated."""
        starts = self._episode_starts[indices][:, None]
        stacks = np.maximum(indices[:, None] + np.arange(1 - self._num_encoded, 1), starts)
        frames = self.samples_at(stacks.ravel())
        return frames.reshape(*stacks.shape, *frames.shape[1:])

    @cached_property
    def _episode_starts(self) -> npt.NDArray[np.int64]:
        """The number of the first frame of each frame's episode, int64 (num_samples,)."""
        episodes = self.episodes()
        return np.searchsorted(episodes, episodes)

    def _spec_of(self, condition: str) -> StateSpec:
        """Return what a condition reads. Raise InputError if the buffer does not store it."""
        stored, path = self.state, self._buffer.path
        if stored is not None and stored.kind == condition:
            return stored
        if condition == RAM_AND_ACTION and stored is not None and stored.with_action:
            if self._buffer.meta.has_action_names:
                return stored.with_action
            raise InputError(
                f"--condition {condition} needs {ACTION_NAMES}, and {path} stores none: train with "
                "--condition ram"
            )
        if stored is not None:
            raise InputError(
                f"--condition {condition} needs frames with this state, and {path} stores "
                f"{stored}: use --condition {stored.kind}"
            )
        name = "RAM" if includes_ram(condition) else f"the state {condition}"
        raise InputError(
            f"--condition {condition} needs frames with {name}, and {path} stores none: use "
            f"--recipe codes, which needs {'no RAM' if includes_ram(condition) else 'none'}"
        )

    def episodes(self) -> npt.NDArray[np.int64]:
        """Return the number of each frame's episode, int64 (num_samples,), ascending from 0.

        An episode that a writer has not ended yet, or whose first frames are overwritten, counts
        with the frames that are left.
        """
        ends = self._ends()
        return np.concatenate([[0], np.cumsum(ends[:-1])])

    def whole_stacks(self, num_stack: int) -> npt.NDArray[np.int64]:
        """Return the numbers of consecutive frames of one episode, (N, num_stack), oldest first.

        No frame is in two stacks.
        """
        begins = np.flatnonzero(np.concatenate([[True], self._ends()[:-1]]))
        starts = np.repeat(begins, np.diff([*begins, self.num_samples]))
        places = np.arange(self.num_samples) - starts
        lasts = np.flatnonzero(places % num_stack == num_stack - 1)
        return lasts[:, None] + np.arange(1 - num_stack, 1)

    def _ends(self) -> npt.NDArray[np.bool_]:
        """Return whether each frame is the last of its episode, bool (num_samples,)."""
        everything = np.arange(self.num_samples)
        ends = self._buffer.values_at("terminations", everything)
        ends |= self._buffer.values_at("truncations", everything)
        lengths = np.array(self._buffer.writer_lengths)
        ends[np.cumsum(lengths)[lengths > 0] - 1] = True  # another writer's steps follow
        return ends


def without_unknown_action(config: RunConfig) -> RunConfig:
    """Return a configuration whose condition is RAM alone in the place of RAM and the action if its
    buffer stores RAM and does not tell the actions.
    """
    if config.condition != RAM_AND_ACTION or config.data is None:
        return config
    try:
        meta = FrameBuffer.open(config.data).meta
    except InputError:  # opening it as a source gives a better message
        return config
    if not meta.ram_size or meta.has_action_names:
        return config
    return dataclasses.replace(config, condition=RAM)


def _screen_size(meta: BufferMeta) -> tuple[int, int] | None:
    """Return the size of the console's screen that frames show; None where it is unknown, as behind
    wrappers, which may cut a part out.
    """
    game = Provenance.of(meta).game
    if game is None or not meta.ram_size or meta.origin.wrappers:
        return None
    return screen_size(game)


@SOURCES.register("frames")
def open_frames(config: RunConfig) -> BufferedFrames:
    """Frames that `python -m atarigan.collect` stored; --data is the buffer's folder."""
    if config.data is None:
        raise InputError(
            "--source frames needs --data DIR, the folder that atarigan.collect filled"
        )
    return BufferedFrames(FrameBuffer.open(config.data), config)
