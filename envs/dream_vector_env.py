"""DreamVectorEnv: many games of a dream, as a vector environment."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.dream_batch import Outcomes

from .dream_games import DreamGames, DreamState, Infos
from .dream_options import DreamKwargs, DreamOptions, check_whole
from .json_spec import HasJsonSpec
from .vector_api import (
    Indices,
    Mask,
    Output,
    autoreset_mode_named,
    check_output,
    checked_reset_mask,
    seeds_of_reset,
)

if TYPE_CHECKING:
    from atarigan.models.frame_generator import FrameGenerator

_NOBODY = np.zeros(0, np.intp)


class DreamVectorEnv(HasJsonSpec, VectorEnv[Any, Any, Any]):
    """Many games of a dream at once: a step predicts and draws all of them together.

    Sub-environment i after `reset(seed=s)` returns what a `DreamEnv` returns after
    `reset(seed=s + i)`, in every autoreset mode. Observations have the shape of those of ALE's
    `AtariVectorEnv`, whose defaults differ: it clips rewards, waits up to 30 frames and presses
    FIRE at a reset, repeats no actions at random (a dream does as its collection did), and shows
    the maximum of two frames.

    Observations are those of `DreamEnv` with a first axis of N; rewards are float32 (N,),
    terminations and truncations bool (N,). `infos` has arrays of "lives", "episode_frame_number",
    "frame_number", each int64 (N,), "is_unseen", bool (N,), and "ram", uint8 (N, bytes), like
    observations an array or a tensor. In mode SAME_STEP, infos["final_obs"] are observations and
    infos["final_info"] such infos, both valid where infos["_final_obs"] is True.

    Args:
        model: a `Dream`, the folder of one, the name of one that comes with the package, or
            "hf://USER/NAME".
        num_envs: N, the number of sub-environments, at least 1.
        generator: a FrameGenerator that reads RAM, or what `FrameGenerator.load` takes. None takes
            the dream's own.
        output: "numpy", or "torch" for observations, rewards, terminations and truncations that are
            tensors on the generator's device; of RAM alone, on `device`. If that is CUDA, the
            games are played there, so that RAM and pixels stay on it.
        autoreset_mode: when a new episode begins: in the step after the last one (NEXT_STEP), in
            the last one (SAME_STEP), or with a reset (DISABLED).
        options: as for `DreamEnv`.

    Raises:
        InputError: `num_envs`, `output` or `autoreset_mode` is wrong; or as for `DreamEnv`.

    Example:
        >>> import gymnasium as gym
        >>> from atarigan.envs import DreamVectorEnv
        >>> envs = gym.make_vec(
        ...     "atarigan:atarigan/Dream-v0", 1024, model="runs/dream", output="torch"
        ... )  # doctest: +SKIP
        >>> observations, infos = envs.reset(seed=0)  # doctest: +SKIP
        >>> observations, rewards, *_ = envs.step(envs.action_space.sample())  # doctest: +SKIP
        >>> observations.shape  # doctest: +SKIP
        torch.Size([1024, 4, 84, 84])
    """

    def __init__(
        self,
        model: Dream | str | Path | None = None,
        num_envs: int = 1,
        generator: "FrameGenerator | str | Path | None" = None,
        *,
        output: Output = "numpy",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **options: Unpack[DreamKwargs],
    ) -> None:
        check_whole("num_envs", num_envs, 1)
        check_output(output)
        self._mode = autoreset_mode_named(autoreset_mode)
        chosen = DreamOptions(**options)
        self._games = DreamGames(model, generator, num_envs, chosen, output)
        self.num_envs = num_envs
        self.render_mode = chosen.render_mode
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": 30,
            "autoreset_mode": self._mode,
        }
        self.single_observation_space = self._games.seen.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.single_action_space = gym.spaces.Discrete(len(self.get_action_meanings()))
        self.action_space = batch_space(self.single_action_space, num_envs)

    def get_action_meanings(self) -> list[str]:
        """Return the name of each action, such as "UPRIGHTFIRE"."""
        return list(self._games.dream.settings.action_meanings)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode in all sub-environments, or in those in options["reset_mask"].

        Args:
            seed: an integer s gives sub-environment i the seed s + i. A sequence has a seed for
                each sub-environment, or for each one that is reset. With None, a random stream
                continues; the first seeds then follow from `np_random`.
            options: "reset_mask" is bool (num_envs,); the others keep their observation.

        Raises:
            InputError: the mask or the number of seeds does not fit, or some sub-environments were
                never reset.
        """
        rows = np.flatnonzero(checked_reset_mask(options, self.num_envs))
        seeds = seeds_of_reset(seed, self.num_envs, rows)
        super().reset(seed=int(seed) if isinstance(seed, (int, np.integer)) else None)
        self._games.reset(rows, seeds, self.np_random)
        return self._games.observations(), self._infos()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Play an agent step in all sub-environments.

        Args:
            actions: whole numbers (num_envs,): an array, a tensor or a list. Those of
                sub-environments that begin an episode are ignored.

        Raises:
            InputError: the actions are not one whole number in range for each sub-environment.
            ResetNeeded: there was no reset, or in mode DISABLED an episode ended before.
        """
        games = self._games
        games.check_begun()
        checked = games.checked_actions(actions)
        if games.is_over.any():
            outcomes, begun = self._begin_or_play(checked)
        else:
            outcomes, begun = games.play(checked), _NOBODY
        extra: dict[str, Any] = {}
        if self._mode is AutoresetMode.SAME_STEP and games.is_over.any():
            extra = self._restart(np.flatnonzero(games.is_over))
        else:
            games.show(begun)
        results = map(games.seen.as_output, outcomes)
        return games.observations(), *results, {**self._infos(), **extra}

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """Return an RGB picture uint8 (H, W, 3) for each sub-environment; None without a render
        mode.

        Raises:
            ResetNeeded: there was no reset.
        """
        return None if self.render_mode is None else tuple(self._games.pictures())

    def clone_state(self, index: int, include_rng: bool = True) -> DreamState:
        """Return a copy of the game of a sub-environment, as `DreamEnv.clone_state` does.

        Raises:
            InputError: there is no such sub-environment.
            ResetNeeded: there was no reset.
        """
        [row] = self._rows(index)
        return self._games.clone(row, include_rng=include_rng)

    def restore_state(self, index: int | None, state: DreamState) -> None:
        """Continue a sub-environment from a state, or all of them with None.

        Raises:
            InputError: there is no such sub-environment, or as for `DreamEnv.restore_state`.
            ResetNeeded: there was no reset.
        """
        self._games.restore(self._rows(index), state)

    def set_state(
        self,
        index: int | None,
        ram: Any,
        *,
        lives: int | None = None,
        resistance: int | None = None,
    ) -> Any:
        """Continue a sub-environment from RAM, or all of them with None, as `DreamEnv.set_state`
        does; return the observations of all.

        Raises:
            InputError: there is no such sub-environment, or as for `DreamEnv.set_state`.
            ResetNeeded: there was no reset.
        """
        self._games.set_state(self._rows(index), ram, lives, resistance)
        return self._games.observations()

    def _rows(self, index: int | None) -> Indices:
        if index is None:
            return np.arange(self.num_envs)
        check_whole("index", index, 0, self.num_envs - 1)
        return np.array([index])

    def _begin_or_play(self, actions: npt.NDArray[np.int64]) -> tuple[Outcomes, Indices]:
        """Begin episodes where they ended and play the other games; return what all lead to, and
        the games that began.
        """
        if self._mode is AutoresetMode.DISABLED:
            raise ResetNeeded(
                "sub-environments that ended must be reset first: "
                "reset(options={'reset_mask': terminations | truncations})"
            )
        is_over, num = self._games.is_over, self.num_envs
        begun, playing = np.flatnonzero(is_over), np.flatnonzero(~is_over)
        self._games.begin(begun)
        outcomes = Outcomes(np.zeros(num, np.float32), *np.zeros((2, num), np.bool_))
        for values, played in zip(
            outcomes, self._games.play(actions[playing], playing), strict=True
        ):
            values[playing] = played
        return outcomes, begun

    def _restart(self, ended: Indices) -> dict[str, Any]:
        """Begin new episodes where they ended, and show them; return what was last observed."""
        games = self._games
        final_info, final_rams = games.infos(), games.states.rams[ended]
        mask = games.is_over.copy()
        games.begin(ended)
        finals = games.seen.push_with_finals(games.states.rams, ended, final_rams)
        final_obs = games.observations()
        pairs = [(final_obs, finals)]
        if isinstance(finals, dict):
            pairs = [(final_obs[name], finals[name]) for name in finals]
        for values, last in pairs:
            values[games.seen.as_output(ended)] = last
        return {
            "final_obs": final_obs,
            "_final_obs": games.seen.as_output(mask),
            "final_info": _with_masks(final_info, mask),
            "_final_info": mask,
        }

    def _infos(self) -> dict[str, Any]:
        return _with_masks(self._games.infos(), np.ones(self.num_envs, np.bool_))


def _with_masks(infos: Infos, mask: Mask) -> Infos:
    """Add the mask of each entry, as Gymnasium's vector environments do."""
    return {**infos, **{f"_{name}": mask for name in infos}}
