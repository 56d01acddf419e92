"""FrameCapture: environments that record into a FrameBuffer whatever steps them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import iterate

from atarigan.data.buffer.frame_buffer import FrameBuffer

from .step_recorder import DEFAULT_CAPACITY, StepRecorder
from .vector import autoreset_mode_of, reset_mask_of
from .vector_wrapper import AnyVectorWrapper


class FrameCapture(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Records every agent step into a buffer and changes nothing: observations, rewards and spaces
    stay.

    A row is the frame that the agent acted on, its action, and what came of it. A reset in
    mid-episode marks the last row as truncated. `close()` ends the recording; what was stored until
    then is there even without it.

    Args:
        env: the environment. Its image observations are stored (a stack's newest frame), brought to
            the buffer's colours and size; where it has none, or the buffer stores palette indices,
            the emulator's screen; else what `render()` shows.
        buffer: where to; a folder is opened as a buffer, or a fitting one is made there, with RAM
            where there is an emulator.
        layout: the axes of image observations, as `ImageLayout.axes` has them; None reads them off
            the shape.
        capacity: agent steps kept, if the buffer is made here.

    Raises:
        InputError: the buffer does not fit the environment.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        buffer: FrameBuffer | str | Path,
        *,
        layout: str | None = None,
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self, buffer=_folder(buffer), layout=layout, capacity=capacity
        )
        gym.Wrapper.__init__(self, env)
        self._recorder = StepRecorder(
            buffer,
            env.observation_space,
            env.action_space,
            [env],
            layout=layout,
            capacity=capacity,
        )

    @property
    def buffer(self) -> FrameBuffer:
        return self._recorder.buffer

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._recorder.begin(0, observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._recorder.commit(0, action, reward, terminated, truncated)
        if not (terminated or truncated):
            self._recorder.stage(0, observation)
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        self._recorder.close()
        self.env.close()


class VectorFrameCapture(AnyVectorWrapper, gym.utils.RecordConstructorArgs):
    """Records every agent step of a vector environment into a buffer, each sub-environment through
    its own writer.

    Right in every autoreset mode: in NEXT_STEP the step that only resets is not stored. RAM and
    palette indices can be stored of a SyncVectorEnv only, whose emulators can be reached.

    Args:
        env: the vector environment.
        buffer, layout, capacity: as for `FrameCapture`.

    Raises:
        InputError: the buffer does not fit, or the vector environment does not say its autoreset
        mode.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        buffer: FrameBuffer | str | Path,
        *,
        layout: str | None = None,
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self, buffer=_folder(buffer), layout=layout, capacity=capacity
        )
        AnyVectorWrapper.__init__(self, env)
        self._autoreset_mode = autoreset_mode_of(env)
        self._recorder = StepRecorder(
            buffer,
            env.single_observation_space,
            env.single_action_space,
            getattr(env.unwrapped, "envs", [None] * env.num_envs),
            layout=layout,
            capacity=capacity,
        )

    @property
    def buffer(self) -> FrameBuffer:
        return self._recorder.buffer

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        is_reset = reset_mask_of(options, self.num_envs)
        observations, infos = self.env.reset(seed=seed, options=options)
        for index, observation in enumerate(self._each(observations)):
            if is_reset[index]:
                self._recorder.begin(index, observation)
        return observations, infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        each_action = iterate(self.env.action_space, actions)
        for index, step in enumerate(
            zip(each_action, rewards, terminations, truncations, strict=True)
        ):
            self._recorder.commit(index, *step)
        # in SAME_STEP, what is seen after an end already begins the next episode
        shows_end = self._autoreset_mode is not AutoresetMode.SAME_STEP
        is_end = np.logical_or(terminations, truncations) & shows_end
        for index, observation in enumerate(self._each(observations)):
            if not is_end[index]:
                self._recorder.stage(index, observation)
        return observations, rewards, terminations, truncations, infos

    def close(self, **kwargs: Any) -> None:
        self._recorder.close()
        self.env.close(**kwargs)

    def _each(self, observations: Any) -> Iterator[Any]:
        return iter(iterate(self.env.observation_space, observations))


def _folder(buffer: FrameBuffer | str | Path) -> str:
    """What stands for a buffer in a spec: its folder, where another writer can join."""
    return str(buffer.path if isinstance(buffer, FrameBuffer) else buffer)
