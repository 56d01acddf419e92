"""NetworkDreamVectorEnv: many episodes of a dream of vectors, as a vector environment."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from gymnasium.vector import AutoresetMode

from atarigan.models.network_dreams.network_dream import NetworkDream

from .dream_options import check_whole
from .games_vector_env import GamesVectorEnv
from .network_games import NetworkDreamKwargs, NetworkDreamOptions, NetworkDreamState, NetworkGames
from .vector_api import Output, autoreset_mode_named, check_output

if TYPE_CHECKING:
    from atarigan.models.frame_generator import FrameGenerator


class NetworkDreamVectorEnv(GamesVectorEnv[NetworkDreamState]):
    """Many episodes of a dream of vectors at once: a step predicts and draws all of them together.

    Sub-environment i after `reset(seed=s)` returns what a `NetworkDreamEnv` returns after
    `reset(seed=s + i)`, bit for bit on one machine, in every autoreset mode.

    Observations are those of `NetworkDreamEnv` with a first axis of N; rewards are float32 (N,),
    terminations and truncations bool (N,). `infos` has arrays of "is_unseen", bool (N,), and
    "state", float32 (N, size). In mode SAME_STEP, infos["final_obs"] are observations and
    infos["final_info"] such infos, both valid where infos["_final_obs"] is True.

    Args:
        model: as for `NetworkDreamEnv`.
        num_envs: N, the number of sub-environments, at least 1.
        generator: as for `NetworkDreamEnv`.
        output: "numpy", or "torch" for observations, rewards, terminations and truncations that are
            tensors on the generator's device; of vectors alone, on `device`.
        autoreset_mode: when a new episode begins: in the step after the last one (NEXT_STEP), in
            the last one (SAME_STEP), or with a reset (DISABLED).
        options: as for `NetworkDreamEnv`.

    Raises:
        InputError: `num_envs`, `output` or `autoreset_mode` is wrong; or as for `NetworkDreamEnv`.

    Example:
        >>> import gymnasium as gym
        >>> envs = gym.make_vec(
        ...     "atarigan:atarigan/Dream-v0", 64, model="runs/cartpole-dream"
        ... )  # doctest: +SKIP
        >>> observations, infos = envs.reset(seed=0)  # doctest: +SKIP
        >>> observations.shape  # doctest: +SKIP
        (64, 4)
    """

    def __init__(
        self,
        model: NetworkDream | str | Path,
        num_envs: int = 1,
        generator: "FrameGenerator | str | Path | None" = None,
        *,
        output: Output = "numpy",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **options: Unpack[NetworkDreamKwargs],
    ) -> None:
        check_whole("num_envs", num_envs, 1)
        check_output(output)
        mode, chosen = autoreset_mode_named(autoreset_mode), NetworkDreamOptions.of(options)
        self._games = NetworkGames(model, generator, num_envs, chosen, output)
        super().__init__(self._games, self._games.dream.actions.space, mode, chosen.render_mode)

    def set_state(self, index: int | None, state: Any) -> Any:
        """Continue a sub-environment from a vector, or all of them with None; return the
        observations of all.

        Raises:
            InputError: there is no such sub-environment, or as for `NetworkDreamEnv.set_state`.
            ResetNeeded: there was no reset.
        """
        self._games.set_state(self._rows(index), state)
        return self._games.observations()
