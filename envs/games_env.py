"""GamesEnv: one game of a dream as an environment."""

from typing import Any, Generic

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded

from atarigan.images.pixels import Frames

from .games import Games, StateT
from .json_spec import HasJsonSpec

ONLY = np.zeros(1, np.intp)


class GamesEnv(HasJsonSpec, gym.Env[Any, Any], Generic[StateT]):
    """Plays a game, which a `StateT` holds at one moment.

    Args:
        games: one game.
        actions: space of its actions.
        render_mode: None or "rgb_array".
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012  (as in gym.Env)

    def __init__(
        self, games: Games[StateT], actions: gym.Space[Any], render_mode: str | None
    ) -> None:
        self._played = games
        self.render_mode = render_mode
        self.observation_space = games.seen.space
        self.action_space = actions

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; `seed` determines all that follows, and None continues the stream."""
        super().reset(seed=seed)
        self._played.reset(ONLY, [seed], self.np_random)
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Play an agent step.

        Raises:
            InputError: the action is not one of the space.
            ResetNeeded: there was no reset, or the episode has ended.
        """
        self._played.check_begun()
        if self._played.is_over[0]:
            raise ResetNeeded("the episode has ended: reset the environment first")
        outcomes = self._played.play(self._checked(action))
        self._played.show()
        return (
            self._observation(),
            float(outcomes.rewards[0]),
            bool(outcomes.ends[0]),
            bool(outcomes.truncations[0]),
            self._info(),
        )

    def render(self) -> Frames | None:
        """Return the newest frame, RGB uint8 (H, W, 3); None without a render mode.

        Raises:
            ResetNeeded: there was no reset.
        """
        return None if self.render_mode is None else self._played.pictures()[0]

    def clone_state(self, include_rng: bool = True) -> StateT:
        """Return a copy of the game, its frames and its random stream.

        Args:
            include_rng: whether `restore_state` also restores the random stream, so that the game
                goes on in the same way. False keeps the stream as it is then, so that what is
                random, such as sticky actions or the begin of later episodes, differs.

        Raises:
            ResetNeeded: there was no reset.
        """
        return self._played.clone(0, include_rng=include_rng)

    def restore_state(self, state: StateT) -> None:
        """Continue from a state, which may be of another environment of the same dream.

        Raises:
            InputError: the state is of another dream, or its observations are of another kind.
            ResetNeeded: there was no reset.
        """
        self._played.restore(ONLY, state)

    def _checked(self, action: Any) -> Any:
        """Return an action as an array of one. Raises InputError if it is not of the space."""
        return self._played.checked_actions(np.asarray(action)[None])

    def _observation(self) -> Any:
        batch = self._played.observations()
        if isinstance(batch, dict):
            return {name: values[0] for name, values in batch.items()}
        return batch[0]

    def _info(self) -> dict[str, Any]:
        infos = {name: values[0] for name, values in self._played.infos().items()}
        return {name: each if each.ndim else each.item() for name, each in infos.items()}
