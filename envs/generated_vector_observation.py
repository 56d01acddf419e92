"""GeneratedVectorObservation: a vector environment whose observations come from a generator."""

from pathlib import Path
from typing import Any, Unpack

import gymnasium as gym
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

from atarigan.config.condition import includes_ram
from atarigan.data.states import State, StateSpec
from atarigan.errors import InputError
from atarigan.images.env_layout import layout_of_env
from atarigan.models.latent_stream import Decoder

from .env_provenance import provenance_of_vector
from .game_copies import CopiedWithGame
from .generation_options import GenerationKwargs, GenerationOptions, Mode
from .json_spec import for_spec
from .observation_stream import Observations, ObservationStream, seed_from
from .ram_info import add_ram_infos
from .state_reading import check_observations, part_of, states_in_vector
from .vector_api import (
    AnyVectorWrapper,
    Indices,
    Mask,
    autoreset_mode_of,
    reset_mask_of,
    seeds_of_reset,
)


class GeneratedVectorObservation(CopiedWithGame, AnyVectorWrapper, gym.utils.RecordConstructorArgs):
    """Replaces the observations of a vector environment with generated frames, with one generator
    call per step.

    After `reset(seed=s)`, sub-environment i returns what a `GeneratedObservation` returns after
    `reset(seed=s + i)`, in every autoreset mode. infos["final_obs"] is generated too. In mode
    "info" the generated observations are in infos["generated_observation"], and the last ones of an
    episode in infos["final_info"]["generated_observation"].

    A generator that reads RAM takes it from infos["ram"]. The sub-environments of a SyncVectorEnv
    are wrapped in `RamInfo` automatically; wrap those of an AsyncVectorEnv yourself. ALE's own
    AtariVectorEnv gives no RAM.

    `render()` returns one picture per sub-environment, RGB uint8 (H, W, 3), even if the vector
    environment has no render mode, as ALE's `AtariVectorEnv`.

    Args:
        env: the vector environment: Gymnasium's SyncVectorEnv or AsyncVectorEnv,
            `ale_py.vector_env.AtariVectorEnv`, or another one with an autoreset mode in its
            metadata.
        generator, mode, options: as for `GeneratedObservation`.

    Raises:
        InputError: as for `GeneratedObservation`; the vector environment has no autoreset mode or
            steps only some sub-environments at a time; or it does not give the RAM that the
            generator reads (an AsyncVectorEnv raises at the first reset).

    Example:
        >>> import gymnasium as gym
        >>> from atarigan.envs import GeneratedVectorObservation
        >>> envs = gym.make_vec("ALE/Breakout-v5", 2, "sync", obs_type="grayscale")
        >>> envs = GeneratedVectorObservation(envs, "breakout", latent="episode")
        >>> observations, infos = envs.reset(seed=0)
        >>> observations, *_ = envs.step([0, 1])
        >>> observations.shape
        (2, 210, 160)
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        generator: Decoder | str | Path,
        mode: Mode = "replace",
        **options: Unpack[GenerationKwargs],
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self, _disable_deepcopy=True, generator=for_spec(generator), mode=mode, **options
        )
        AnyVectorWrapper.__init__(self, env)
        generation = GenerationOptions(mode, **options)
        generation.check_render_mode(env.render_mode)
        self.metadata = {**env.metadata, "render_modes": ["rgb_array"]}
        self._autoreset_mode = autoreset_mode_of(env)
        single_space = env.single_observation_space
        layout = layout_of_env(env, generation.layout)
        self._stream = ObservationStream(
            generator, single_space, layout, env.num_envs, generation, provenance_of_vector(env)
        )
        if self._stream.given_state is not None:
            _provide_states(env, self._stream.given_state)
        self.single_observation_space = self._stream.space
        if mode != "info":  # which leaves observations as they are, of different spaces as well
            self.observation_space = batch_space(self._stream.space, env.num_envs)
        self._is_done = np.zeros(env.num_envs, np.bool_)
        self._real: Any = None

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all sub-environments, or those in options["reset_mask"]; the others keep their
        observation.

        Args:
            seed: an integer s gives sub-environment i the seed s + i. A sequence has a seed for
                each sub-environment, or for each one that is reset.
            options: passed on to the vector environment.
        """
        mask = dict(options or {})  # SyncVectorEnv removes the mask from the options
        self._real, infos = self.env.reset(seed=seed, options=options)
        is_reset = reset_mask_of(mask, self.num_envs)
        indices = np.flatnonzero(is_reset)
        seeds = seeds_of_reset(seed, self.num_envs, indices)
        self._stream.seed(indices.tolist(), seeds, self._drawn_seeds)
        self._is_done = self._is_done & ~is_reset
        self._generate(indices, [True] * len(indices), infos)
        return self._returned(infos, is_reset)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        self._real, rewards, terminations, truncations, infos = self.env.step(actions)
        # some environments can be stepped without a reset
        self._stream.seed(range(self.num_envs), [None] * self.num_envs, self._drawn_seeds)
        is_done = np.logical_or(terminations, truncations)
        if self._autoreset_mode is AutoresetMode.SAME_STEP and is_done.any():
            infos = self._generate_with_finals(is_done, infos)
        else:
            begins = self._is_done & (self._autoreset_mode is AutoresetMode.NEXT_STEP)
            self._generate(np.arange(self.num_envs), begins.tolist(), infos)
        self._is_done = is_done
        observations, infos = self._returned(infos, np.ones(self.num_envs, np.bool_))
        return observations, rewards, terminations, truncations, infos

    def render(self) -> Any:
        if self._real is None:
            raise gym.error.ResetNeeded("cannot render before the first reset")
        return tuple(self._stream.pictures(self._real, self.env.render))

    def _drawn_seeds(self) -> list[int]:
        """Return a seed for each sub-environment, from its own random generator or a shared one."""
        rngs: Any = self.env.np_random
        if isinstance(rngs, np.random.Generator):
            sequence = np.random.SeedSequence(seed_from(rngs))
            return [int(each) for each in sequence.generate_state(self.num_envs)]
        return [seed_from(rng) for rng in rngs]

    def _generate(self, indices: Indices, is_first: list[bool], infos: dict[str, Any]) -> None:
        needs_real = self._stream.needs_real
        real = [self._real[index] for index in indices] if needs_real else None
        states = self._newest_states(infos, indices)
        self._stream.generate(indices.tolist(), is_first, real, states)

    def _generate_with_finals(self, is_done: Mask, infos: dict[str, Any]) -> dict[str, Any]:
        """Generate new observations and the last ones of ended episodes; return infos with the
        latter.
        """
        real_finals = [infos["final_obs"][index] for index in np.flatnonzero(is_done)]
        states = self._states_with_finals(is_done, infos)
        finals, newest = self._stream.generate_with_finals(is_done, real_finals, self._real, states)
        if self._stream.options.mode == "info":
            generated = np.zeros_like(newest)
            generated[is_done] = finals
            final_info = _with_generated(infos.get("final_info", {}), generated, is_done)
            return {**infos, "final_info": final_info, "_final_info": is_done.copy()}
        if infos["final_obs"].dtype == object:
            final_obs = np.full(self.num_envs, None, object)
            for index, final in zip(np.flatnonzero(is_done), finals, strict=True):
                final_obs[index] = final
        else:  # AtariVectorEnv: a plain array that is valid only where an episode ended
            final_obs = newest.copy()
            final_obs[is_done] = finals
        return {**infos, "final_obs": final_obs}

    def _newest_states(self, infos: dict[str, Any], indices: Indices) -> State | None:
        """Return the states behind the newest observations, (M, size); None without states."""
        state = self._stream.given_state
        if state is None:
            return None
        return states_in_vector(state, self._real_of, infos, indices)

    def _states_with_finals(self, is_done: Mask, infos: dict[str, Any]) -> State | None:
        """Return the states behind last observations of episodes, then behind newest observations;
        None without states.
        """
        state, done = self._stream.given_state, np.flatnonzero(is_done)
        if state is None:
            return None
        of_finals, final_info = infos["final_obs"], infos.get("final_info", {})
        finals = states_in_vector(state, lambda index: of_finals[index], final_info, done)
        newest = states_in_vector(state, self._real_of, infos, np.arange(self.num_envs))
        return np.concatenate([finals, newest])

    def _real_of(self, index: int) -> Any:
        """Return the real observation of a sub-environment."""
        return part_of(self._real, index)

    def _returned(self, infos: dict[str, Any], is_new: Mask) -> tuple[Any, dict[str, Any]]:
        """Return observations and infos as `mode` asks; `is_new` marks new observations."""
        generated = self._stream.current()
        if self._stream.options.mode != "info":
            return generated, infos
        generated[~is_new] = 0
        return self._real, _with_generated(infos, generated, is_new)


def _with_generated(infos: dict[str, Any], generated: Observations, mask: Mask) -> dict[str, Any]:
    """Add generated observations to infos as Gymnasium packs them: an array and its mask."""
    key = "generated_observation"
    return {**infos, key: generated, f"_{key}": mask.copy()}


def _provide_states(envs: VectorEnv[Any, Any, Any], state: StateSpec) -> None:
    """Check that observations are such states, and wrap sub-environments that are in this process
    in `RamInfo` where RAM is read.

    Raises:
        InputError: one has no RAM, or the vector environment is ALE's own, which gives none; or
            observations are other ones.
    """
    check_observations(envs.single_observation_space, state)
    if not includes_ram(state.kind):
        return
    if isinstance(envs.unwrapped, SyncVectorEnv):
        add_ram_infos(envs.unwrapped.envs)
    elif isinstance(envs.unwrapped, AtariVectorEnv):
        raise InputError(
            "this generator reads RAM, which ALE's AtariVectorEnv does not give: make the vector "
            "environment with vectorization_mode='sync', or 'async' and wrappers=[RamInfo]"
        )
