"""The action of an emulator frame as a byte: which parts of the joystick it moves or presses.

Some games draw a frame with the joystick before they store what it does in RAM, so RAM alone does
not determine the frame.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import gymnasium as gym

PARTS = ("FIRE", "UP", "RIGHT", "LEFT", "DOWN")
"""What each bit of the byte stands for, the lowest first."""
ACTION_NAMES = "discrete actions with their names in ALE"
Bytes = npt.NDArray[np.uint8]


class Joysticks:
    """The joysticks of an environment's discrete actions.

    Args:
        meanings: name of each action in ALE, such as "UPRIGHTFIRE".
    """

    def __init__(self, meanings: Sequence[str]) -> None:
        self._has_names = len(meanings) > 0
        self.bytes = np.array([_byte(each) for each in meanings] or [0], np.uint8)

    def of_one(self, action: Any) -> int:
        """Return the byte of one action: 0 for "NOOP", for -1, and for any that has no name, which
        may then be of any kind.
        """
        return int(self.of(np.asarray(action).reshape(-1)[:1])[0]) if self._has_names else 0

    def of(self, actions: npt.NDArray[np.int64]) -> Bytes:
        """Return the bytes of actions int64 (...), uint8 (...); see `of_one`."""
        actions = np.asarray(actions)
        is_named = (actions >= 0) & (actions < len(self.bytes))
        return np.where(is_named, self.bytes[np.where(is_named, actions, 0)], np.uint8(0))


def _byte(meaning: str) -> int:
    return sum(1 << bit for bit, part in enumerate(PARTS) if part in meaning)


def with_joysticks(rams: Bytes, joysticks: Bytes) -> Bytes:
    """Return RAM uint8 (..., bytes) with joysticks uint8 (...) behind it, (..., bytes + 1)."""
    return np.concatenate([rams, joysticks[..., None]], axis=-1)


def meanings_of(env: "gym.Env[Any, Any]") -> tuple[str, ...]:
    """Return the name of each discrete action, in order; empty if the actions have no names.

    Wrappers that change the actions take their names away, unless they name them themselves.
    """
    import gymnasium as gym  # not above: configurations are read without it

    if not isinstance(env.action_space, gym.spaces.Discrete):
        return ()
    layer = env
    while isinstance(layer, gym.Wrapper) and not hasattr(layer, "get_action_meanings"):
        if isinstance(layer, gym.ActionWrapper) or layer.action_space != layer.env.action_space:
            return ()
        layer = layer.env
    meanings = tuple(getattr(layer, "get_action_meanings", tuple)())
    return meanings if len(meanings) == env.action_space.n else ()
