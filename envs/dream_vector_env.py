"""DreamVectorEnv: many games of a dream, as a vector environment."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from atarigan.models.dynamics.dream import Dream

from .dream_games import DreamGames, DreamState
from .dream_options import DreamKwargs, DreamOptions, check_whole
from .games_vector_env import GamesVectorEnv
from .vector_api import Output, autoreset_mode_named, check_output

if TYPE_CHECKING:
    from atarigan.models.frame_generator import FrameGenerator


class DreamVectorEnv(GamesVectorEnv[DreamState]):
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
        mode, chosen = autoreset_mode_named(autoreset_mode), DreamOptions(**options)
        self._games = DreamGames(model, generator, num_envs, chosen, output)
        actions = gym.spaces.Discrete(len(self.get_action_meanings()))
        super().__init__(self._games, actions, mode, chosen.render_mode)

    def get_action_meanings(self) -> list[str]:
        """Return the name of each action, such as "UPRIGHTFIRE"."""
        return list(self._games.dream.settings.action_meanings)

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
