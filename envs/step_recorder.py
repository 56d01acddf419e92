"""The core of all frame captures: writes the steps of environments into a FrameBuffer."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import BufferMeta, Origin
from atarigan.data.collection.new_buffer import actions_column
from atarigan.data.collection.screen import AleScreen, read_frame
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.layout import ImageLayout, layout_of_space
from atarigan.images.pixels import FrameFormat, Frames

DEFAULT_CAPACITY = 100_000


class StepRecorder:
    """Stores every agent step of some environments once, each environment with its own writer.

    A frame is staged when the agent sees it, and committed with the action that follows:

        recorder.begin(index, observation)                           # after a reset
        recorder.commit(index, action, reward, terminated, truncated)
        recorder.stage(index, observation)                           # unless the episode is over

    The frame is, in this order: the newest frame of an image observation, converted to the buffer's
    format; the emulator's screen, also if the buffer stores palette indices; what `render()`
    returns.

    Args:
        buffer: a buffer, or a folder: its buffer is opened, or one that fits is created.
        space: the observation space of one environment.
        action_space: the action space of one environment.
        envs: the environments; None for one in another process or in C++.
        layout: the axes of image observations, as in `ImageLayout.axes`; None infers them from the
            shape.
        capacity: the number of agent steps that a new buffer keeps.

    Raises:
        InputError: the buffer does not fit the environments.
    """

    def __init__(
        self,
        buffer: FrameBuffer | str | Path,
        space: gym.Space[Any],
        action_space: gym.Space[Any],
        envs: Sequence[gym.Env[Any, Any] | None],
        *,
        layout: str | None = None,
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        image_layout = layout_of_space(space, layout)
        if not isinstance(buffer, FrameBuffer):
            buffer = _buffer_at(Path(buffer), image_layout, action_space, envs, capacity)
        _check_actions(buffer.meta, action_space)
        self.buffer = buffer
        self._readers = [
            _reader(buffer.meta.frame_format, image_layout, env)
            for env in envs
            if buffer.meta.stores_frames
        ]
        self._ales = [_ale_of(env) if buffer.meta.ram_size else None for env in envs]
        if buffer.meta.ram_size and None in self._ales:
            raise InputError(
                f"{buffer.path} stores RAM, which needs ALE environments in this process"
            )
        self._writers = [buffer.new_writer() for _ in envs]

    def begin(self, index: int, observation: Any) -> None:
        """Begin an episode; mark an unfinished one as truncated."""
        self._writers[index].end_episode()
        self.stage(index, observation)

    def stage(self, index: int, observation: Any) -> None:
        """Stage the observation that environment `index` shows now."""
        ale = self._ales[index]
        ram = None if ale is None else ale.getRAM()
        if self._readers:
            self._writers[index].stage(ram)[:] = self._readers[index](observation)
        else:
            self._writers[index].stage_ram(ram)

    def commit(
        self, index: int, action: Any, reward: Any, terminated: bool, truncated: bool
    ) -> None:
        """Commit the staged frame with the action and its outcome.

        Without a staged frame nothing is stored: the step only began an episode.
        """
        if self._writers[index].is_staged:
            self._writers[index].commit(action, float(reward), bool(terminated), bool(truncated))

    def close(self) -> None:
        """End all episodes and flush to disk; the buffer can still be read."""
        for writer in self._writers:
            writer.close()


def _reader(
    frame_format: FrameFormat, layout: ImageLayout | None, env: gym.Env[Any, Any] | None
) -> Callable[[Any], Frames]:
    """Return a function from an observation to the frame to store, uint8 `frame_format.shape`."""
    if layout is not None and frame_format.name != "palette":
        source = layout.frame_format

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
    envs: Sequence[gym.Env[Any, Any] | None],
    capacity: int,
) -> FrameBuffer:
    """Open the buffer in a folder, or create one with the format of the environments' frames."""
    if (path / "meta.json").exists():
        return FrameBuffer.open(path)
    ale = _ale_of(envs[0])
    if layout is not None:
        frame_format = layout.frame_format
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
        origin=_origin_of(envs[0]),
    )


def _origin_of(env: gym.Env[Any, Any] | None) -> Origin:
    if env is None or env.spec is None:
        return Origin()
    meanings = getattr(env.unwrapped, "get_action_meanings", tuple)
    return Origin(env_id=env.spec.id, action_meanings=tuple(meanings()))


def _check_actions(meta: BufferMeta, action_space: gym.Space[Any]) -> None:
    expected = actions_column(action_space)
    if (meta.action_dtype, tuple(meta.action_shape)) != expected:
        raise InputError(
            f"the buffer must store actions as {expected[0]} {expected[1]}, "
            f"not {meta.action_dtype} {tuple(meta.action_shape)}"
        )
