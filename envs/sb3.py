"""For stable-baselines3: a VecEnv that generates observations, a callback that records frames."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.images.pixels import Frames
from atarigan.models.latent_stream import Decoder, Ram, Schedule

from .generated import RenderChoice, check_render_choice
from .generation_options import GenerationOptions, Mode
from .observation_stream import ObservationStream, beside
from .ram_info import add_ram_infos, rams_in_list
from .seeding import drawn_seed
from .step_recorder import DEFAULT_CAPACITY, StepRecorder


class GeneratedVecEnv(VecEnvWrapper):
    """Gives the agents of a stable-baselines3 VecEnv generated observations, from one generator
    call a step.

    infos[i]["terminal_observation"] is generated too. It can be placed below or above VecFrameStack
    and VecTransposeImage. Environment i of `seed(s)` sees what a `GeneratedObservation` sees after
    `reset(seed=s + i)`. In mode "info" the generated observations are in
    infos[i]["generated_observation"] (at a reset: in `reset_infos`), and one that ends an episode
    in infos[i]["generated_terminal_observation"].

    A generator that reads the console's memory takes it from infos[i]["ram"]: put `RamInfo` around
    each environment of a SubprocVecEnv; those of a DummyVecEnv are given it here.

    Args:
        venv: the vectorised environment.
        generator: a FrameGenerator, or a run or checkpoint folder to load one from.
        mode, probability, latent, walk_length, layout: see `GenerationOptions`.
        render: "agent" or "beside", as for `GeneratedObservation`.

    Raises:
        InputError: as for `GeneratedObservation`; at the first reset, where infos hold no memory
            that the generator reads.
    """

    def __init__(
        self,
        venv: VecEnv,
        generator: Decoder | str | Path,
        mode: Mode = "replace",
        *,
        probability: float = 0.5,
        latent: Schedule = "step",
        walk_length: float = 50.0,
        layout: str | None = None,
        render: RenderChoice = "agent",
    ) -> None:
        check_render_choice(render, venv.render_mode)
        options = GenerationOptions(mode, probability, latent, walk_length, layout)
        self._stream = ObservationStream(generator, venv.observation_space, venv.num_envs, options)
        if self._stream.reads_ram and isinstance(venv.unwrapped, DummyVecEnv):
            add_ram_infos(venv.unwrapped.envs)
        self._render = render
        self._real: Any = None
        super().__init__(venv, observation_space=self._stream.space)

    def reset(self) -> Any:
        seeds = list(self.unwrapped._seeds)  # where VecEnv.seed leaves them for the next reset
        self._real = self.venv.reset()
        self._stream.seed(range(self.num_envs), seeds, self._drawn_seeds)
        everyone = list(range(self.num_envs))
        real = self._real if self._stream.options.mode == "mix" else None
        # not every wrapper between passes them on
        self.reset_infos = [dict(info) for info in self.unwrapped.reset_infos]
        ram = rams_in_list(self.reset_infos) if self._stream.reads_ram else None
        generated = self._stream.generate(everyone, [True] * self.num_envs, real, ram)
        return self._given(generated, self.reset_infos)

    def step_wait(self) -> Any:
        self._real, rewards, dones, infos = self.venv.step_wait()
        done = np.flatnonzero(dones).tolist()
        real_finals = [infos[index].get("terminal_observation") for index in done]
        ram = self._rams_over_ends(done, infos) if self._stream.reads_ram else None
        finals, newest = self._stream.generate_over_ends(dones, self._real, real_finals, ram)
        is_info = self._stream.options.mode == "info"
        key = "generated_terminal_observation" if is_info else "terminal_observation"
        for index, final in zip(done, finals, strict=True):
            infos[index][key] = final
        return self._given(newest, infos), rewards, dones, infos

    def get_images(self) -> Any:
        if self._render == "beside":
            real = self.venv.get_images()
            return [
                beside(np.asarray(left), self._stream.picture(i)) for i, left in enumerate(real)
            ]
        pictures = self._stream.agent_pictures(self._real)
        return self.venv.get_images() if pictures is None else pictures

    def render(self, mode: str | None = None) -> Frames | None:
        return VecEnv.render(self, mode)  # tiles what get_images returns

    def _given(self, generated: Any, infos: list[dict[str, Any]]) -> Any:
        if self._stream.options.mode != "info":
            return generated
        for info, observation in zip(infos, generated, strict=True):
            info["generated_observation"] = observation
        return self._real

    def _rams_over_ends(self, done: list[int], infos: list[dict[str, Any]]) -> Ram:
        """The memory behind what was seen last, then behind what is seen now: where an episode
        ended, the infos are still of its last step.
        """
        newest = list(infos)
        for index in done:
            newest[index] = self.unwrapped.reset_infos[index]
        return rams_in_list([*(infos[index] for index in done), *newest])

    def _drawn_seeds(self) -> list[int]:
        return [drawn_seed(rng) for rng in self.venv.get_attr("np_random")]


class FrameCaptureCallback(BaseCallback):
    """Records every agent step of `model.learn` into a buffer, whatever the algorithm.

    Each environment has its own writer, open while the model learns; RAM and palette indices can be
    stored of environments in this process (DummyVecEnv).

    Args:
        buffer: where to; a folder is opened as a buffer, or a fitting one is made there.
        layout: the axes of image observations, as `ImageLayout.axes` has them; None reads them off
            the shape.
        capacity: agent steps kept, if the buffer is made here.
        verbose: as for every callback.
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
        if self._recorder is not None:  # learn was left by an exception
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
        for index, observation in self._seen(self.model._last_obs):
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
        for index, observation in self._seen(step["new_obs"]):
            self._recorder.stage(index, observation)
        return True

    def _on_training_end(self) -> None:
        assert self._recorder is not None
        self._recorder.close()
        self._recorder = None

    def _seen(self, observations: Any) -> Iterable[tuple[int, Any]]:
        """Each environment's observation, as it was before VecNormalize."""
        normalizer = self.model.get_vec_normalize_env()
        if normalizer is not None:
            observations = normalizer.get_original_obs()
        if isinstance(observations, dict):  # no images that are stored: the emulator is asked
            return ((index, None) for index in range(self.training_env.num_envs))
        return enumerate(observations)
