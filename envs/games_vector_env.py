"""GamesVectorEnv: the games of a dream as a vector environment, in each autoreset mode."""

from typing import Any, Generic

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from atarigan.models.dynamics.dream_batch import Outcomes

from .dream_options import check_whole
from .games import Games, Infos, StateT
from .json_spec import HasJsonSpec
from .vector_api import Indices, Mask, checked_reset_mask, seeds_of_reset

_NOBODY = np.zeros(0, np.intp)


class GamesVectorEnv(HasJsonSpec, VectorEnv[Any, Any, Any], Generic[StateT]):
    """Plays games, all of them in one call a step. A `StateT` holds one of them at one moment.

    Args:
        games: N games.
        actions: space of the actions of a game.
        mode: when a new episode begins.
        render_mode: None or "rgb_array".
    """

    def __init__(
        self,
        games: Games[StateT],
        actions: gym.Space[Any],
        mode: AutoresetMode,
        render_mode: str | None,
    ) -> None:
        self._played, self._mode = games, mode
        self.num_envs = len(games.is_over)
        self.render_mode = render_mode
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": 30,
            "autoreset_mode": mode,
        }
        self.single_observation_space = games.seen.space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.single_action_space = actions
        self.action_space = batch_space(actions, self.num_envs)

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
        self._played.reset(rows, seeds, self.np_random)
        return self._played.observations(), self._infos()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Play an agent step in all sub-environments.

        Args:
            actions: (num_envs, ...): an array, a tensor or a list. Those of sub-environments that
                begin an episode are ignored.

        Raises:
            InputError: the actions are not one of the space for each sub-environment.
            ResetNeeded: there was no reset, or in mode DISABLED an episode ended before.
        """
        games = self._played
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
        return None if self.render_mode is None else tuple(self._played.pictures())

    def clone_state(self, index: int, include_rng: bool = True) -> StateT:
        """Return a copy of the game of a sub-environment, its frames and its random stream.

        Args:
            index: number of the sub-environment.
            include_rng: whether `restore_state` also restores the random stream, so that the game
                goes on in the same way.

        Raises:
            InputError: there is no such sub-environment.
            ResetNeeded: there was no reset.
        """
        [row] = self._rows(index)
        return self._played.clone(row, include_rng=include_rng)

    def restore_state(self, index: int | None, state: StateT) -> None:
        """Continue a sub-environment from a state, or all of them with None.

        Raises:
            InputError: there is no such sub-environment, the state is of another dream, or its
                observations are of another kind.
            ResetNeeded: there was no reset.
        """
        self._played.restore(self._rows(index), state)

    def _rows(self, index: int | None) -> Indices:
        if index is None:
            return np.arange(self.num_envs)
        check_whole("index", index, 0, self.num_envs - 1)
        return np.array([index])

    def _begin_or_play(self, actions: npt.NDArray[Any]) -> tuple[Outcomes, Indices]:
        """Begin episodes where they ended and play the other games; return what all lead to, and
        the games that began.
        """
        if self._mode is AutoresetMode.DISABLED:
            raise ResetNeeded(
                "sub-environments that ended must be reset first: "
                "reset(options={'reset_mask': terminations | truncations})"
            )
        is_over, num = self._played.is_over, self.num_envs
        begun, playing = np.flatnonzero(is_over), np.flatnonzero(~is_over)
        self._played.begin(begun)
        outcomes = Outcomes(np.zeros(num, np.float32), *np.zeros((2, num), np.bool_))
        for values, played in zip(
            outcomes, self._played.play(actions[playing], playing), strict=True
        ):
            values[playing] = played
        return outcomes, begun

    def _restart(self, ended: Indices) -> dict[str, Any]:
        """Begin new episodes where they ended, and show them; return what was last observed."""
        games = self._played
        final_info, mask = games.infos(), games.is_over.copy()
        finals = games.restart(ended)
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
        return _with_masks(self._played.infos(), np.ones(self.num_envs, np.bool_))


def _with_masks(infos: Infos, mask: Mask) -> Infos:
    """Add the mask of each entry, as Gymnasium's vector environments do."""
    return {**infos, **{f"_{name}": mask for name in infos}}
