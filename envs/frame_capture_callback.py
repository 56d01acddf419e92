"""FrameCaptureCallback: records the training of a stable-baselines3 model into a FrameBuffer."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.images.env_layout import layout_of_env

from .capture_origin import origin_of_vector
from .step_recorder import DEFAULT_CAPACITY, StepRecorder


class FrameCaptureCallback(BaseCallback):
    """Records every agent step of `model.learn`, for any algorithm.

    Each environment has its own writer, which is open while the model learns. A row is as for
    `FrameCapture`: frames are as the model sees them, before VecNormalize; actions, rewards and
    terminations are the game's own if it is in this process (DummyVecEnv). Those of a SubprocVecEnv
    are what the wrappers in the other processes return, before VecNormalize; to store the game's
    own, put `FrameCapture` into those processes. RAM and palette indices can be stored only for
    environments in this process.

    Args:
        buffer: a buffer, or a folder: its buffer is opened, or one that fits is created.
        layout: the axes of image observations, as in `ImageLayout.axes`; None asks the wrappers, as
            `atarigan.images.env_layout.layout_of_env` describes.
        capacity: the number of agent steps that a new buffer keeps.
        verbose: as for every callback.

    Raises:
        InputError: training starts and the buffer does not fit the environments.

    Example:
        >>> import tempfile
        >>> from stable_baselines3 import A2C
        >>> from atarigan import FrameBuffer
        >>> from atarigan.envs import FrameCaptureCallback
        >>> model = A2C("MlpPolicy", "ALE/Pong-v5", n_steps=4, device="cpu")
        >>> folder = tempfile.mkdtemp()
        >>> model = model.learn(8, FrameCaptureCallback(folder, capacity=100))
        >>> len(FrameBuffer.open(folder))
        8
    """

    def __init__(
        self,
        buffer: FrameBuffer | str | Path,
        *,
        layout: str | None = None,
        capacity: int = DEFAULT_CAPACITY,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose)
        self.buffer = buffer if isinstance(buffer, FrameBuffer) else Path(buffer).absolute()
        self._layout = layout
        self._capacity = capacity
        self._recorder: StepRecorder | None = None

    def _on_training_start(self) -> None:
        if self._recorder is not None:  # an exception ended the last `learn`
            self._on_training_end()
        normalizer = self.model.get_vec_normalize_env()
        venv = self.training_env if normalizer is None else normalizer.venv
        envs = getattr(venv.unwrapped, "envs", None)
        self._recorder = StepRecorder(
            self.buffer,
            layout_of_env(venv, self._layout),
            [None] * venv.num_envs if envs is None else envs,
            venv.action_space,
            origin_of_vector(venv),
            capacity=self._capacity,
        )
        if envs is not None:
            envs[:] = self._recorder.watched
        self.buffer = self._recorder.buffer
        infos = venv.unwrapped.reset_infos
        for index, observation in self._observations(self.model._last_obs):
            self._recorder.begin(index, observation, infos[index])

    def _on_step(self) -> bool:
        assert self._recorder is not None
        step = self.locals
        actions = step.get("clipped_actions", step["actions"])
        normalizer = self.model.get_vec_normalize_env()
        rewards = step["rewards"] if normalizer is None else normalizer.get_original_reward()
        for index, info in enumerate(step["infos"]):
            is_truncated = bool(step["dones"][index] and info.get("TimeLimit.truncated", False))
            is_terminated = bool(step["dones"][index]) and not is_truncated
            self._recorder.commit(
                index, actions[index], rewards[index], is_terminated, is_truncated
            )
        resets = self.training_env.unwrapped.reset_infos
        for index, observation in self._observations(step["new_obs"]):
            info = resets[index] if step["dones"][index] else step["infos"][index]
            self._recorder.stage(index, observation, info)
        return True

    def _on_training_end(self) -> None:
        assert self._recorder is not None
        self._recorder.close()
        envs = getattr(self.training_env.unwrapped, "envs", [])
        for index, watched in enumerate(self._recorder.watched):
            if watched is not None:
                envs[index] = watched.removed_from(envs[index])
        self._recorder = None

    def _observations(self, observations: Any) -> Iterable[tuple[int, Any]]:
        """Yield each environment's index and observation, as it was before VecNormalize."""
        normalizer = self.model.get_vec_normalize_env()
        if normalizer is not None:
            observations = normalizer.get_original_obs()
        if isinstance(observations, dict):  # a Dict is not stored; the emulator's screen is
            return ((index, None) for index in range(self.training_env.num_envs))
        return enumerate(observations)
