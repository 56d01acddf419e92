"""The core of all frame captures: writes the steps of environments into a FrameBuffer."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from atarigan.config.condition import OBSERVATION, RAM
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import BufferMeta, Origin
from atarigan.data.buffer.writer import BufferWriter, StagedRow
from atarigan.data.collection.new_buffer import actions_column
from atarigan.data.collection.screen import AleScreen, read_frame
from atarigan.data.states import State
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.layout import ImageLayout, warn_of_images_without_layout
from atarigan.images.pixels import FrameFormat, Frames

from .capture_origin import check_same_origin
from .game_steps import WatchedEnv, game_in, is_delayed

DEFAULT_CAPACITY = 100_000
Envs = Sequence[gym.Env[Any, Any] | None]


class StepRecorder:
    """Stores every agent step of some environments once, each environment with its own writer.

    A frame is staged when the agent sees it, and committed with the action that follows:

        recorder.begin(index, observation, info)                     # after a reset
        recorder.commit(index, action, reward, terminated, truncated)
        recorder.stage(index, observation, info)                     # unless the episode is over

    The frame is, in this order: the newest frame of an image observation, converted to the buffer's
    format; the emulator's screen, also if the buffer stores palette indices; what `render()`
    returns. Action, reward and ends are the game's own where the environment is in this process.

    A copy, also from a pickle, writes steps of its own: it claims another writer when it is first
    used, and begins with the frames that were staged.

    Args:
        buffer: a buffer, or a folder: its buffer is opened, or one that fits is created.
        layout: the layout of observations; None if they are not images.
        envs: the environments; None for one in another process or in C++.
        action_space: the action space of one environment; the game's takes its place where the
            environment is in this process.
        origin: the origin of the frames.
        capacity: the number of agent steps that a new buffer keeps.

    Attributes:
        buffer: the buffer.
        watched: the environments to step in the place of `envs`.

    Raises:
        InputError: the buffer does not fit the environments.
    """

    def __init__(
        self,
        buffer: FrameBuffer | str | Path,
        layout: ImageLayout | None,
        envs: Envs,
        action_space: gym.Space[Any],
        origin: Origin,
        *,
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        if envs[0] is not None:
            action_space = game_in(envs[0]).action_space
        if not isinstance(buffer, FrameBuffer):
            buffer = _buffer_at(Path(buffer), layout, action_space, envs, origin, capacity)
        _check_actions(buffer.meta, action_space)
        check_same_origin(buffer.meta.origin, origin, buffer.path)
        state = buffer.meta.state
        if buffer.meta.ram_size and not all(map(_ale_of, envs)):
            raise InputError(
                f"{buffer.path} stores RAM, which needs ALE environments in this process"
            )
        if state is not None and state.kind == OBSERVATION and layout is not None:
            raise InputError(
                f"{buffer.path} stores observations as states, which must be vectors, not images"
            )
        is_observed = buffer.meta.stores_frames and buffer.meta.frame_format.name != "palette"
        if buffer.meta.ram_size and layout is not None and is_observed:
            _refuse_delayed(envs)
        if buffer.meta.origin == Origin() and len(buffer) == 0:
            buffer.set_origin(origin)
        if layout is None and buffer.meta.stores_frames and envs[0] is not None:
            stored = (
                "what render() returns" if _ale_of(envs[0]) is None else "the emulator's screen"
            )
            warn_of_images_without_layout(envs[0].observation_space, f"{stored} is stored instead")
        self.buffer = buffer
        self._layout = layout
        self._readers = self._readers_of(envs)
        self._writers = [buffer.new_writer() for _ in envs]
        self._staged: list[StagedRow | None] = []  # of a copy, until it is used
        self.watched = [None if env is None else WatchedEnv(env) for env in envs]

    def begin(self, index: int, observation: Any, info: Mapping[str, Any]) -> None:
        """Begin an episode; mark an unfinished one as truncated."""
        self._writer(index).end_episode()
        self.stage(index, observation, info)

    def stage(self, index: int, observation: Any, info: Mapping[str, Any]) -> None:
        """Stage the observation that environment `index` shows now, and the state that belongs to
        it.

        Raises:
            InputError: the buffer stores states, and this is none of them.
        """
        writer, spec = self._writer(index), self.buffer.meta.state
        state: State | None = None
        if spec is not None and spec.kind == RAM:
            state = _ale_of(self.watched[index]).getRAM()
        elif spec is not None:
            state = spec.of_moment(observation, info)
        if self.buffer.meta.stores_frames:
            writer.stage(state)[:] = self._readers[index](observation)
        else:
            writer.stage_state(state)

    def commit(
        self, index: int, action: Any, reward: Any, terminated: bool, truncated: bool
    ) -> None:
        """Commit the staged frame with the action and its outcome.

        Both are replaced by the game's own where the environment is in this process. An episode
        that ends while the game goes on is truncated. Without a staged frame nothing is stored: the
        step only began an episode.
        """
        writer, env = self._writer(index), self.watched[index]
        if not writer.is_staged:
            return
        if env is not None and env.last is not None:
            game = env.last
            action, reward = game.action, game.reward
            is_cut = terminated and not game.terminated
            truncated = truncated or game.truncated or is_cut
            terminated = game.terminated
        writer.commit(action, float(reward), bool(terminated), bool(truncated))

    def close(self) -> None:
        """End all episodes and flush to disk; the buffer can still be read."""
        for writer in self._writers:
            writer.close()

    def _writer(self, index: int) -> BufferWriter:
        if not self._writers:
            self._writers = [self.buffer.new_writer() for _ in self.watched]
            self._readers = self._readers_of(self.watched)
            for writer, staged in zip(self._writers, self._staged, strict=True):
                if staged is not None:
                    writer.restage(staged)
        return self._writers[index]

    def __getstate__(self) -> dict[str, Any]:
        staged = [writer.staged for writer in self._writers] or self._staged
        return {**vars(self), "_writers": [], "_readers": [], "_staged": staged}

    def _readers_of(self, envs: Envs) -> list[Callable[[Any], Frames]]:
        meta = self.buffer.meta
        return [_reader(meta.frame_format, self._layout, env) for env in envs if meta.stores_frames]


def _reader(
    frame_format: FrameFormat, layout: ImageLayout | None, env: gym.Env[Any, Any] | None
) -> Callable[[Any], Frames]:
    """Return a function from an observation to the frame to store, uint8 `frame_format.shape`."""
    if layout is not None and frame_format.name != "palette":
        source = layout.frame_format
        _check_enough_detail(source, frame_format)

        def observed(observation: Any) -> Frames:
            newest = layout.newest(np.asarray(observation))
            frame: Frames = pixels.convert(newest[None], source, frame_format)[0]
            return frame

        return observed
    ale = _ale_of(env)
    if ale is not None:
        screen = AleScreen(ale)
        return lambda observation: read_frame(screen, frame_format)
    if frame_format.name == "palette":
        raise InputError("frame format palette needs ALE environments in this process")
    if env is None or env.render_mode != "rgb_array":
        raise InputError(
            "capture needs image observations, ALE environments in this process or "
            f"render_mode='rgb_array', not render_mode={getattr(env, 'render_mode', None)!r}"
        )
    return lambda observation: _rendered(env, frame_format)


def _rendered(env: gym.Env[Any, Any], frame_format: FrameFormat) -> Frames:
    picture: Frames = np.asarray(env.render(), np.uint8)
    height, width = picture.shape[:2]
    source = FrameFormat("rgb", height, width)
    frame: Frames = pixels.convert(picture[None], source, frame_format)[0]
    return frame


def _ale_of(env: gym.Env[Any, Any] | None) -> Any:
    return None if env is None else getattr(env.unwrapped, "ale", None)


def _buffer_at(
    path: Path,
    layout: ImageLayout | None,
    action_space: gym.Space[Any],
    envs: Envs,
    origin: Origin,
    capacity: int,
) -> FrameBuffer:
    """Open the buffer in a folder, or create one with the format of the environments' frames."""
    if (path / "meta.json").exists():
        buffer = FrameBuffer.open(path)
        num_lost = buffer.num_collected - len(buffer)
        if num_lost or len(buffer) >= buffer.meta.capacity * max(1, buffer.num_writers):
            warnings.warn(
                f"{path} is full: new steps overwrite the oldest of its {len(buffer)}", stacklevel=4
            )
        return buffer
    ale = _ale_of(envs[0])
    if layout is not None:
        frame_format = layout.frame_format
        if ale is not None:
            _refuse_delayed(envs)
    elif ale is not None:
        frame_format = FrameFormat("rgb", *ale.getScreenDims())
    else:
        raise InputError(
            f"{path} must be a buffer if observations are not images: create it with "
            "FrameBuffer.create, which sets its frame size"
        )
    action_dtype, action_shape = actions_column(action_space)
    return FrameBuffer.create(
        path,
        capacity,
        frame_format.shape,
        frame_format=frame_format,
        num_writers=len(envs),
        action_dtype=action_dtype,
        action_shape=action_shape,
        ram_size=0 if ale is None else ale.getRAMSize(),
        origin=origin,
    )


def _refuse_delayed(envs: Envs) -> None:
    """Raise InputError if frames of earlier steps would be stored next to the RAM of now."""
    if any(env is not None and is_delayed(env) for env in envs):
        raise InputError(
            "DelayObservation shows frames of earlier steps, and the buffer stores the RAM of now: "
            "capture inside DelayObservation, or into a buffer without states"
        )


def _check_actions(meta: BufferMeta, action_space: gym.Space[Any]) -> None:
    expected = actions_column(action_space)
    if (meta.action_dtype, tuple(meta.action_shape)) != expected:
        raise InputError(
            f"the buffer must store actions as {expected[0]} {expected[1]}, "
            f"not {meta.action_dtype} {tuple(meta.action_shape)}"
        )


def _check_enough_detail(source: FrameFormat, stored: FrameFormat) -> None:
    """Raise InputError if observations have fewer colors or pixels than the buffer's frames."""
    lacks_color = source.num_channels < stored.num_channels
    if lacks_color or source.height < stored.height or source.width < stored.width:
        raise InputError(
            f"observations of {source.name} {source.height}x{source.width} must not be stored as "
            f"{stored.name} {stored.height}x{stored.width}, which they lack color or size for"
        )
