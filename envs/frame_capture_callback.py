"""FrameCaptureCallback: records the training of a stable-baselines3 model into a FrameBuffer."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from atarigan.data.buffer.frame_buffer import FrameBuffer

from .step_recorder import DEFAULT_CAPACITY, StepRecorder


class FrameCaptureCallback(BaseCallback):
    """Records every agent step of `model.learn`, for any algorithm.

    Each environment has its own writer, which is open while the model learns. Observations are
    stored as they are before VecNormalize. RAM and palette indices can be stored only for
    environments in this process (DummyVecEnv).

    Args:
        buffer: a buffer, or a folder: its buffer is opened, or one that fits is created.
        layout: the axes of image observations, as in `ImageLayout.axes`; None infers them from the
            shape.
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
        self.buffer = buffer
        self._layout = layout
        self._capacity = capacity
        self._recorder: StepRecorder | None = None

    def _on_training_start(self) -> None:
        if self._recorder is not None:  # an exception ended the last `learn`
            self._recorder.close()
        normalizer = self.model.get_vec_normalize_env()
        venv = self.training_env if normalizer is None else normalizer.venv
        self._recorder = StepRecorder(
            self.buffer,
            venv.observation_space,
            venv.action_space,
            getattr(venv.unwrapped, "envs", [None] * venv.num_envs),
            layout=self._layout,
            capacity=self._capacity,
        )
        self.buffer = self._recorder.buffer
        for index, observation in self._observations(self.model._last_obs):
            self._recorder.begin(index, observation)

    def _on_step(self) -> bool:
        assert self._recorder is not None
        step = self.locals
        actions = step.get("clipped_actions", step["actions"])
        for index, info in enumerate(step["infos"]):
            is_truncated = bool(step["dones"][index] and info.get("TimeLimit.truncated", False))
            is_terminated = bool(step["dones"][index]) and not is_truncated
            self._recorder.commit(
                index, actions[index], step["rewards"][index], is_terminated, is_truncated
            )
        for index, observation in self._observations(step["new_obs"]):
            self._recorder.stage(index, observation)
        return True

    def _on_training_end(self) -> None:
        assert self._recorder is not None
        self._recorder.close()
        self._recorder = None

    def _observations(self, observations: Any) -> Iterable[tuple[int, Any]]:
        """Yield each environment's index and observation, as it was before VecNormalize."""
        normalizer = self.model.get_vec_normalize_env()
        if normalizer is not None:
            observations = normalizer.get_original_obs()
        if isinstance(observations, dict):  # a Dict is not stored; the emulator's screen is
            return ((index, None) for index in range(self.training_env.num_envs))
        return enumerate(observations)
