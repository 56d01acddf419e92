"""GeneratedVecEnv: a stable-baselines3 VecEnv whose observations come from a generator."""

from pathlib import Path
from typing import Any, Unpack

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper

from atarigan.config.condition import includes_ram
from atarigan.data.states import State
from atarigan.images.env_layout import layout_of_env
from atarigan.images.pixels import Frames
from atarigan.models.latent_stream import Decoder

from .env_provenance import provenance_of_vector
from .generation_options import GenerationKwargs, GenerationOptions, Mode
from .observation_stream import ObservationStream, seed_from
from .ram_info import add_ram_infos
from .state_reading import Moment, check_observations, part_of, states_in_list


class GeneratedVecEnv(VecEnvWrapper):
    """Replaces the observations of a stable-baselines3 VecEnv with generated frames, with one
    generator call per step.

    After `seed(s)` and `reset()`, environment i returns what a `GeneratedObservation` returns after
    `reset(seed=s + i)`. infos[i]["terminal_observation"] is generated too. In mode "info" the
    generated observations are in infos[i]["generated_observation"] (after a reset, in
    `reset_infos`), and the last one of an episode in infos[i]["generated_terminal_observation"].
    Place it inside or outside VecFrameStack and VecTransposeImage.

    A generator that reads RAM takes it from infos[i]["ram"]. The environments of a DummyVecEnv are
    wrapped in `RamInfo` automatically; wrap those of a SubprocVecEnv yourself.

    Args:
        venv: the vectorized environment.
        generator, mode, options: as for `GeneratedObservation`.

    Raises:
        InputError: as for `GeneratedObservation`; at the first reset, infos lack the RAM that the
            generator reads.

    Example:
        >>> from stable_baselines3.common.env_util import make_vec_env
        >>> from atarigan.envs import GeneratedVecEnv
        >>> venv = make_vec_env("ALE/Pong-v5", n_envs=2, seed=0)
        >>> venv = GeneratedVecEnv(venv, "pong", mode="mix", probability=0.5)
        >>> venv.reset().shape
        (2, 210, 160, 3)
    """

    def __init__(
        self,
        venv: VecEnv,
        generator: Decoder | str | Path,
        mode: Mode = "replace",
        **options: Unpack[GenerationKwargs],
    ) -> None:
        generation = GenerationOptions(mode, **options)
        generation.check_render_mode(venv.render_mode)
        layout = layout_of_env(venv, generation.layout)
        self._stream = ObservationStream(
            generator,
            venv.observation_space,
            layout,
            venv.num_envs,
            generation,
            provenance_of_vector(venv),
        )
        state = self._stream.given_state
        if state is not None:
            check_observations(venv.observation_space, state)
            if includes_ram(state.kind) and isinstance(venv.unwrapped, DummyVecEnv):
                add_ram_infos(venv.unwrapped.envs)
        self._real: Any = None
        super().__init__(venv, observation_space=self._stream.space)

    def reset(self) -> Any:
        seeds = list(self.unwrapped._seeds)  # VecEnv.seed stores them here for the next reset
        self._real = self.venv.reset()
        self._stream.seed(range(self.num_envs), seeds, self._drawn_seeds)
        real = self._real if self._stream.needs_real else None
        # wrappers in between may not pass on reset_infos
        self.reset_infos = [dict(info) for info in self.unwrapped.reset_infos]
        states = self._states(self._moments(self.reset_infos))
        generated = self._stream.generate(
            range(self.num_envs), [True] * self.num_envs, real, states
        )
        return self._returned(generated, self.reset_infos)

    def step_wait(self) -> Any:
        self._real, rewards, dones, infos = self.venv.step_wait()
        # some environments can be stepped without a reset
        self._stream.seed(range(self.num_envs), [None] * self.num_envs, self._drawn_seeds)
        done = np.flatnonzero(dones).tolist()
        real_finals = [infos[index].get("terminal_observation") for index in done]
        states = self._states_with_finals(done, infos)
        finals, newest = self._stream.generate_with_finals(dones, real_finals, self._real, states)
        is_info = self._stream.options.mode == "info"
        key = "generated_terminal_observation" if is_info else "terminal_observation"
        for index, final in zip(done, finals, strict=True):
            infos[index][key] = final
        return self._returned(newest, infos), rewards, dones, infos

    def get_images(self) -> Any:
        return self._stream.pictures(self._real, self.venv.get_images)

    def render(self, mode: str | None = None) -> Frames | None:
        return VecEnv.render(self, mode)  # VecEnvWrapper would render the wrapped environment

    def _returned(self, generated: Any, infos: list[dict[str, Any]]) -> Any:
        if self._stream.options.mode != "info":
            return generated
        for info, observation in zip(infos, generated, strict=True):
            info["generated_observation"] = observation
        return self._real

    def _states_with_finals(self, done: list[int], infos: list[dict[str, Any]]) -> State | None:
        """Return the states behind last observations of episodes, then behind newest observations.

        Where an episode ended, `infos` still describes its last step.
        """
        newest = list(infos)
        for index in done:
            newest[index] = self.unwrapped.reset_infos[index]
        finals = [(infos[index].get("terminal_observation"), infos[index]) for index in done]
        return self._states([*finals, *self._moments(newest)])

    def _moments(self, infos: list[dict[str, Any]]) -> list[Moment]:
        """Return the newest real observation of each environment with its info."""
        return [(part_of(self._real, index), info) for index, info in enumerate(infos)]

    def _states(self, moments: list[Moment]) -> State | None:
        """Return the states of moments, (M, size); None if the generator reads none."""
        state = self._stream.given_state
        return None if state is None else states_in_list(state, moments)

    def _drawn_seeds(self) -> list[int]:
        return [seed_from(rng) for rng in self.venv.get_attr("np_random")]
