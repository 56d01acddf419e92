"""How many frames a model predicts exactly."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from atarigan.models.dynamics.dynamics import Dynamics
from atarigan.models.dynamics.transitions import FrameTransitions

_BATCH = 65_536


def wrong_transitions(
    dynamics: Dynamics, transitions: FrameTransitions, unread: Collection[int] = ()
) -> npt.NDArray[np.bool_]:
    """Return which transitions a model predicts wrongly in any byte, the reward, the end or lives,
    bool (N,).

    Args:
        dynamics: the model.
        transitions: N transitions.
        unread: addresses of bytes that do not count, because nothing reads them.

    Raises:
        InputError: the model is of other sizes, or numba is not installed.
    """
    is_wrong = np.empty(len(transitions), bool)
    counts = np.ones(transitions.states.shape[1], bool)
    counts[list(unread)] = False
    for begin in range(0, len(transitions), _BATCH):
        true = transitions[begin : begin + _BATCH]
        predicted = dynamics.step(true.states, true.inputs)
        is_wrong[begin : begin + _BATCH] = (
            (predicted.states != true.next_states)[:, counts].any(1)
            | (predicted.rewards != true.rewards)
            | (predicted.ends != true.ends)
            | (predicted.lives != true.lives)
        )
    return is_wrong
