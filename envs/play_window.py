"""A window in which a person plays an environment of ALE's actions, by `gymnasium.utils.play`."""

import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from atarigan.config.extras import imported
from atarigan.errors import InputError, one_line

from .env_provenance import provenance_of

_FRAMES_PER_S = 60  # of the console
_WIDTH = 900  # pixels, about
_KEYS = {
    "UP": ("w", "UP"),
    "DOWN": ("s", "DOWN"),
    "LEFT": ("a", "LEFT"),
    "RIGHT": ("d", "RIGHT"),
    "FIRE": ("SPACE", "SPACE"),
}
_TURNED = {"RIGHT": "UP", "LEFT": "DOWN"}

Keys = dict[tuple[int, ...], int]


class Episodes:
    """The scores of what is played in a window.

    Attributes:
        scores: of the episodes, the last of which may not have ended; empty before a step.
        num_steps: agent steps of all episodes.
    """

    def __init__(self) -> None:
        self.scores: list[float] = []
        self.num_steps = 0
        self._is_over = True

    def add(self, reward: float, *, ends: bool) -> None:
        """Count a step."""
        if self._is_over:
            self.scores.append(0.0)
        self.scores[-1] += reward
        self.num_steps += 1
        self._is_over = ends


def play_in_window(env: gym.Env[Any, Any], seed: int, max_steps: int = 0) -> Episodes:
    """Let a person play until the window is closed, in real time, and close the environment.

    Args:
        env: an environment of ALE's actions with render mode "rgb_array".
        seed: of each episode.
        max_steps: agent steps after which the window closes; 0 for no limit.

    Raises:
        InputError: pygame is not installed, or there is no display.
    """
    pygame = imported("pygame", "play")
    with warnings.catch_warnings(action="ignore"):  # of plots, which it asks for a Tk window
        from gymnasium.utils.play import play

    try:
        pygame.display.init()
    except pygame.error as error:
        raise InputError(f"a window needs a display: {one_line(error)}") from None

    episodes = Episodes()

    def count(*step: Any) -> None:
        _, _, _, reward, terminated, truncated, _ = step
        episodes.add(float(reward), ends=terminated or truncated)
        if episodes.num_steps == max_steps:
            pygame.event.post(pygame.event.Event(pygame.QUIT))

    env.reset(seed=seed)
    meanings = env.unwrapped.get_action_meanings()  # type: ignore[attr-defined]  # ALE's and dreams'
    play(
        env,
        fps=max(1, _FRAMES_PER_S // (provenance_of(env).frame_skip or 1)),
        zoom=max(1, round(_WIDTH / env.render().shape[1])),  # type: ignore[union-attr]
        callback=count,
        keys_to_action=keys_of(meanings),
        seed=seed,
        noop=meanings.index("NOOP") if "NOOP" in meanings else 0,
    )
    env.close()
    return episodes


def keys_of(meanings: Sequence[str]) -> Keys:
    """Return the action of each combination of keys: WASD or arrows, and space.

    In a game without up and down, up is right, as for the paddles of Pong, and down is left.

    Raises:
        InputError: pygame is not installed.
    """
    pygame = imported("pygame", "play")
    names = [_parts(meaning) for meaning in meanings]
    is_turned = not any(name in parts for parts in names for name in ("UP", "DOWN"))
    keys: Keys = {}
    for action, parts in enumerate(names):
        chosen = [parts, [_TURNED.get(part, part) for part in parts]] if is_turned else [parts]
        for wanted in chosen if parts else []:
            for pressed in zip(*(_KEYS[part] for part in wanted), strict=True):
                keys[tuple(sorted(getattr(pygame, f"K_{name}") for name in pressed))] = action
    return keys


def _parts(meaning: str) -> list[str]:
    """The directions and the button of an action such as "UPRIGHTFIRE"."""
    return [name for name in _KEYS if name in meaning]
