"""Writes the steps of one or many environments into a buffer: the core of all frame captures."""

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
    """Stores every agent step of `num_envs` environments once, each environment through a writer of
    its own.

    A frame is staged when it is seen and committed when it was acted on:

        recorder.begin(index, observation)                           # after a reset
        recorder.commit(index, action, reward, terminated, truncated)
        recorder.stage(index, observation)                           # unless the episode is over

    Frames are taken from the observation where it is an image (a stack's newest frame), brought to
    the buffer's format; else, and where the buffer stores palette indices, from the emulator; else
    from `render()`.

    Args:
        buffer: the buffer, or a folder to open one in or make one that fits.
        space: observation space of one environment.
        action_space: of one environment.
        envs: the environments themselves, None for one that cannot be reached (in another process,
            in C++).
        layout: the axes of image observations; None reads them off the shape.
        capacity: agent steps kept, if the buffer is made.

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
        """An episode begins; one that was not over is marked as truncated."""
        self._writers[index].end_episode()
        self.stage(index, observation)

    def stage(self, index: int, observation: Any) -> None:
        """Environment `index` now shows this observation, to be acted on."""
        ale = self._ales[index]
        ram = None if ale is None else ale.getRAM()
        if self._readers:
            self._writers[index].stage(ram)[:] = self._readers[index](observation)
        else:
            self._writers[index].stage_ram(ram)

    def commit(
        self, index: int, action: Any, reward: Any, terminated: bool, truncated: bool
    ) -> None:
        """What was done about the staged frame, and what came of it.

        Without a staged frame there was nothing to act on: the step only began an episode, and is
        not stored.
        """
        if self._writers[index].is_staged:
            self._writers[index].commit(action, float(reward), bool(terminated), bool(truncated))

    def close(self) -> None:
        """End all episodes and flush to disk; the buffer stays open for reading."""
        for writer in self._writers:
            writer.close()


def _reader(
    frame_format: FrameFormat, layout: ImageLayout | None, env: gym.Env[Any, Any] | None
) -> Callable[[Any], Frames]:
    """What makes the frame to store, uint8 `frame_format.shape`, of an observation."""
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
    """The buffer in a folder, or a new one that stores what the environments show as it is."""
    if (path / "meta.json").exists():
        return FrameBuffer.open(path)
    ale = _ale_of(envs[0])
    if layout is not None:
        frame_format = layout.frame_format
    elif ale is not None:
        frame_format = FrameFormat("rgb", *ale.getScreenDims())
    else:
        raise InputError(
            f"{path} is no buffer yet, and without image observations its frame size must be said: "
            "make one with FrameBuffer.create"
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
