"""FrameCapture and VectorFrameCapture: record environments into a FrameBuffer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import iterate

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.images.env_layout import layout_of_env

from .capture_origin import origin_of, origin_of_vector
from .game_steps import VectorWatch
from .state_reading import info_of
from .step_recorder import DEFAULT_CAPACITY, StepRecorder
from .vector_api import AnyVectorWrapper, autoreset_mode_of, reset_mask_of


class FrameCapture(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Records every agent step into a buffer; observations, rewards and spaces stay the same.

    A row holds the frame that the agent acted on, and the action, reward and end that followed. A
    reset in the middle of an episode marks the last row as truncated. `close()` ends the recording;
    without it, the rows stored so far are kept.

    The frame is, in this order: the newest frame of an image observation, converted to the buffer's
    colors and size; the emulator's screen, also if the buffer stores palette indices; what
    `render()` returns. A warning says so if observations seem to hold images in an arrangement that
    no layout describes.

    The frame is as the wrapped environment shows it. Action, reward and termination are the game's
    own, whatever wrappers make of them on either side of this one: the action that the game
    received last, the sum of its rewards since the last row, and whether it terminated. The game is
    the environment that `gymnasium.make` makes, or else the innermost one. An episode that a
    wrapper ends while the game goes on, as at a lost life or a time limit, is truncated.

    If the buffer stores states, that of a row is the emulator's RAM, the observation, or an entry
    of info, as the buffer says (`StateSpec`).

    A copy of this environment, also from a pickle, records into a writer of its own.

    Args:
        env: the environment.
        buffer: a buffer, or a folder: its buffer is opened, or one that fits is created, with RAM
            if there is an emulator. A ring that is full overwrites its oldest steps.
        layout: the axes of image observations, as in `ImageLayout.axes`; None asks the wrappers, as
            `atarigan.images.env_layout.layout_of_env` describes.
        capacity: the number of agent steps that a new buffer keeps.

    Raises:
        InputError: the buffer does not fit the environment: another id, other arguments or another
            frame skip, a known game and an environment that does not tell its own, or frames larger
            or more colorful than the observations.

    Example:
        >>> import tempfile
        >>> import gymnasium as gym
        >>> from atarigan import FrameBuffer
        >>> from atarigan.envs import FrameCapture
        >>> folder = tempfile.mkdtemp()
        >>> env = FrameCapture(gym.make("ALE/Pong-v5"), folder, capacity=100)
        >>> observation, info = env.reset(seed=0)
        >>> for _ in range(3):
        ...     observation, *_ = env.step(2)
        >>> env.close()
        >>> len(FrameBuffer.open(folder))
        3
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
            layout_of_env(env, layout),
            [env],
            env.action_space,
            origin_of(env),
            capacity=capacity,
        )
        assert self._recorder.watched[0] is not None
        self.env = self._recorder.watched[0]

    @property
    def buffer(self) -> FrameBuffer:
        """The buffer that is recorded into."""
        return self._recorder.buffer

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._recorder.begin(0, observation, info)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._recorder.commit(0, action, reward, terminated, truncated)
        if not (terminated or truncated):
            self._recorder.stage(0, observation, info)
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        self._recorder.close()
        self.env.close()


class VectorFrameCapture(AnyVectorWrapper, gym.utils.RecordConstructorArgs):
    """Records every agent step of a vector environment, each sub-environment with its own writer.

    A row is as for `FrameCapture` if the sub-environments are in this process, as those of a
    SyncVectorEnv. Of others, actions, rewards and ends are those of the vector environment inside
    all vector wrappers: an AsyncVectorEnv returns what the wrappers of its sub-environments do, and
    AtariVectorEnv clips rewards unless it is made with `reward_clipping=False`.

    The steps of NEXT_STEP autoreset that only reset are not stored. RAM and palette indices can be
    stored only for sub-environments in this process.

    Args:
        env: the vector environment.
        buffer, layout, capacity: as for `FrameCapture`.

    Raises:
        InputError: the buffer does not fit, or the vector environment has no autoreset mode.

    Example:
        >>> import tempfile
        >>> import gymnasium as gym
        >>> from atarigan import FrameBuffer
        >>> from atarigan.envs import VectorFrameCapture
        >>> folder = tempfile.mkdtemp()
        >>> envs = gym.make_vec("ALE/Pong-v5", 2, "sync")
        >>> envs = VectorFrameCapture(envs, folder, capacity=100)
        >>> observations, infos = envs.reset(seed=0)
        >>> observations, *_ = envs.step([2, 3])
        >>> envs.close()
        >>> len(FrameBuffer.open(folder))
        2
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
            layout_of_env(env, layout),
            getattr(env.unwrapped, "envs", [None] * env.num_envs),
            env.unwrapped.single_action_space,
            origin_of_vector(env),
            capacity=capacity,
        )
        if hasattr(env.unwrapped, "envs"):
            env.unwrapped.envs[:] = self._recorder.watched
        self._base = VectorWatch.around_base_of(self)

    @property
    def buffer(self) -> FrameBuffer:
        """The buffer that is recorded into."""
        return self._recorder.buffer

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        is_reset = reset_mask_of(options, self.num_envs)
        observations, infos = self.env.reset(seed=seed, options=options)
        for index, observation in enumerate(self._each(observations)):
            if is_reset[index]:
                self._recorder.begin(index, observation, info_of(infos, index))
        return observations, infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        for index, step in enumerate(self._base.steps()):
            self._recorder.commit(index, *step)
        # in SAME_STEP, the observation after an end already begins the next episode
        shows_end = self._autoreset_mode is not AutoresetMode.SAME_STEP
        is_end = np.logical_or(terminations, truncations) & shows_end
        for index, observation in enumerate(self._each(observations)):
            if not is_end[index]:
                self._recorder.stage(index, observation, info_of(infos, index))
        return observations, rewards, terminations, truncations, infos

    def close(self, **kwargs: Any) -> None:
        self._recorder.close()
        self.env.close(**kwargs)

    def _each(self, observations: Any) -> Iterator[Any]:
        return iter(iterate(self.env.observation_space, observations))


def _folder(buffer: FrameBuffer | str | Path) -> str:
    """Return the buffer's folder, for the spec: an environment made from it adds a writer there."""
    return str(buffer.path if isinstance(buffer, FrameBuffer) else Path(buffer).absolute())
