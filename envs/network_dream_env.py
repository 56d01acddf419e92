"""NetworkDreamEnv: a learned environment of vectors, as an environment."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from atarigan.models.network_dreams.network_dream import NetworkDream

from .games_env import ONLY, GamesEnv
from .network_games import NetworkDreamKwargs, NetworkDreamOptions, NetworkDreamState, NetworkGames

if TYPE_CHECKING:
    from atarigan.models.frame_generator import FrameGenerator


class NetworkDreamEnv(GamesEnv[NetworkDreamState]):
    """A learned environment whose state is a vector of numbers, such as CartPole.

    From the vector and an action, two networks predict the next vector, the reward and whether the
    episode ends. Actions are those of the real environment; continuous ones are clipped to their
    bounds. Episodes begin with the first states of real episodes, and are truncated after as many
    agent steps as those of the real environment. Playing needs numba, of the extra `dream`.

    Observations are the vector, float32 (size,), or frames that a generator draws of the last
    vectors, uint8 (stack_num, H, W), or (stack_num, H, W, 3) in colors; or a Dict of both. `info`
    has "is_unseen", a bool, and "state", float32 (size,). `reset(seed=s)`, with s at least 0,
    determines all that follows: the dream itself is deterministic. `render()` returns the newest
    frame, RGB uint8 (H, W, 3).

    "is_unseen" is True in states with a number outside of the range of the real play that was
    learned: what follows is a guess. `end_if_unseen=True` truncates the episode.

    Args:
        model: a `NetworkDream`, the folder of one, or "hf://USER/NAME".
        generator: a FrameGenerator that reads such states, or what `FrameGenerator.load` takes.
            None takes the dream's own.
        options: `obs_type`, `stack_num`, `end_if_unseen`, `render_mode`, `device` and
            `allow_other_game`, which `NetworkDreamOptions` describes.

    Raises:
        InputError: an option is unknown or out of range; the dream or the generator is missing or
            damaged; or the generator does not read such states.

    Example:
        >>> import gymnasium as gym
        >>> env = gym.make("atarigan:atarigan/Dream-v0", model="runs/cartpole")  # doctest: +SKIP
        >>> observation, info = env.reset(seed=0)  # doctest: +SKIP
        >>> observation.shape, info["is_unseen"]  # doctest: +SKIP
        ((4,), False)
    """

    def __init__(
        self,
        model: NetworkDream | str | Path,
        generator: "FrameGenerator | str | Path | None" = None,
        **options: Unpack[NetworkDreamKwargs],
    ) -> None:
        chosen = NetworkDreamOptions.of(options)
        self._games = NetworkGames(model, generator, 1, chosen)
        super().__init__(self._games, self._games.dream.actions.space, chosen.render_mode)
        if not self._games.is_drawn:
            self.metadata = {**self.metadata, "render_modes": []}

    def set_state(self, state: Any) -> Any:
        """Continue from a vector of finite numbers (size,) and return its observation, as at an
        episode's begin.

        Raises:
            InputError: it has another shape, or other numbers.
            ResetNeeded: there was no reset.
        """
        self._games.set_state(ONLY, state)
        return self._observation()
