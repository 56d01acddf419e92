"""DreamEnv: a learned Atari game, as an environment."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import gymnasium as gym
import numpy as np

from atarigan.errors import InputError, shown
from atarigan.models.dynamics.dream import Dream

from .dream_games import DreamGames, DreamState
from .dream_options import DreamKwargs, DreamOptions
from .games_env import ONLY, GamesEnv

if TYPE_CHECKING:
    from atarigan.models.frame_generator import FrameGenerator


class DreamEnv(GamesEnv[DreamState]):
    """A learned Atari game: no emulator plays it.

    From RAM, the console's 128 bytes of memory, and an action, the dream predicts the RAM, the
    reward, the lives and the end of each emulator frame, and a generator draws the frame. Actions,
    frame skip and sticky actions are as in ALE's environment of the game. Playing needs numba, of
    the extra `dream`.

    Observations are the frames of the last agent steps as in ALE's `AtariVectorEnv`, uint8
    (stack_num, H, W), or (stack_num, H, W, 3) where the generator makes colors; RAM uint8 (bytes,);
    or a Dict of both. RAM determines a frame. `info` has "lives", "episode_frame_number",
    "frame_number" (both in emulator frames), "is_unseen", a bool, and "ram", uint8 (bytes,).
    `reset(seed=s)`, with s at least 0, determines all that follows. `render()` returns the newest
    frame, RGB uint8 (H, W, 3).

    "is_unseen" is True in states with a value of a byte that the training never saw in real play:
    the dream has gone wrong, and may not come back. `end_if_unseen=True` truncates the episode.

    With `episodic_life=True` an episode ends with a lost life, and the next reset begins a new
    game. Rewards are not clipped unless `reward_clipping=True`.

    `clone_state` and `restore_state` serve planning, and `set_state` the question "what if".

    Args:
        model: a `Dream`, the folder of one, the name of one that comes with the package, or
            "hf://USER/NAME". It must be given.
        generator: a FrameGenerator that reads RAM, or what `FrameGenerator.load` takes. None takes
            the dream's own.
        options: `obs_type`, `stack_num`, `frameskip`, `repeat_action_probability`,
            `max_num_frames_per_episode`, `starts`, `noop_max`, `reward_clipping`, `episodic_life`,
            `end_if_unseen`, `render_mode`, `device` and `allow_other_game`, which `DreamOptions`
            describes.

    Raises:
        InputError: an option is out of range; the dream or the generator is missing or damaged; or
            the generator does not read the RAM of the dream's game.

    Example:
        >>> import gymnasium as gym
        >>> from atarigan.envs import DreamEnv
        >>> env = DreamEnv("runs/dream", frameskip=4)  # doctest: +SKIP
        >>> env = gym.make("atarigan:atarigan/Dream-v0", model="runs/dream")  # doctest: +SKIP
        >>> observation, info = env.reset(seed=0)  # doctest: +SKIP
        >>> observation.shape, info["lives"]  # doctest: +SKIP
        ((4, 84, 84), 5)

        Two actions from the same state:

        >>> state = env.unwrapped.clone_state()  # doctest: +SKIP
        >>> one = env.step(2)  # doctest: +SKIP
        >>> env.unwrapped.restore_state(state)  # doctest: +SKIP
        >>> other = env.step(3)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Dream | str | Path | None = None,
        generator: "FrameGenerator | str | Path | None" = None,
        **options: Unpack[DreamKwargs],
    ) -> None:
        chosen = DreamOptions(**options)
        self._games = DreamGames(model, generator, 1, chosen)
        actions = gym.spaces.Discrete(len(self.get_action_meanings()))
        super().__init__(self._games, actions, chosen.render_mode)

    def get_action_meanings(self) -> list[str]:
        """Return the name of each action, such as "UPRIGHTFIRE"."""
        return list(self._games.dream.settings.action_meanings)

    def set_state(
        self, ram: Any, *, lives: int | None = None, resistance: int | None = None
    ) -> Any:
        """Continue from RAM and return its observation, in which it is the only frame.

        Args:
            ram: uint8 (bytes,).
            lives: lives left, from 0 to 255; None takes those that the dream predicts of the RAM.
            resistance: of the paddle, in ohms from 27450 (right) to 790196 (left); None changes
                nothing.

        Raises:
            InputError: the RAM has another type or shape, a number is out of range, or there is no
                paddle.
            ResetNeeded: there was no reset.
        """
        self._games.set_state(ONLY, ram, lives, resistance)
        return self._observation()

    def _checked(self, action: Any) -> Any:
        if not self.action_space.contains(action):
            largest = len(self.get_action_meanings()) - 1
            raise InputError(
                f"action must be a whole number from 0 to {largest}, not {shown(action)}"
            )
        return np.array([action], np.int64)
