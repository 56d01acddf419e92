"""GeneratedVectorObservation: vector environments with generated observations."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

from atarigan.errors import InputError
from atarigan.models.latent_stream import Decoder, Ram, Schedule

from .generated import RenderChoice, check_render_choice
from .generation_options import GenerationOptions, Mode
from .observation_stream import Observations, ObservationStream, beside
from .ram_info import add_ram_infos, rams_in_vector
from .seeding import drawn_seed, seeds_of_reset
from .vector_wrapper import AnyVectorWrapper

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


class GeneratedVectorObservation(AnyVectorWrapper, gym.utils.RecordConstructorArgs):
    """Gives the agents of a vector environment generated observations, all of them from one
    generator call a step.

    Sub-environment i of `reset(seed=s)` sees what a `GeneratedObservation` sees after `reset(seed=s
    + i)`, in every autoreset mode; infos["final_obs"] is generated too. In mode "info" the
    generated observations are in infos["generated_observation"], and those that end an episode in
    infos["final_info"]["generated_observation"].

    A generator that reads the console's memory takes it from infos["ram"]: put `RamInfo` around
    each sub-environment of an AsyncVectorEnv; those of a SyncVectorEnv are given it here. ALE's own
    vector has no memory to give.

    `render()` gives one picture for each sub-environment, also where the vector environment itself
    has no render mode, as ALE's `AtariVectorEnv`.

    Args:
        env: the vector environment: Gymnasium's Sync- or AsyncVectorEnv,
            `ale_py.vector_env.AtariVectorEnv`, or any other that says its autoreset mode.
        generator: a FrameGenerator, or a run or checkpoint folder to load one from.
        mode, probability, latent, walk_length, layout: see `GenerationOptions`.
        render: "agent" or "beside", as for `GeneratedObservation`.

    Raises:
        InputError: as for `GeneratedObservation`, or the vector environment does not say its
            autoreset mode, steps only some of its sub-environments at a time, or does not give the
            memory that the generator reads (where only its infos can tell, at the first reset).
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        generator: Decoder | str | Path,
        mode: Mode = "replace",
        *,
        probability: float = 0.5,
        latent: Schedule = "step",
        walk_length: float = 50.0,
        layout: str | None = None,
        render: RenderChoice = "agent",
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=True,
            generator=generator,
            mode=mode,
            probability=probability,
            latent=latent,
            walk_length=walk_length,
            layout=layout,
            render=render,
        )
        AnyVectorWrapper.__init__(self, env)
        check_render_choice(render, env.render_mode)
        self._autoreset_mode = autoreset_mode_of(env)
        options = GenerationOptions(mode, probability, latent, walk_length, layout)
        single_space = env.single_observation_space
        self._stream = ObservationStream(generator, single_space, env.num_envs, options)
        if self._stream.reads_ram:
            check_tells_ram(env)
        self.single_observation_space = self._stream.space
        self.observation_space = batch_space(self._stream.space, env.num_envs)
        self._render = render
        self._is_done = np.zeros(env.num_envs, np.bool_)
        self._real: Any = None

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all sub-environments, or those of options["reset_mask"]; the others keep their
        observation.

        Args:
            seed: an integer s gives sub-environment i the seed s + i; a sequence holds one for
                each, or one for each that is reset.
            options: passed on.
        """
        is_reset = reset_mask_of(options, self.num_envs)
        indices = np.flatnonzero(is_reset)
        seeds = seeds_of_reset(seed, self.num_envs, indices)
        self._real, infos = self.env.reset(seed=seed, options=options)
        self._stream.seed(indices.tolist(), seeds, self._drawn_seeds)
        self._is_done = self._is_done & ~is_reset
        self._generate(indices, [True] * len(indices), infos)
        return self._given(infos, is_reset)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        self._real, rewards, terminations, truncations, infos = self.env.step(actions)
        is_done = np.logical_or(terminations, truncations)
        if self._autoreset_mode is AutoresetMode.SAME_STEP and is_done.any():
            infos = self._generate_over_ends(is_done, infos)
        else:
            begins = self._is_done & (self._autoreset_mode is AutoresetMode.NEXT_STEP)
            self._generate(np.arange(self.num_envs), begins.tolist(), infos)
        self._is_done = is_done
        observations, infos = self._given(infos, np.ones(self.num_envs, np.bool_))
        return observations, rewards, terminations, truncations, infos

    def render(self) -> Any:
        if self._render == "beside":
            real: Any = self.env.render()
            return tuple(beside(left, self._stream.picture(i)) for i, left in enumerate(real))
        pictures = self._stream.agent_pictures(self._real)
        return self.env.render() if pictures is None else tuple(pictures)

    def _drawn_seeds(self) -> list[int]:
        """A seed for each sub-environment, from its own generator or from one for all."""
        rngs: Any = self.env.np_random
        if isinstance(rngs, np.random.Generator):
            sequence = np.random.SeedSequence(drawn_seed(rngs))
            return [int(each) for each in sequence.generate_state(self.num_envs)]
        return [drawn_seed(rng) for rng in rngs]

    def _generate(self, indices: Indices, is_first: list[bool], infos: dict[str, Any]) -> None:
        is_mixing = self._stream.options.mode == "mix"
        real = [self._real[index] for index in indices] if is_mixing else None
        ram = rams_in_vector(infos, indices) if self._stream.reads_ram else None
        self._stream.generate(indices.tolist(), is_first, real, ram)

    def _generate_over_ends(self, is_done: Mask, infos: dict[str, Any]) -> dict[str, Any]:
        """Generate the last observations of ended episodes too; returns infos with them."""
        real_finals = [infos["final_obs"][index] for index in np.flatnonzero(is_done)]
        ram = self._rams_over_ends(is_done, infos) if self._stream.reads_ram else None
        finals, newest = self._stream.generate_over_ends(is_done, self._real, real_finals, ram)
        if self._stream.options.mode == "info":
            generated = np.zeros_like(newest)
            generated[is_done] = finals
            final_info = _with_generated(infos.get("final_info", {}), generated, is_done)
            return {**infos, "final_info": final_info, "_final_info": is_done.copy()}
        if infos["final_obs"].dtype == object:
            final_obs = np.full(self.num_envs, None, object)
            for index, final in zip(np.flatnonzero(is_done), finals, strict=True):
                final_obs[index] = final
        else:  # ALE's own: a plain array that means something only where an episode ended
            final_obs = newest.copy()
            final_obs[is_done] = finals
        return {**infos, "final_obs": final_obs}

    def _rams_over_ends(self, is_done: Mask, infos: dict[str, Any]) -> Ram:
        finals = rams_in_vector(infos.get("final_info", {}), np.flatnonzero(is_done))
        return np.concatenate([finals, rams_in_vector(infos, np.arange(self.num_envs))])

    def _given(self, infos: dict[str, Any], is_new: Mask) -> tuple[Any, dict[str, Any]]:
        """What the agents get; `is_new` marks the observations that were just generated."""
        generated = self._stream.current()
        if self._stream.options.mode != "info":
            return generated, infos
        generated[~is_new] = 0
        return self._real, _with_generated(infos, generated, is_new)


def _with_generated(infos: dict[str, Any], generated: Observations, mask: Mask) -> dict[str, Any]:
    """Infos with generated observations as Gymnasium packs them: an array and its mask."""
    key = "generated_observation"
    return {**infos, key: generated, f"_{key}": mask.copy()}


def check_tells_ram(envs: VectorEnv[Any, Any, Any]) -> None:
    """See to it, where the sub-environments are in this process, that infos hold their memory.

    Raises:
        InputError: they have none, or are ALE's own vector, which does not give it.
    """
    if isinstance(envs.unwrapped, SyncVectorEnv):
        add_ram_infos(envs.unwrapped.envs)
    elif isinstance(envs.unwrapped, AtariVectorEnv):
        raise InputError(
            "this generator reads the console's memory, which ALE's AtariVectorEnv does not give: "
            "make the vector with vectorization_mode='sync', or 'async' and wrappers=[RamInfo]"
        )


def autoreset_mode_of(envs: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    """How a vector environment begins new episodes.

    Raises:
        InputError: it does not say so, or it returns only some of its sub-environments from a step.
    """
    mode = envs.metadata.get("autoreset_mode")
    if mode is None:
        raise InputError(f"{envs} must name its autoreset mode in metadata['autoreset_mode']")
    batch_size = getattr(envs.unwrapped, "batch_size", envs.num_envs)
    if batch_size != envs.num_envs:
        raise InputError(
            f"{envs} must step all of its sub-environments: batch_size must be {envs.num_envs}, "
            f"not {batch_size}"
        )
    return AutoresetMode(mode)


def reset_mask_of(options: dict[str, Any] | None, num_envs: int) -> Mask:
    """Which sub-environments a reset with these options resets, bool (num_envs,)."""
    if options is None or "reset_mask" not in options:
        return np.ones(num_envs, np.bool_)
    return np.array(options["reset_mask"], np.bool_)
